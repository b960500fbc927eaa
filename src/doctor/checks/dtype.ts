import type { Check } from '../check.ts'
import type { Draft } from '../diagnosis.ts'
import { storedDtype } from '../model-files.ts'

/** Parameters from which on a slow engine is noticed. */
const noticed = 20e6

/** A number type that this machine, or the model, is not made for. */
export const dtype: Check = {
  looksFor: 'a dtype that does not fit the machine or the model',
  examine({ model, run, machine, finished }) {
    const drafts: Draft[] = []
    const stored = model && storedDtype(model)
    const asked = run?.dtype?.replace('torch.', '')
    if (asked === 'float16' || asked === 'fp16')
      drafts.push({
        severity: finished === undefined ? 'error' : 'warning',
        place: `${run?.place ?? ''}: dtype`,
        found: stored === 'bfloat16' ? 'float16, for weights stored in bfloat16' : 'float16',
        evidence: [],
        why: 'float16 ends at 65,504: activations of models made in bfloat16 overflow, and the loss becomes NaN.',
        cure: 'Use bfloat16, or float32; fettle has these two.',
      })
    const size = model?.parameterCount ?? 0
    // What is only looked at runs on another machine.
    if (finished !== undefined || size < noticed) return drafts
    if (machine.engine === 'reference')
      drafts.push({
        severity: 'warning',
        place: model?.path ?? '',
        found: `${Math.round(size / 1e6)} million parameters, and only the TypeScript engine`,
        evidence: [],
        why: 'It is made to be read: a step takes minutes where the native engine takes a second.',
        cure: 'Run fettle build-native (needs a C++ compiler).',
      })
    const wanted = asked === undefined || asked === 'auto' ? stored : asked
    if (machine.engine === 'native' && !machine.bfloat16 && /^(bfloat16|bf16)$/.test(wanted ?? ''))
      drafts.push({
        severity: 'note',
        place: run?.dtype === undefined ? (model?.path ?? '') : `${run.place}: dtype`,
        found: `bfloat16, and this processor (${machine.isa}) computes in float32`,
        evidence: [],
        why: 'Weights take half the memory and are converted on the way, which costs some time.',
        cure: 'Set dtype: float32 where memory allows.',
      })
    return drafts
  },
}

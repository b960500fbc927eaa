import type { Check } from '../check.ts'
import type { Draft } from '../diagnosis.ts'
import { configNumber } from '../model-files.ts'
import { adapts, type Patient } from '../patient.ts'

/** Learning rates outside the inner bounds are unusual, outside the outer ones a mistake. */
const learningRates = {
  adapter: { lowest: 1e-6, low: 1e-5, high: 2e-3, highest: 1e-2 },
  full: { lowest: 1e-8, low: 5e-7, high: 2e-4, highest: 1e-3 },
}

/** Learning rate, rank and scaling far from what is usual. */
export const hyperparameters: Check = {
  looksFor: 'a learning rate, rank or alpha far outside what is usual',
  examine: (patient) => [...learningRateDrafts(patient), ...rankDrafts(patient)],
}

function learningRateDrafts(patient: Patient): Draft[] {
  const { run, finished } = patient
  const logged = (finished?.log ?? []).flatMap(({ learning_rate: rate }) =>
    typeof rate === 'number' ? [rate] : [],
  )
  const rate = run?.learningRate ?? (logged.length > 0 ? Math.max(...logged) : undefined)
  if (rate === undefined) return []
  const isAdapter = adapts(patient) || (run !== undefined && run.lora === undefined && finished === undefined)
  const { lowest, low, high, highest } = learningRates[isAdapter ? 'adapter' : 'full']
  if (rate >= low && rate <= high) return []
  const isHigh = rate > high
  return [
    {
      severity: rate > highest || rate < lowest ? 'error' : 'warning',
      place: `${run?.place ?? finished?.path ?? ''}: learning_rate`,
      found: `${rate} ${isAdapter ? 'with LoRA' : 'for all weights'}; usual is ${low} to ${high}`,
      evidence: [],
      why: isHigh
        ? 'The loss jumps or becomes NaN, and the model forgets how to write.'
        : 'The model hardly changes: the run ends as it began.',
      cure: `Start with ${isAdapter ? '2e-4' : '2e-5'}.`,
    },
  ]
}

function rankDrafts({ run, adapter, model }: Patient): Draft[] {
  const config = adapter?.config
  const numberOf = (value: unknown) => (typeof value === 'number' ? value : undefined)
  const r = run?.lora?.r ?? numberOf(config?.['r'])
  const alpha = run?.lora?.alpha ?? numberOf(config?.['lora_alpha'])
  const stabilised = run?.lora?.useRslora === true || config?.['use_rslora'] === true
  const place = run?.lora ? run.place : `${adapter?.path ?? ''}/adapter_config.json`
  if (r === undefined) return []
  const drafts: Draft[] = []
  const width = model && configNumber(model, 'hidden_size')
  if (r > 512 || (width !== undefined && r > width / 2))
    drafts.push({
      severity: 'warning',
      place: `${place}: r`,
      found: `rank ${r}${width === undefined ? '' : ` for a model of width ${width}`}`,
      evidence: [],
      why: 'So large an adapter costs as much as training the weights themselves, and learns by heart sooner.',
      cure: 'Start with 16; raise it when the loss stays high, or train all weights with lora: null.',
    })
  const scaling = alpha === undefined ? undefined : alpha / (stabilised ? Math.sqrt(r) : r)
  if (scaling !== undefined && (scaling < 0.1 || scaling > 16))
    drafts.push({
      severity: 'warning',
      place: `${place}: lora_alpha`,
      found: `alpha ${alpha} with rank ${r}: what the adapter says is multiplied by ${scaling.toPrecision(2)}`,
      evidence: [],
      why: scaling > 1 ? 'It acts like a learning rate as many times as large.' : 'It hardly acts at all.',
      cure: `Set lora_alpha to ${r} or ${2 * r}.`,
    })
  return drafts
}

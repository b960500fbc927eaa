import type { GenerationProgram } from '../../model/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { MemoryKind, MemoryValue } from './op-translation.ts'

/** What Transformers.js calls the inputs and outputs of memories. */
const prefixes: { readonly [K in MemoryKind]: { past: string; present: string; suffix: string } } = {
  key: { past: 'past_key_values', present: 'present', suffix: '.key' },
  value: { past: 'past_key_values', present: 'present', suffix: '.value' },
  conv: { past: 'past_conv', present: 'present_conv', suffix: '' },
  recurrent: { past: 'past_recurrent', present: 'present_recurrent', suffix: '' },
}

/** The inputs and outputs of what is remembered of earlier tokens, made when an op asks for them. */
export function memoryValues(
  graph: GraphBuilder,
  { memories }: GenerationProgram,
  compute: 'float32' | 'float16',
): (tensor: Tensor, kind: MemoryKind) => MemoryValue {
  const given = new Set<string>()
  return (tensor, kind) => {
    const layer = memories.get(tensor.id)
    if (layer === undefined) throw new Error('a memory that the program does not list')
    const { suffix, ...prefix } = prefixes[kind]
    const [past, present] = [prefix.past, prefix.present].map((each) => `${each}.${layer}${suffix}`)
    const type = tensor.dtype === 'float32' ? 'float32' : compute
    return {
      past: (shape) => graph.input({ name: past, type, shape }),
      present(value, shape) {
        if (given.has(present)) return
        given.add(present)
        graph.output({ name: present, type, shape }, value)
      },
    }
  }
}

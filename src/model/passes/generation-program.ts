import { createTape, rowsOf, tensorHandle } from '../../engine/index.ts'
import type { Command, DType } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { headOf, linearParameters, type Architecture } from '../blocks/architecture.ts'
import type { CacheShape } from '../blocks/cache-shape.ts'
import { decode, headLogits } from '../blocks/decode.ts'
import type { LinearTensors, PassTensors } from '../blocks/forward-pass.ts'
import { keepEverything } from '../blocks/forward-pass.ts'
import type { Rope } from '../blocks/rope.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount, shapeOf } from '../weights/parameters.ts'

/** One pass of generation as the model's families record it, before any engine: what another runtime's file is translated from. */
export interface GenerationProgram {
  commands: readonly Command[]
  /** int32 [M] each, of M tokens. */
  ids: Tensor
  positions: Tensor
  /** int32: the sequence of each token. */
  slots: Tensor
  /** int32: which tokens logits are wanted of. */
  rows: Tensor
  /** float32 [rows, vocabulary] */
  logits: Tensor
  /** The parameter that a tensor is, by the tensor's id. */
  parameters: ReadonlyMap<number, Parameter>
  /** The table of a rotation that a tensor is, by the tensor's id. */
  rotations: ReadonlyMap<number, { rope: Rope; table: 'cos' | 'sin' }>
  /** The first layer that remembers earlier tokens in a tensor, by the tensor's id. */
  memories: ReadonlyMap<number, number>
}

/** Room for tokens in the handles; nothing depends on it. */
const tokenCount = 2

/** Records one pass over tokens of several sequences, without an adapter. */
export function recordGeneration(architecture: Architecture, activation: DType): GenerationProgram {
  const parameters = new Map<number, Parameter>()
  const rotations = new Map<number, { rope: Rope; table: 'cos' | 'sin' }>()
  const { caches, memories } = memoriesOf(architecture, activation)
  const tape = createTape()
  const tokens = rowsOf('tokens', tokenCount)
  const integers = () => tensorHandle('persistent', 'int32', [tokens])
  const [ids, positions, slots] = [integers(), integers(), integers()]
  const rows = tensorHandle('persistent', 'int32', [1])
  const tensors = unadapted(architecture, activation, parameters, rotations)
  const pass = {
    tape,
    tensors,
    tokens: { ids, positions, context: { slots, caches }, rows },
    options: { activation, dropoutSeed: null, int8Activations: false, recomputation: keepEverything },
  }
  const hidden = architecture.norm.record(pass, decode(pass, architecture))
  const logits = headLogits(tape, hidden, tensors.tensor(headOf(architecture)), architecture.logits, null)
  return { commands: tape.commands(), ids, positions, slots, rows, logits, parameters, rotations, memories }
}

function memoriesOf({ layers }: Architecture, activation: DType) {
  const caches = new Map<CacheShape, readonly Tensor[]>()
  const memories = new Map<number, number>()
  for (const [layer, blocks] of layers.entries())
    for (const { cache } of blocks) {
      if (!cache || caches.has(cache)) continue
      const { widths, states = [] } = cache
      const tensors = [
        ...widths.map((width) => tensorHandle('persistent', activation, [1, tokenCount, width])),
        ...states.map(({ positions, width, isFloat32 = false }) =>
          tensorHandle('persistent', isFloat32 ? 'float32' : activation, [1, positions + 1, width]),
        ),
      ]
      caches.set(cache, tensors)
      for (const { id } of tensors) memories.set(id, layer)
    }
  return { caches, memories }
}

/** Handles for the parameters and tables of a model that has no adapter, made when they are asked for. */
function unadapted(
  architecture: Architecture,
  activation: DType,
  parameters: Map<number, Parameter>,
  rotations: Map<number, { rope: Rope; table: 'cos' | 'sin' }>,
): PassTensors {
  const handles = new Map<string, Tensor>()
  const turns = new Map<Rope, { cos: Tensor; sin: Tensor }>()
  const places = new Map(linearParameters(architecture).map(({ key }, place) => [key, place]))
  const tensor = (parameter: Parameter) => {
    const known = handles.get(parameter.key)
    if (known) return known
    const dtype = parameter.kind === 'vector' ? 'float32' : activation
    const made = tensorHandle('persistent', dtype, shapeOf(parameter))
    handles.set(parameter.key, made)
    parameters.set(made.id, parameter)
    return made
  }
  return {
    tensor,
    linear: (parameter): LinearTensors => ({
      weight: tensor(parameter),
      lora: null,
      dora: null,
      segments: [rowCount(parameter), 0, 0],
      place: places.get(parameter.key) ?? 0,
      isInt8: false,
    }),
    experts: (parameter) => ({ weight: tensor(parameter), lora: null }),
    embeddingLora: null,
    headLora: null,
    isInvertible: () => false,
    rotation(rope) {
      const known = turns.get(rope)
      if (known) return known
      const table = (name: 'cos' | 'sin') => {
        const made = tensorHandle('persistent', 'float32', [1, rope.rotaryDim / 2])
        rotations.set(made.id, { rope, table: name })
        return made
      }
      const made = { cos: table('cos'), sin: table('sin') }
      turns.set(rope, made)
      return made
    },
  }
}

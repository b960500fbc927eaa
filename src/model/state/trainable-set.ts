import type { Engine } from '../../engine/engine.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { elementCount } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import { machineMemory } from '../../machine-memory.ts'
import type { TensorSlice } from '../weights/tensor-slice.ts'
import type { UpdateGroup } from './update-groups.ts'
import { updateGroups } from './update-groups.ts'

/** What is to become trainable. */
export interface TrainableEntry {
  /** The parameter's, or the parameter's and `loraA` or `loraB`. */
  key: string
  shape: readonly number[]
  /** The tensors of a file that it is made of. */
  slices: readonly TensorSlice[]
  /** Norms and biases are exempt from weight decay, as transformers' Trainer finds them by their names. */
  decay: boolean
  /** The same as LoRA+ decides it; default true. */
  decaysInLoraPlus?: boolean
  initial: () => Promise<Float32Array>
}

export interface TrainableTensor extends TrainableEntry {
  tensor: Tensor
  gradient: Tensor
  /** Elements from the start of the flat buffers. */
  start: number
}

/**
 * All trainable parameters in one float32 buffer and their gradients in another, decayed ones first, so that
 * clipping and the optimiser are one pass each.
 */
export interface TrainableSet {
  parameters: Tensor
  gradients: Tensor
  size: number
  /** How an optimiser divides them. */
  groups: readonly UpdateGroup[]
  tensors: TrainableTensor[]
  byKey: ReadonlyMap<string, TrainableTensor>
  /** Gradients of what shares a vector with trained parts and is not trained itself: they stay zero. */
  untrained: Tensor[]
}

/**
 * Makes entries trainable.
 *
 * @throws FettleError when this machine's memory cannot hold them and their gradients
 */
export async function createTrainableSet(
  engine: Engine,
  entries: readonly TrainableEntry[],
): Promise<TrainableSet> {
  const sorted = [...entries.filter((entry) => entry.decay), ...entries.filter((entry) => !entry.decay)]
  const sizes = sorted.map((entry) => elementCount(entry.shape))
  const size = sizes.reduce((sum, n) => sum + n, 0)
  refuseBeyondMemory(size)
  const parameters = engine.tensor('float32', [size])
  const gradients = engine.tensor('float32', [size])
  const tensors: TrainableTensor[] = []
  let start = 0
  for (const [i, entry] of sorted.entries()) {
    const tensor = engine.view(parameters, start, entry.shape)
    engine.write(tensor, await entry.initial())
    tensors.push({ ...entry, tensor, gradient: engine.view(gradients, start, entry.shape), start })
    start += sizes[i]
  }
  return {
    parameters,
    gradients,
    size,
    groups: updateGroups(tensors),
    tensors,
    byKey: new Map(tensors.map((tensor) => [tensor.key, tensor])),
    untrained: tensors.flatMap(({ shape, slices, gradient }) =>
      shape.length === 1
        ? gaps(slices, shape[0]).map(({ start: from, end }) => engine.view(gradient, from, [end - from]))
        : [],
    ),
  }
}

/** What cannot be is said before it is tried: the system may promise the memory and end the process when it is used. */
function refuseBeyondMemory(size: number): void {
  const needed = 2 * Float32Array.BYTES_PER_ELEMENT * size
  const there = machineMemory()
  if (needed <= there) return
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(0)} GiB`
  throw new FettleError({
    place: 'trainable parameters',
    found: `${size.toLocaleString('en-US')}, which take ${gib(needed)} with their gradients`,
    expected: `at most the ${gib(there)} of this machine`,
    cure: 'Lower the rank (lora.r), or train fewer modules (lora.target_modules).',
  })
}

/** Gives back its memory; what was learned must have been read. */
export function freeTrainableSet(engine: Engine, set: TrainableSet): void {
  const views = set.tensors.flatMap(({ tensor, gradient }) => [tensor, gradient])
  for (const tensor of [...views, ...set.untrained, set.parameters, set.gradients]) engine.free(tensor)
}

/** The stretches of a vector that no slice covers; they are in order. */
function gaps(slices: readonly TensorSlice[], length: number): { start: number; end: number }[] {
  const ends = [0, ...slices.map(({ offset, rows }) => offset + rows)]
  const starts = [...slices.map(({ offset }) => offset), length]
  return ends.map((end, i) => ({ start: end, end: starts[i] })).filter(({ start, end }) => end > start)
}

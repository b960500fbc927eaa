import type { Engine, Tensor, TensorData } from '../../engine/index.ts'
import { elementCount } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import {
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  writeSafetensors,
  type SafetensorsDtype,
} from '../../formats/index.ts'
import type { ModelInternals, Training } from '../../model/index.ts'
import type { Optimiser } from '../optimisers/optimiser.ts'

/** What training changes, by name: the parameters in float32 (the model's files may round them) and what the optimiser remembers. */
export interface TrainedStates {
  engine: Engine
  tensors: Readonly<Record<string, Tensor>>
  /** Of the model: nothing computes while the states are read or written. */
  inTurn: ModelInternals['inTurn']
}

/**
 * The states of a run.
 *
 * @param others  what an objective or a reference remembers
 */
export function trainedStates(
  { inTurn }: Pick<ModelInternals, 'inTurn'>,
  { trainable }: Training,
  optimiser: Optimiser,
  others: Readonly<Record<string, Tensor>> = {},
): TrainedStates {
  const { engine, parameters } = trainable
  return { engine, tensors: { parameters, ...optimiser.states, ...others }, inTurn }
}

/** Numbers of a tensor that are copied out at a time. */
const partNumbers = 1 << 20

/** Types in the file; float32 holds bfloat16 exactly. */
const fileTypes = { float32: 'F32', bfloat16: 'F32', int32: 'I32' } as const satisfies {
  [T in Tensor['dtype']]: SafetensorsDtype
}

/** Writes them as safetensors. */
export async function writeStates(file: string, { engine, tensors, inTurn }: TrainedStates): Promise<void> {
  const written = Object.entries(tensors).map(([name, tensor]) => ({
    name,
    dtype: fileTypes[tensor.dtype],
    shape: [...tensor.shape],
    data: () => partsOf(engine, tensor),
  }))
  await inTurn(() => writeSafetensors(file, written))
}

/**
 * Puts them back to what a file holds.
 *
 * @throws FettleError when the file holds others, or of another size
 */
export async function readStates(file: string, { engine, tensors, inTurn }: TrainedStates): Promise<void> {
  const { tensors: saved } = await readSafetensorsHeader(file)
  const names = Object.keys(tensors)
  if (names.length !== saved.size || !names.every((name) => saved.has(name)))
    throw new FettleError({
      place: file,
      found: [...saved.keys()].toSorted().join(', '),
      expected: `${names.toSorted().join(', ')}, which this optimiser remembers`,
      cure: 'Resume with the optimiser that wrote it.',
    })
  for (const info of saved.values()) {
    const tensor = tensors[info.name]
    const dtype = fileTypes[tensor.dtype]
    if (info.dtype !== dtype || info.shape.join() !== tensor.shape.join())
      throw new FettleError({
        place: `${file}: ${info.name}`,
        found: `${info.dtype} [${info.shape.join(', ')}]`,
        expected: `${dtype} [${tensor.shape.join(', ')}]`,
        cure: 'The checkpoint belongs to another model or another lora section.',
      })
    const bytes = await readTensorBytes(info)
    const numbers = dtype === 'I32' ? new Int32Array(bytes.buffer) : toFloat32(bytes, dtype)
    await inTurn(async () => engine.write(tensor, numbers))
  }
}

/** The numbers of a tensor, some at a time. */
async function* partsOf(engine: Engine, tensor: Tensor): AsyncGenerator<TensorData> {
  const size = elementCount(tensor.shape)
  for (let start = 0; start < size; start += partNumbers) {
    const part = engine.view(tensor, start, [Math.min(partNumbers, size - start)])
    const numbers = await engine.read(part)
    engine.free(part)
    yield numbers
  }
}

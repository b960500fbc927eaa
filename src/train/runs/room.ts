import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { byteCount } from '../../byte-count.ts'
import { elementCount } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import { leftAt, roomBefore } from '../../formats/index.ts'
import { internalsOf, type AutoModelForCausalLM } from '../../model/index.ts'
import type { TrainedStates } from './trained-states.ts'

/** What a checkpoint takes at least: float32 numbers of what is trained and remembered, and the weights, in no less than 16 bits. */
export function checkpointBytes(
  model: AutoModelForCausalLM,
  { tensors }: Pick<TrainedStates, 'tensors'>,
): number {
  const numbersOf = (all: readonly { shape: readonly number[] }[]): number =>
    all.reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const remembered = 4 * numbersOf(Object.values(tensors))
  if (!model.adapterConfig) return remembered + 2 * model.parameterCount
  const written = internalsOf(model).state.trainable?.tensors.flatMap(({ slices }) => slices)
  return remembered + 4 * numbersOf(written ?? [])
}

/**
 * Says before hours of training that their result has no room.
 *
 * @param replaced  what goes before anything is written
 * @throws FettleError (exit code 1) where a disk cannot hold so many bytes
 */
export async function requireRoom(folder: string, bytes: number, replaced: readonly string[]): Promise<void> {
  const free = roomBefore(folder)
  if (free === undefined || (free.hasFiles && free.bytes >= bytes)) return
  const freed = await Promise.all(replaced.map(bytesOf))
  if (free.bytes + freed.reduce((sum, each) => sum + each, 0) >= bytes && (free.hasFiles || freed.length > 0))
    return
  throw new FettleError(
    {
      place: folder,
      found: `a disk that holds no checkpoint${leftAt(folder)}`,
      expected: `room for ${byteCount(bytes)}, which a checkpoint takes at least`,
      cure: 'Free some space or choose another output_dir.',
    },
    { exitCode: 1 },
  )
}

/** Of a file, or of all files of a folder. */
async function bytesOf(path: string): Promise<number> {
  const found = await stat(path)
  if (!found.isDirectory()) return found.size
  const inside = await Promise.all((await readdir(path)).map((name) => bytesOf(join(path, name))))
  return inside.reduce((sum, each) => sum + each, 0)
}

import { join } from 'node:path'
import { writeFileAtomic } from '../files/atomic.ts'
import { removePath } from '../files/moving.ts'
import { refuseFull } from '../files/free-space.ts'
import { bytesPerElement } from './safetensors.ts'
import { writeSafetensors, type TensorToWrite } from './safetensors-write.ts'
import { indexName, singleName } from './weight-names.ts'

/**
 * Writes a model's tensors as Transformers does: to `model.safetensors`, or where they take more than `maxBytes`, to
 * several files and `model.safetensors.index.json`, in their order; a larger tensor has a file for itself. The index comes last, and
 * what a former save left under the other names goes.
 */
export async function writeWeightFiles(
  folder: string,
  tensors: readonly TensorToWrite[],
  maxBytes: number,
): Promise<void> {
  const totalBytes = tensors.reduce((sum, tensor) => sum + byteLength(tensor), 0)
  refuseFull(folder, totalBytes)
  const shards = inShards(tensors, maxBytes)
  if (shards.length <= 1) {
    await writeSafetensors(join(folder, singleName), tensors)
    await removePath(join(folder, indexName))
    return
  }
  const five = (number: number) => String(number).padStart(5, '0')
  const nameOf = (shard: number) => `model-${five(shard + 1)}-of-${five(shards.length)}.safetensors`
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(folder, nameOf(i)), shard)
  const index = {
    metadata: {
      total_parameters: tensors.reduce((sum, tensor) => sum + elements(tensor), 0),
      total_size: totalBytes,
    },
    weight_map: Object.fromEntries(
      shards
        .flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)] as const))
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ),
  }
  await writeFileAtomic(join(folder, indexName), `${JSON.stringify(index, null, 2)}\n`)
  await removePath(join(folder, singleName))
}

function inShards(tensors: readonly TensorToWrite[], maxBytes: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = []
  let bytes = 0
  for (const tensor of tensors) {
    const length = byteLength(tensor)
    if (shards.length === 0 || bytes + length > maxBytes) {
      shards.push([])
      bytes = 0
    }
    shards.at(-1)?.push(tensor)
    bytes += length
  }
  return shards
}

const elements = ({ shape }: TensorToWrite) => shape.reduce((product, size) => product * size, 1)
const byteLength = (tensor: TensorToWrite) => elements(tensor) * bytesPerElement[tensor.dtype]

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { clipText, FettleError, listNames, messageOf } from '../../error.ts'
import { isGgufName } from '../gguf/gguf-name.ts'
import { readSafetensorsHeader, type TensorInfo } from './safetensors.ts'
import { indexName, singleName } from './weight-names.ts'

/**
 * The tensors of a model folder by name, from `model.safetensors` or, where the model is split, from the
 * shards that `model.safetensors.index.json` lists.
 *
 * @throws FettleError when there is neither, a shard is missing or a tensor is not where the index says
 */
export async function openWeightFiles(folder: string): Promise<Map<string, TensorInfo>> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new FettleError(
      {
        place: folder,
        found: messageOf(error),
        expected: 'a model folder',
        cure: 'Check the path of the model.',
      },
      { cause: error },
    )
  })
  if (names.includes(singleName)) return (await readSafetensorsHeader(join(folder, singleName))).tensors
  if (names.includes(indexName)) return openShards(folder, names)
  const others = names.filter((name) => /\.(safetensors|bin|pt|pth|gguf)$/i.test(name))
  throw new FettleError({
    place: folder,
    found: others.length === 0 ? 'no weights' : listNames(others),
    expected: `${singleName} or ${indexName}`,
    cure: cureFor(others),
  })
}

function cureFor(others: readonly string[]): string {
  const gguf = others.toSorted().find(isGgufName)
  if (gguf !== undefined) return `Give the path of the file itself: ${gguf}.`
  if (others.some((name) => /\.(bin|pt|pth)$/i.test(name)))
    return 'Convert the weights: load the model with transformers and save_pretrained() it.'
  return 'Download the whole model folder.'
}

async function openShards(folder: string, present: readonly string[]): Promise<Map<string, TensorInfo>> {
  // Its schema is loaded where there is an index.
  const { readWeightMap } = await import('./weight-index.ts')
  const weightMap = await readWeightMap(join(folder, indexName))
  const shards = new Map<string, Map<string, TensorInfo>>()
  const missing = [...new Set(weightMap.values())].filter((shard) => !present.includes(shard))
  if (missing.length > 0)
    throw new FettleError({
      place: join(folder, indexName),
      found: `shards that are not in the folder: ${listNames(missing)}`,
      cure: 'Download the missing files.',
    })
  const tensors = new Map<string, TensorInfo>()
  for (const [name, shard] of weightMap) {
    let inShard = shards.get(shard)
    if (inShard === undefined) {
      inShard = (await readSafetensorsHeader(join(folder, shard))).tensors
      shards.set(shard, inShard)
    }
    const info = inShard.get(name)
    if (info === undefined)
      throw new FettleError({
        place: join(folder, shard),
        found: `no tensor ${clipText(name)}, which ${indexName} says is here`,
        cure: 'Index and shards are from different downloads: download the model again.',
      })
    tensors.set(name, info)
  }
  return tensors
}

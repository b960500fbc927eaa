import { basename } from 'node:path'
import { z } from 'zod'
import { readForeign } from '../foreign/index.ts'
import { readJsonFile } from '../text.ts'

const keys = {
  obeyed: z.object({
    weight_map: z.record(
      z.string(),
      // A path that leads elsewhere would read files that nobody named.
      z.string().refine((shard) => shard === basename(shard) && shard !== '..', 'a file beside the index'),
    ),
  }),
  harmless: ['metadata'],
}

/**
 * The file that holds each tensor, as `model.safetensors.index.json` says.
 *
 * @throws FettleError for a file that is no such index
 */
export async function readWeightMap(path: string): Promise<Map<string, string>> {
  const { values } = readForeign(keys, await readJsonFile(path), path)
  return new Map(Object.entries(values.weight_map))
}

import { isJsonObject, type JsonObject } from '../../../formats/foreign/index.ts'
import { listNames, type Problem } from '../../../error.ts'
import { openWeightFiles, type TensorInfo } from '../../../formats/index.ts'
import { parametersOf, type Architecture } from '../../blocks/architecture.ts'
import { quantizedTensors, type QuantizedTensor } from '../quantized/bitsandbytes.ts'
import { mxfp4Tensors } from '../quantized/mxfp4.ts'

/** The tensors of a folder by the names that an architecture has for them. */
export interface StoredTensors {
  folder: string
  names: readonly string[]
  find(name: string): TensorInfo | undefined
  isQuantized: boolean
  /** Where the matrix of that name is held in 4 or 8 bits. */
  quantized(name: string): QuantizedTensor | undefined
}

/** Opens model.safetensors or its shards, without the numbers. `config` and its `place` say how weights may be packed. */
export async function openStoredTensors(
  folder: string,
  config: JsonObject,
  place: string,
): Promise<StoredTensors> {
  const tensors = await openWeightFiles(folder)
  const quantized = new Map([
    ...(await quantizedTensors(tensors)),
    ...mxfp4Tensors(tensors),
    ...(await packedIn(tensors, config, place)),
  ])
  return {
    folder,
    names: [...tensors.keys()],
    find: byName(tensors),
    isQuantized: quantized.size > 0,
    quantized: byName(quantized),
  }
}

/** What GPTQ or AWQ packed. */
async function packedIn(tensors: ReadonlyMap<string, TensorInfo>, config: JsonObject, place: string) {
  if (!isJsonObject(config['quantization_config'])) return []
  const { packedTensors, packingOf } = await import('../quantized/packed-weights.ts')
  return packedTensors(tensors, packingOf(config, place))
}

/** Decoders saved without their language-model head lack the first part of the name, such as `model.`. */
function byName<T>(entries: ReadonlyMap<string, T>): (name: string) => T | undefined {
  return (name) => entries.get(name) ?? entries.get(name.slice(name.indexOf('.') + 1))
}

/** Tensors without parameters: rotation tables and masks that older versions of transformers saved, a tied head. */
const harmless = /(^|\.)(rotary_emb\.inv_freq|attn\.(masked_)?bias)$/

/** Names of the tensors that nothing reads. */
export function unreadTensors(stored: StoredTensors, architecture: Architecture): string[] {
  const { names, find, quantized } = stored
  const wanted = [...parametersOf(architecture), architecture.head].flatMap(({ parts }) =>
    parts.map(({ safetensors }) => safetensors.name),
  )
  const read = new Set(wanted.flatMap((name) => quantized(name)?.names ?? find(name)?.name ?? []))
  for (const name of architecture.ignored ?? []) read.add(find(name)?.name ?? name)
  return names.filter((name) => !read.has(name) && !harmless.test(name))
}

/** What to say of tensors that nothing reads; nothing where there are none. */
export function unreadNotice(place: string, unread: readonly string[]): Problem[] {
  if (unread.length === 0) return []
  const one = unread.length === 1
  return [
    {
      place,
      found: `${one ? 'a tensor' : `${unread.length} tensors`} that the model has no place for, so that nothing reads ${one ? 'it' : 'them'}: ${listNames(unread)}`,
    },
  ]
}

// The families of models that fettle knows, a file each, and which of them a config.json or a GGUF file belongs to.
// A new one is a line here and a file like llama.ts; docs/adding-a-model.md shows the way.
import { closestName } from '../../closest-name.ts'
import { FettleError, quoteValue } from '../../error.ts'
import { isJsonObject } from '../../formats/foreign/index.ts'
import type { GgufFile } from '../../formats/index.ts'
import type { Family, ModelDescription, StoredNames } from './family.ts'
import { ggufConfig } from './gguf-config.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { gemma4 } from './gemma4.ts'
import { gpt2 } from './gpt2.ts'
import { gptOss } from './gpt-oss.ts'
import { granite } from './granite.ts'
import { lfm2 } from './lfm2.ts'
import { llama } from './llama.ts'
import { ministral3 } from './ministral3.ts'
import { mistral } from './mistral.ts'
import { mixtral } from './mixtral.ts'
import { olmo2 } from './olmo2.ts'
import { olmo3 } from './olmo3.ts'
import { phi3 } from './phi3.ts'
import { qwen2 } from './qwen2.ts'
import { qwen2Moe } from './qwen2-moe.ts'
import { qwen3 } from './qwen3.ts'
import { qwen35 } from './qwen3-5.ts'
import { qwen3Moe } from './qwen3-moe.ts'
import { smollm3 } from './smollm3.ts'
import { starcoder2 } from './starcoder2.ts'
import { textConfig } from './wrappers.ts'

export type { GgufDescription, ModelConfig, ModelDescription } from './family.ts'
export { textConfig } from './wrappers.ts'

const families: readonly Family[] = [
  llama,
  mistral,
  ministral3,
  mixtral,
  qwen2,
  qwen2Moe,
  qwen3,
  qwen3Moe,
  smollm3,
  gemma2,
  gemma3,
  gemma4,
  granite,
  olmo2,
  olmo3,
  phi3,
  starcoder2,
  gpt2,
  lfm2,
  qwen35,
  gptOss,
]

/**
 * Reads a Hugging Face config.json, in the spelling of transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`)
 * or 5 (`rope_parameters`, `dtype`). Of a model with a text model inside it is the text model's.
 *
 * @param place         the file, for messages
 * @param stored        what the weights have, where there are weights
 * @throws FettleError on an unknown model_type, and on values that the family's keys cannot have
 */
export function describeModel(
  raw: Record<string, unknown>,
  place: string,
  stored?: StoredNames,
): ModelDescription {
  if (!isJsonObject(raw))
    throw new FettleError({ place, found: quoteValue(raw), expected: 'the fields of a config.json' })
  const known = families.map(({ modelType }) => modelType)
  const text = textConfig(raw, place)
  const modelType = text.raw['model_type']
  const family = families.find((each) => each.modelType === modelType)
  if (!family) throw unknown(text.place, `model_type ${quoteValue(modelType)}`, modelType, known)
  const own = text.isInside ? { architectures: [family.className], ...text.raw } : raw
  return family.read(own, text.place, stored, text.root)
}

/**
 * Reads the metadata of a GGUF file.
 *
 * @throws FettleError on an unknown architecture, and on values that the family's keys cannot have
 */
export async function describeGguf(path: string, file: GgufFile): Promise<ModelDescription> {
  const known = [...new Set(families.flatMap(({ gguf }) => gguf?.architecture ?? []))]
  const architecture = String(file.metadata.get('general.architecture'))
  const related = families.filter(({ gguf }) => gguf?.architecture === architecture)
  const isMarked = (key: string | undefined) =>
    key !== undefined && Boolean(Number(file.metadata.get(`${architecture}.${key}`) ?? 0))
  const family =
    related.find(({ gguf }) => isMarked(gguf?.marked)) ?? related.find(({ gguf }) => !gguf?.marked)
  if (!family?.gguf) throw unknown(path, `architecture ${quoteValue(architecture)}`, architecture, known)
  const { raw, notices } = await ggufConfig(family, family.gguf, file, path)
  const described = family.read(raw, path, {
    layers: layersOf(file.tensors.keys()),
    has: (name) => file.tensors.has(name),
  })
  return { ...described, notices: [...notices, ...described.notices] }
}

/** What Transformers calls a family's class for sequence classification; null where it has none. */
export function classifierOf(modelType: string): string | null {
  const family = families.find((each) => each.modelType === modelType)
  if (!family || family.classifierName === null) return null
  return (
    family.classifierName ??
    family.className.replace(/ForCausalLM$|LMHeadModel$/, 'ForSequenceClassification')
  )
}

/** How many layers these tensors belong to, by the first number in their names. */
export function layersOf(names: Iterable<string>): number {
  const layers = new Set<string>()
  for (const name of names) {
    const [, layer] = /\.(\d+)\./.exec(name) ?? []
    if (layer !== undefined) layers.add(layer)
  }
  return layers.size
}

/** The one that a name continues, such as qwen3 of qwen3_next; else one that is spelled alike; else one of the same first letters. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  const longestFirst = known.toSorted((a, b) => b.length - a.length)
  const stem = (each: string) => /^[a-z]+/.exec(each)?.[0]
  return (
    longestFirst.find((each) => name.startsWith(each.replace(/_text$/, ''))) ??
    closestName(name, known) ??
    known.find((each) => stem(each) === stem(name))
  )
}

function unknown(place: string, found: string, name: unknown, known: readonly string[]): FettleError {
  const nearest = typeof name === 'string' ? nearestOf(name.slice(0, 60), known) : undefined
  return new FettleError({
    place,
    found,
    expected: known.join(', '),
    cure: nearest
      ? `fettle does not know this architecture; the nearest that it knows is ${nearest}.`
      : 'fettle does not know this architecture; choose a model of one of these families.',
  })
}

// The families of models that fettle knows, a file each, and which of them a config.json or a GGUF file belongs to.
// A new one is a line here and a file like llama.ts; docs/adding-a-model.md shows the way.
import { closestName } from '../../closest-name.ts'
import { FettleError, quoteValue } from '../../error.ts'
import { isJsonObject } from '../../formats/foreign/index.ts'
import type { GgufFile } from '../../formats/index.ts'
import type { Family, ModelDescription, StoredNames } from './family.ts'
import { textConfig } from './wrappers.ts'

export type { GgufDescription, ModelConfig, ModelDescription } from './family.ts'
export { textConfig } from './wrappers.ts'

/** By `model_type`; each is loaded when a model of it is. */
const families: Readonly<Record<string, () => Promise<Family>>> = {
  llama: async () => (await import('./llama.ts')).llama,
  mistral: async () => (await import('./mistral/mistral.ts')).mistral,
  ministral3: async () => (await import('./mistral/ministral3.ts')).ministral3,
  mixtral: async () => (await import('./mistral/mixtral.ts')).mixtral,
  qwen2: async () => (await import('./qwen/qwen2.ts')).qwen2,
  qwen2_moe: async () => (await import('./qwen/qwen2-moe.ts')).qwen2Moe,
  qwen3: async () => (await import('./qwen/qwen3.ts')).qwen3,
  qwen3_moe: async () => (await import('./qwen/qwen3-moe.ts')).qwen3Moe,
  smollm3: async () => (await import('./smollm3.ts')).smollm3,
  gemma2: async () => (await import('./gemma/gemma2.ts')).gemma2,
  gemma3_text: async () => (await import('./gemma/gemma3.ts')).gemma3,
  gemma4_text: async () => (await import('./gemma/gemma4.ts')).gemma4,
  granite: async () => (await import('./granite.ts')).granite,
  olmo2: async () => (await import('./olmo2.ts')).olmo2,
  olmo3: async () => (await import('./olmo3.ts')).olmo3,
  phi3: async () => (await import('./phi3.ts')).phi3,
  starcoder2: async () => (await import('./starcoder2.ts')).starcoder2,
  gpt2: async () => (await import('./gpt2/gpt2.ts')).gpt2,
  lfm2: async () => (await import('./lfm2/lfm2.ts')).lfm2,
  qwen3_5_text: async () => (await import('./qwen/qwen3-5.ts')).qwen35,
  gpt_oss: async () => (await import('./gpt-oss/gpt-oss.ts')).gptOss,
}

const familyOf = (modelType: string): Promise<Family> | undefined =>
  Object.hasOwn(families, modelType) ? families[modelType]() : undefined

/**
 * Reads a Hugging Face config.json, in the spelling of transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`)
 * or 5 (`rope_parameters`, `dtype`). Of a model with a text model inside it is the text model's.
 *
 * @param place         the file, for messages
 * @param stored        what the weights have, where there are weights
 * @throws FettleError on an unknown model_type, and on values that the family's keys cannot have
 */
export async function describeModel(
  raw: Record<string, unknown>,
  place: string,
  stored?: StoredNames,
): Promise<ModelDescription> {
  if (!isJsonObject(raw))
    throw new FettleError({ place, found: quoteValue(raw), expected: 'the fields of a config.json' })
  const text = textConfig(raw, place)
  const modelType = text.raw['model_type']
  const family = typeof modelType === 'string' ? await familyOf(modelType) : undefined
  if (!family)
    throw unknown(text.place, `model_type ${quoteValue(modelType)}`, modelType, Object.keys(families))
  const own = text.isInside ? { architectures: [family.className], ...text.raw } : raw
  return family.read(own, text.place, stored, text.root)
}

/**
 * Reads the metadata of a GGUF file.
 *
 * @throws FettleError on an unknown architecture, and on values that the family's keys cannot have
 */
export async function describeGguf(path: string, file: GgufFile): Promise<ModelDescription> {
  const all = await Promise.all(Object.values(families).map((load) => load()))
  const known = [...new Set(all.flatMap(({ gguf }) => gguf?.architecture ?? []))]
  const architecture = String(file.metadata.get('general.architecture'))
  const related = all.filter(({ gguf }) => gguf?.architecture === architecture)
  const isMarked = (key: string | undefined) =>
    key !== undefined && Boolean(Number(file.metadata.get(`${architecture}.${key}`) ?? 0))
  const family =
    related.find(({ gguf }) => isMarked(gguf?.marked)) ?? related.find(({ gguf }) => !gguf?.marked)
  if (!family?.gguf) throw unknown(path, `architecture ${quoteValue(architecture)}`, architecture, known)
  const { ggufConfig } = await import('./gguf/gguf-config.ts')
  const { raw, notices } = await ggufConfig(family, family.gguf, file, path)
  const described = family.read(raw, path, {
    layers: layersOf(file.tensors.keys()),
    has: (name) => file.tensors.has(name),
  })
  return { ...described, notices: [...notices, ...described.notices] }
}

/** What Transformers calls a family's class for sequence classification; null where it has none. */
export async function classifierOf(modelType: string): Promise<string | null> {
  const family = await familyOf(modelType)
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

import { FettleError, quoteValue, withArticle } from '../../error.ts'
import { isJsonObject, type JsonObject } from '../../formats/foreign/index.ts'

/** A class of models that has a text model inside, beside parts that see or hear. */
interface Wrapper {
  /** `model_type` of `text_config` where that does not say it. */
  textType: string
  /** Where the text model is in the class that transformers loads: its tensors and adapters are named after it. */
  root: string
  /** Whether head and embedding are one where the file does not say it. */
  isTied: boolean
}

const languageModel = 'model.language_model'

/** By `model_type`; defaults are those of the classes of transformers 5.24. A family of any text model is one of families/. */
const wrappers: Readonly<Record<string, Wrapper>> = {
  gemma3: { textType: 'gemma3_text', root: languageModel, isTied: true },
  gemma4: { textType: 'gemma4_text', root: languageModel, isTied: true },
  mistral3: { textType: 'mistral', root: languageModel, isTied: true },
  llava: { textType: 'llama', root: languageModel, isTied: false },
  llava_next: { textType: 'llama', root: languageModel, isTied: false },
  llava_onevision: { textType: 'qwen2', root: languageModel, isTied: false },
  internvl: { textType: 'qwen2', root: languageModel, isTied: true },
  got_ocr2: { textType: 'qwen2', root: languageModel, isTied: true },
  qwen3_5: { textType: 'qwen3_5_text', root: languageModel, isTied: false },
  smolvlm: { textType: 'llama', root: 'model.text_model', isTied: false },
  idefics3: { textType: 'llama', root: 'model.text_model', isTied: false },
}

/** The config.json of a text model by itself, and what its tensors are called under. */
export interface TextConfig {
  raw: JsonObject
  place: string
  root: string
  /** Whether it is a part of the file. */
  isInside: boolean
}

/** The keys of the outer file that are the text model's, too. */
const shared = ['eos_token_id', 'bos_token_id', 'pad_token_id', 'dtype', 'torch_dtype']

/**
 * The text model's part of a config.json; the file itself where it is of a text model.
 *
 * @throws FettleError where there should be a `text_config` and is none
 */
export function textConfig(raw: JsonObject, place: string): TextConfig {
  const outer = raw['model_type']
  const wrapper = typeof outer === 'string' && Object.hasOwn(wrappers, outer) ? wrappers[outer] : undefined
  if (!wrapper) return { raw, place, root: 'model', isInside: false }
  const inner = raw['text_config'] ?? {}
  if (!isJsonObject(inner))
    throw new FettleError({
      place: `${place}: text_config`,
      found: quoteValue(inner),
      expected: `the fields of the text model of ${withArticle(quoteValue(outer))}`,
    })
  const given = Object.fromEntries(shared.flatMap((key) => (key in raw ? [[key, raw[key]]] : [])))
  const { isTied, textType, root } = wrapper
  const text = {
    ...given,
    ...inner,
    model_type: inner['model_type'] ?? textType,
    tie_word_embeddings: raw['tie_word_embeddings'] ?? isTied,
  }
  return { raw: text, place: `${place}: text_config`, root, isInside: true }
}

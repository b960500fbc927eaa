/**
 * GGUF files do not hold the pre-tokenizer, only its name; what each name stands for is written here.
 * The patterns are those of the models' own tokenizer.json files.
 * Source of names: llama-vocab.cpp, https://github.com/ggml-org/llama.cpp
 */

import { isJsonObject, type JsonObject } from '../../json.ts'

/** How a byte-level BPE tokenizer cuts a text before merging. */
export interface PreTokenizer {
  /** Regular expressions applied one after the other; matches and what lies between them are the words. */
  splits: readonly string[]
  /** A word that is a token as a whole is not built from merges. */
  ignoreMerges?: boolean
  /** Whether bos is added when the file does not say. */
  addBos?: boolean
  /** Compose characters first. */
  nfc?: boolean
}

const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
const contractions = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)`
const tail = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const slashTail = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
const lead = String.raw`[^\r\n\p{L}\p{N}]?`

const llama3 = String.raw`${contractions}|${lead}\p{L}+|\p{N}{1,3}|${tail}`
const qwen2 = String.raw`${contractions}|${lead}\p{L}+|\p{N}|${tail}`
const qwen35 = String.raw`${contractions}|${lead}[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const tekken = String.raw`${lead}${upper}*${lower}+|${lead}${upper}+${lower}*|\p{N}|${slashTail}`
const gpt4o = String.raw`${lead}${upper}*${lower}+${contractions}?|${lead}${upper}+${lower}*${contractions}?|\p{N}{1,3}|${slashTail}`
const deepseek3 = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

const digitsThenGpt2: PreTokenizer = { splits: [String.raw`\p{N}`, gpt2] }
const plainGpt2: PreTokenizer = { splits: [gpt2] }
const llama3Like: PreTokenizer = { splits: [llama3], ignoreMerges: true, addBos: true }
const qwen2Like: PreTokenizer = { splits: [qwen2], nfc: true }
const deepseek3Like: PreTokenizer = { splits: [String.raw`\p{N}{1,3}`, '[一-龥぀-ゟ゠-ヿ]+', deepseek3] }

const families: readonly (readonly [names: string, PreTokenizer])[] = [
  [
    'gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat mpt olmo jais trillion granite-docling',
    plainGpt2,
  ],
  ['exaone4 a.x-4.0 mellum modern-bert', plainGpt2],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b mellum2', digitsThenGpt2],
  ['llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2', llama3Like],
  ['dbrx smaug-bpe glm4 chatglm-bpe', { splits: [llama3] }],
  ['qwen2 deepseek-r1-qwen kormo megrez stablelm2 hunyuan solar-open grok-2', qwen2Like],
  ['qwen35', { splits: [qwen35], nfc: true }],
  ['tekken', { splits: [tekken], ignoreMerges: true, addBos: true }],
  ['gpt-4o llama4 minimax-m2', { splits: [gpt4o] }],
  ['deepseek-v3 hunyuan-dense joyai-llm', deepseek3Like],
  [
    'deepseek-coder',
    {
      splits: ['[\r\n]', String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, '[一-龥ࠀ-一가-퟿]+', String.raw`\p{N}`],
    },
  ],
  ['falcon', { splits: [String.raw`[\p{P}$+<=>^~|${'`'}]+`, gpt2, '[0-9][0-9][0-9]'] }],
  ['default', { splits: [String.raw`[\p{P}$+<=>^~|]+`, gpt2, String.raw`\p{N}+`, '[0-9][0-9][0-9]'] }],
]

/** By the name in `tokenizer.ggml.pre`. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  families.flatMap(([names, preTokenizer]) =>
    names.split(' ').map((name): [string, PreTokenizer] => [name, preTokenizer]),
  ),
)

/**
 * The name of the pre-tokenizer of a tokenizer.json, by what it does; undefined where no name stands for it. Of several names that stand for the
 * same the first one.
 */
export function preTokenizerNamed(json: JsonObject): string | undefined {
  const { pre_tokenizer: pre, normalizer, model } = json
  const splits = splitsOf(pre)
  if (splits === undefined) return undefined
  const wanted = {
    splits: splits.join('\n'),
    ignoreMerges: isJsonObject(model) && model['ignore_merges'] === true,
    nfc: isJsonObject(normalizer) && normalizer['type'] === 'NFC',
  }
  for (const [name, { splits: own, ignoreMerges = false, nfc = false }] of preTokenizers)
    if (own.join('\n') === wanted.splits && ignoreMerges === wanted.ignoreMerges && nfc === wanted.nfc)
      return name
  return undefined
}

/** The patterns that a step of tokenizer.json cuts by; undefined where it does something else, too. */
function splitsOf(step: unknown): string[] | undefined {
  if (!isJsonObject(step)) return undefined
  const { type, pattern, pretokenizers } = step
  if (type === 'Sequence' && Array.isArray(pretokenizers)) {
    const all = pretokenizers.map(splitsOf)
    return all.every((splits) => splits !== undefined) ? all.flat() : undefined
  }
  if (type === 'Digits') return step['individual_digits'] === true ? [String.raw`\p{N}`] : undefined
  if (type === 'ByteLevel')
    return step['add_prefix_space'] === true ? undefined : step['use_regex'] === false ? [] : [gpt2]
  if (type !== 'Split' || !isJsonObject(pattern) || step['invert'] === true) return undefined
  return typeof pattern['Regex'] === 'string' ? [pattern['Regex']] : undefined
}

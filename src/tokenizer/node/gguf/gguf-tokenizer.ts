import { FettleError, quoteValue } from '../../../error.ts'
import { readGguf, type GgufFile } from '../../../formats/index.ts'
import type { TokenizerFiles } from '../../files.ts'
import type { JsonObject } from '../../json.ts'
import { templateAround } from '../../steps/post-processors.ts'
import { preTokenizers } from './pre-tokenizers.ts'
import { mergesFromScores } from './spm-merges.ts'

/** What `tokenizer.ggml.token_type` says of a token. */
const tokenType = { unknown: 2, control: 3, userDefined: 4, byte: 6 } as const

/** The vocabulary of a GGUF file, by id. */
interface GgufVocabulary {
  tokens: string[]
  types: readonly number[]
  scores: readonly number[]
}

/** What a kind of vocabulary contributes to tokenizer.json. */
interface Parts {
  normalizer: JsonObject | null
  pre_tokenizer: JsonObject | null
  decoder: JsonObject
  model: JsonObject
  /** Whether bos is added when the file does not say; `always`: whatever it says. */
  addBos: boolean | 'always'
}

/**
 * Makes of a GGUF file's metadata the files that a Hugging Face folder would have.
 *
 * @throws FettleError for tokenizer models other than `gpt2`, `llama` and `gemma4`, and unknown pre-tokenizers
 */
export function readGgufTokenizerFiles(path: string): TokenizerFiles {
  const { metadata } = readGguf(path)
  const vocabulary = readVocabulary(metadata, path)
  const parts = readParts(metadata, vocabulary, path)
  const { tokens } = vocabulary
  const named = (key: string) => {
    const id = metadata.get(`tokenizer.ggml.${key}_token_id`)
    return typeof id === 'number' ? tokens.at(id) : undefined
  }
  const config: JsonObject = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    model_max_length: readContextLength(metadata),
  }
  const roles = { bos_token: 'bos', eos_token: 'eos', unk_token: 'unknown', pad_token: 'padding' }
  for (const [name, key] of Object.entries(roles)) {
    const token = named(key)
    if (token !== undefined) config[name] = token
  }
  const flag = (key: string, fallback: boolean) => {
    const value = metadata.get(`tokenizer.ggml.${key}`)
    return typeof value === 'boolean' ? value : fallback
  }
  const addsBos = parts.addBos === 'always' || flag('add_bos_token', parts.addBos)
  config.add_bos_token = addsBos && config.bos_token !== undefined
  config.add_eos_token = flag('add_eos_token', false) && config.eos_token !== undefined
  const { addBos: _, ...pipeline } = parts
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    ...pipeline,
    post_processor: templateAround(
      config.add_bos_token === true ? named('bos') : undefined,
      config.add_eos_token === true ? named('eos') : undefined,
      (token) => tokens.indexOf(token),
    ),
  }
  return {
    place: path,
    tokenizerJson: new TextEncoder().encode(JSON.stringify(tokenizer)),
    config,
    specialTokensMap: undefined,
    addedTokens: undefined,
    chatTemplates: readTemplates(metadata),
  }
}

function readVocabulary(metadata: GgufFile['metadata'], path: string): GgufVocabulary {
  const tokens = metadata.get('tokenizer.ggml.tokens')
  if (!Array.isArray(tokens) || !tokens.every((token) => typeof token === 'string'))
    throw new FettleError({
      place: path,
      found: 'no tokenizer (tokenizer.ggml.tokens)',
      expected: 'a GGUF file with its vocabulary',
      cure: 'Convert the model again without --vocab-only or --no-vocab, or give the Hugging Face folder.',
    })
  return {
    tokens,
    types: numbers(metadata, 'tokenizer.ggml.token_type'),
    scores: numbers(metadata, 'tokenizer.ggml.scores'),
  }
}

function numbers(metadata: GgufFile['metadata'], key: string): number[] {
  const value = metadata.get(key)
  return Array.isArray(value) ? value.map(Number) : []
}

function readParts(metadata: GgufFile['metadata'], vocabulary: GgufVocabulary, path: string): Parts {
  const model = metadata.get('tokenizer.ggml.model')
  if (model === 'gpt2') return byteLevelParts(metadata, vocabulary, path)
  if (model === 'llama') return sentencePieceParts(metadata, vocabulary)
  if (model === 'gemma4') return gemma4Parts(metadata, vocabulary)
  throw new FettleError({
    place: `${path}: tokenizer.ggml.model`,
    found: quoteValue(model),
    expected: 'gpt2, llama or gemma4',
    cure: 'Use the Hugging Face folder of this model.',
  })
}

function byteLevelParts(metadata: GgufFile['metadata'], { tokens }: GgufVocabulary, path: string): Parts {
  const name = metadata.get('tokenizer.ggml.pre') ?? 'default'
  const pre = preTokenizers.get(String(name))
  if (pre === undefined)
    throw new FettleError({
      place: `${path}: tokenizer.ggml.pre`,
      found: JSON.stringify(name),
      expected: [...preTokenizers.keys()].join(', '),
      cure: 'Use the Hugging Face folder of this model.',
    })
  return {
    normalizer: pre.nfc === true ? { type: 'NFC' } : null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...pre.splits.map((split) => ({
          type: 'Split',
          pattern: { Regex: split },
          behavior: 'Isolated',
          invert: false,
        })),
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      ignore_merges: pre.ignoreMerges === true,
      byte_fallback: false,
      fuse_unk: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: readMerges(metadata),
    },
    addBos: pre.addBos === true,
  }
}

/** A merged part is never empty, so the separator is not the first character. */
function readMerges(metadata: GgufFile['metadata']): [string, string][] {
  const merges = metadata.get('tokenizer.ggml.merges')
  return (Array.isArray(merges) ? merges : []).map((merge) => {
    const text = String(merge)
    const space = text.indexOf(' ', 1)
    return [text.slice(0, space), text.slice(space + 1)]
  })
}

/** Spaces and bytes as sentencepiece has them, joined in the order of merges. */
function gemma4Parts(metadata: GgufFile['metadata'], { tokens, types }: GgufVocabulary): Parts {
  return {
    normalizer: spacesShown,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders: spaceDecoders },
    model: {
      type: 'BPE',
      unk_token: unknownToken(metadata, { tokens, types }),
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: readMerges(metadata),
    },
    // llama.cpp does so, too: files that say otherwise are older than the model's own.
    addBos: 'always',
  }
}

const spacesShown = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }

const spaceDecoders = [
  { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
  { type: 'ByteFallback' },
  { type: 'Fuse' },
]

function unknownToken(
  metadata: GgufFile['metadata'],
  { tokens, types }: Pick<GgufVocabulary, 'tokens' | 'types'>,
): string | undefined {
  const id = metadata.get('tokenizer.ggml.unknown_token_id')
  return tokens[typeof id === 'number' ? id : Math.max(0, types.indexOf(tokenType.unknown))]
}

function sentencePieceParts(
  metadata: GgufFile['metadata'],
  { tokens, types, scores }: GgufVocabulary,
): Parts {
  const prefix = metadata.get('tokenizer.ggml.add_space_prefix') !== false
  const skip = new Set(
    tokens.filter((_, id) =>
      [tokenType.unknown, tokenType.control, tokenType.byte].some((t) => t === types[id]),
    ),
  )
  return {
    normalizer: prefix
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, spacesShown] }
      : spacesShown,
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [...spaceDecoders, ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [])],
    },
    model: {
      type: 'BPE',
      unk_token: unknownToken(metadata, { tokens, types }),
      fuse_unk: true,
      byte_fallback: types.includes(tokenType.byte),
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: mergesFromScores(tokens, scores, skip),
    },
    addBos: true,
  }
}

/** Control tokens are special; tokens that the user defined are matched as a whole too, but stay visible. */
function addedTokens({ tokens, types }: GgufVocabulary): JsonObject[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === tokenType.control || types[id] === tokenType.unknown
    // Runs of spaces are matched in normalised text: there they are ordinary tokens.
    const visible = types[id] === tokenType.userDefined && !/^▁+$/.test(content)
    if ((!special && !visible) || content === '') return []
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
}

function readContextLength(metadata: GgufFile['metadata']): number {
  const length = metadata.get(`${String(metadata.get('general.architecture'))}.context_length`)
  return typeof length === 'number' ? length : 1e30
}

/** `tokenizer.chat_template` is the usual one; named ones have their name behind it. */
function readTemplates(metadata: GgufFile['metadata']): Map<string, string> {
  const templates = new Map<string, string>()
  for (const [key, value] of metadata) {
    const name = key === 'tokenizer.chat_template' ? 'default' : key.split('tokenizer.chat_template.')[1]
    if (name !== undefined && typeof value === 'string') templates.set(name, value)
  }
  return templates
}

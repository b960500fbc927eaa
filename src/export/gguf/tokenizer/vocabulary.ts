import { FettleError } from '../../../error.ts'
import type { GgufEntry } from '../../../formats/index.ts'
import type { JsonObject, Tokenizer } from '../../../tokenizer/index.ts'
import type { Piece } from './sentencepiece.ts'
import { isJsonObject } from '../../../formats/foreign/index.ts'
import { listOf, type AddedEntry, type TokenizerJson } from './tokenizer-json.ts'

/** What `tokenizer.ggml.token_type` says of a token. */
const types = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** The tokens of a GGUF file, by id. */
interface Vocabulary {
  tokens: string[]
  types: number[]
  /** Higher is merged earlier. */
  scores?: number[]
}

/** A vocabulary as entries, with its merges. */
export function vocabularyEntries(
  { tokens, types: kinds, scores }: Vocabulary,
  merges: TokenizerJson['merges'],
): [string, GgufEntry][] {
  return [
    ['tokenizer.ggml.tokens', { type: 'list', of: 'string', value: tokens }],
    ...(scores
      ? [['tokenizer.ggml.scores', { type: 'list', of: 'f32', value: scores }] as [string, GgufEntry]]
      : []),
    ['tokenizer.ggml.token_type', { type: 'list', of: 'i32', value: kinds }],
    ...(merges.length > 0
      ? [
          ['tokenizer.ggml.merges', { type: 'list', of: 'string', value: merges.map(mergeText) }] as [
            string,
            GgufEntry,
          ],
        ]
      : []),
  ]
}

/** A pair as a text; a space inside of a part is written as another letter. */
function mergeText([left, right]: readonly [string, string]): string {
  return [left, right].map((part) => part.replaceAll(' ', 'Ġ')).join(' ')
}

/** Tokens of a model by id, up to so many: what a tokenizer does not have is unused. */
function tokensOf(
  { vocabulary, added }: TokenizerJson,
  count: number,
  place: string,
): (string | undefined)[] {
  const tokens: (string | undefined)[] = Array.from({ length: count })
  for (const [token, id] of [...vocabulary, ...added.map(({ content, id }) => [content, id] as const)]) {
    if (id >= count)
      throw new FettleError({
        place,
        found: `a token with the id ${id}`,
        expected: `ids below ${count}, the rows of the model’s embedding`,
        cure: 'The tokenizer has more tokens than the model: resize its embedding, or give the adapter that brings them.',
      })
    tokens[id] = token
  }
  return tokens
}

/** Whether a token is one that models write to steer, although its file does not call it special. */
function looksSpecial(token: string): boolean {
  return (
    ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(token) ||
    /^(<\|.*\|>|<｜.*｜>|<unused.*>)$/s.test(token)
  )
}

/**
 * The tokens of byte-level BPE.
 * Source: get_vocab_base of llama.cpp's conversion/base.py
 */
export async function byteLevelVocabulary(
  json: TokenizerJson,
  tokenizer: Tokenizer,
  count: number,
): Promise<Vocabulary> {
  const added = new Map(json.added.map((entry) => [entry.content, entry]))
  const tokens: string[] = []
  const kinds: number[] = []
  for (const [id, token] of tokensOf(json, count, tokenizer.place).entries()) {
    const entry = token === undefined ? undefined : added.get(token)
    if (token === undefined || !entry) {
      tokens.push(token ?? `[PAD${id}]`)
      kinds.push(token === undefined ? types.unused : types.normal)
      continue
    }
    const { text, type } = await addedToken(entry, tokenizer)
    tokens.push(text)
    kinds.push(type)
  }
  return { tokens, types: kinds }
}

/** llama.cpp looks for these as they stand: in a text that is normalised already, and with its spaces. */
async function addedToken(
  { content, special, normalized }: AddedEntry,
  tokenizer: Tokenizer,
): Promise<{ text: string; type: number }> {
  const text = normalized
    ? content
    : tokenizer.decode((await tokenizer.encode(content, { addSpecialTokens: false })).inputIds)
  if (special || looksSpecial(text)) return { text, type: types.control }
  return { text: text.replaceAll('▁', ' '), type: types.userDefined }
}

/**
 * The tokens of sentencepiece with their scores, from its own file.
 * Source: _create_vocab_sentencepiece of llama.cpp's conversion/base.py
 */
export function sentencePieceVocabulary(
  pieces: readonly Piece[],
  { added }: TokenizerJson,
  count: number,
): Vocabulary {
  const tokens = Array.from({ length: count }, (_, id) => `[PAD${id}]`)
  const scores = Array.from({ length: count }, () => -10000)
  const kinds = Array.from({ length: count }, (): number => types.unused)
  for (const [id, { text, score, type }] of pieces.slice(0, count).entries()) {
    tokens[id] = text
    scores[id] = score
    kinds[id] = type
  }
  for (const { id, content, special } of added) {
    // What sentencepiece has itself stays as it has it.
    if (
      id >= count ||
      (id < pieces.length && pieces[id].text === content && pieces[id].type !== types.normal)
    )
      continue
    const isControl = special || looksSpecial(content)
    tokens[id] = isControl ? content : content.replaceAll('▁', ' ')
    scores[id] = -1000
    kinds[id] = isControl ? types.control : types.userDefined
  }
  return { tokens, types: kinds, scores }
}

/**
 * The same of a tokenizer.json, which has merges and no scores: a token's is that of the first merge that makes it, so that llama.cpp
 * joins what comes first there. Its own converter gives all the same score, and other tokens than the model was trained on.
 */
export function mergedVocabulary(json: TokenizerJson, count: number, place: string): Vocabulary {
  const ranks = new Map<string, number>()
  for (const [rank, [left, right]] of json.merges.entries()) {
    const token = left + right
    if (!ranks.has(token)) ranks.set(token, rank)
  }
  const added = new Map(json.added.map((entry) => [entry.content, entry]))
  const vocabulary: Required<Vocabulary> = { tokens: [], types: [], scores: [] }
  const unknown = unknownToken(json.raw)
  for (const [id, token] of tokensOf(json, count, place).entries()) {
    const entry = token === undefined ? undefined : added.get(token)
    const isControl = entry?.special === true
    const type =
      token === undefined
        ? types.unused
        : token === unknown && !isControl
          ? types.unknown
          : isByte(token)
            ? types.byte
            : entry
              ? isControl
                ? types.control
                : types.userDefined
              : types.normal
    const text = token ?? `[PAD${id}]`
    vocabulary.tokens.push(type === types.userDefined ? text.replaceAll('▁', ' ') : text)
    vocabulary.types.push(type)
    vocabulary.scores.push(
      token === undefined ? -10000 : entry ? -1000 : -(ranks.get(text) ?? json.merges.length),
    )
  }
  return vocabulary
}

const isByte = (token: string) => /^<0x[0-9A-Fa-f]{2}>$/.test(token)

/** Tokens of Gemma 4 that programs read in its answers, and must see. */
const visibleTokens = new Set(
  '<|channel> <channel|> <|tool_call> <tool_call|> <|tool_response> <tool_response|> <|"|>'.split(' '),
)

/**
 * The tokens of Gemma 4, which llama.cpp joins by their merges. Of what the tokenizer added it looks for tokens as a whole that are special, or
 * stand behind the vocabulary.
 * Source: Gemma4Model.set_vocab of conversion/gemma.py and LlamaHfVocab of gguf-py
 */
export function gemma4Vocabulary(json: TokenizerJson, count: number, place: string): Vocabulary {
  const added = new Map(json.added.map((entry) => [entry.content, entry]))
  const typeOf = (token: string): number => {
    const entry = added.get(token)
    if (visibleTokens.has(token)) return types.userDefined
    if (isByte(token)) return types.byte
    if (entry?.special === true) return types.control
    return entry && !json.vocabulary.has(token) ? types.userDefined : types.normal
  }
  const tokens = tokensOf(json, count, place)
  return {
    tokens: tokens.map((token, id) => token ?? `[PAD${id}]`),
    types: tokens.map((token) => (token === undefined ? types.unused : typeOf(token))),
    // Nothing reads them.
    scores: tokens.map(() => -1000),
  }
}

function unknownToken(raw: JsonObject): unknown {
  return isJsonObject(raw['model']) ? raw['model']['unk_token'] : undefined
}

/** Whether a text gets a space before it, which becomes a part of its first token. */
export function addsSpace({ raw }: TokenizerJson): boolean {
  const steps = [raw['normalizer'], raw['pre_tokenizer']].flatMap((step) =>
    isJsonObject(step) ? [step, ...listOf(step['normalizers']), ...listOf(step['pretokenizers'])] : [],
  )
  return steps.some(
    ({ type, prepend, prepend_scheme: scheme, add_prefix_space: adds }) =>
      (type === 'Prepend' && prepend === '▁') ||
      (type === 'Metaspace' && (scheme === undefined ? adds !== false : scheme !== 'never')),
  )
}

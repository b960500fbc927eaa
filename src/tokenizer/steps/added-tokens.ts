import { quoteValue } from '../../error.ts'
import { isJsonObject } from '../json.ts'
import { parseToken, type AddedToken } from '../named-tokens.ts'
import { alignedText, sliceText, type AlignedText } from './aligned-text.ts'
import type { ModelVocabulary } from './models/model.ts'
import { longestFinder } from './longest-finder.ts'
import type { Normalizer } from './normalizers.ts'
import { unsupported } from './options.ts'
import { isSpace, isWordCharacter } from './unicode.ts'

/** Part of a text: an added token, or text between them that is still to be tokenised. */
export interface Extract {
  readonly text: AlignedText
  /** Id of the added token. */
  readonly id: number | undefined
}

type KnownToken = Required<AddedToken>

/** The tokens that are matched as a whole, before anything else. */
export interface AddedTokens {
  /** Adds tokens, or changes known ones; returns how many were new or changed. */
  add(tokens: readonly AddedToken[]): number
  /** Finds the added tokens of a text, and normalises what lies between them. */
  extract(text: string): Extract[]
  idOf(token: string): number | undefined
  /** As the normaliser makes of it, where it is matched in normalised texts. */
  tokenOf(id: number): string | undefined
  /** Spellings by id. */
  entries(): [id: number, token: KnownToken][]
}

/**
 * The added tokens of a tokenizer.
 * Source: https://github.com/huggingface/tokenizers/blob/main/tokenizers/src/tokenizer/added_vocabulary.rs
 *
 * @param vocabulary  the model's: a token that is in it keeps its id, others get ids behind it
 */
export function makeAddedTokens(vocabulary: ModelVocabulary, normalize: Normalizer): AddedTokens {
  const ids = new Map<string, number>()
  const tokens = new Map<number, KnownToken>()
  /** What a token is matched as, where that is not its content. */
  const normalized = new Map<number, string>()
  let inGiven = makeFinder([])
  let inNormalized = makeFinder([])

  const matchedAs = (id: number, token: KnownToken): string => normalized.get(id) ?? token.content

  return {
    add(given) {
      let nextId = vocabulary.size
      for (const id of tokens.keys()) nextId = Math.max(nextId, id + 1)
      let count = 0
      for (const token of given.map(complete)) {
        const { content } = token
        const known = ids.get(content)
        if (content === '' || (known !== undefined && isSame(tokens.get(known), token))) continue
        const id = known ?? vocabulary.ids.get(content) ?? nextId++
        const form = token.normalized ? normalize(alignedText(content)).text : content
        if (form !== content) normalized.set(id, form)
        ids.set(content, id)
        tokens.set(id, token)
        count++
      }
      const all = [...tokens]
      const finderOf = (isNormalized: boolean) =>
        makeFinder(
          all
            .filter(([, token]) => token.normalized === isNormalized)
            .map(([id, token]) => ({ id, text: matchedAs(id, token), token })),
        )
      inGiven = finderOf(false)
      inNormalized = finderOf(true)
      return count
    },
    extract: (text) =>
      inGiven(alignedText(text)).flatMap((part) =>
        part.id === undefined ? inNormalized(normalize(part.text)) : [part],
      ),
    idOf: (token) => ids.get(token),
    tokenOf(id) {
      const token = tokens.get(id)
      return token === undefined ? undefined : matchedAs(id, token)
    },
    entries: () => [...tokens].toSorted(([left], [right]) => left - right),
  }
}

function complete({
  content,
  special = false,
  singleWord = false,
  leftStrip = false,
  rightStrip = false,
  normalized = !special,
}: AddedToken): KnownToken {
  return { content, special, singleWord, leftStrip, rightStrip, normalized }
}

function isSame(known: KnownToken | undefined, token: KnownToken): boolean {
  return JSON.stringify(known) === JSON.stringify(token)
}

/** A token and what it is matched as. */
interface Entry {
  id: number
  text: string
  token: KnownToken
}

/** Cuts a text at the tokens that it finds. */
function makeFinder(entries: readonly Entry[]): (aligned: AlignedText) => Extract[] {
  const find = longestFinder(entries.filter(({ text }) => text !== '').map((entry) => [entry.text, entry]))
  return (aligned) => {
    const { text } = aligned
    const parts: Extract[] = []
    let position = 0
    for (let found = find(text, 0); found !== undefined; found = find(text, found.end)) {
      const { start, end, value: entry } = found
      if (entry.token.singleWord && isInWord(text, start, end)) continue
      const from = entry.token.leftStrip ? Math.max(position, spaceStart(text, start)) : start
      const to = entry.token.rightStrip ? spaceEnd(text, end) : end
      if (position < from) parts.push({ text: sliceText(aligned, position, from), id: undefined })
      parts.push({ text: sliceText(aligned, from, to), id: entry.id })
      position = to
    }
    if (position < text.length) parts.push({ text: sliceText(aligned, position, text.length), id: undefined })
    return parts
  }
}

function isInWord(text: string, start: number, end: number): boolean {
  const [before = ''] = /.$/su.exec(text.slice(Math.max(0, start - 2), start)) ?? []
  const [after = ''] = /^./su.exec(text.slice(end, end + 2)) ?? []
  return isWordCharacter(before) || isWordCharacter(after)
}

function spaceStart(text: string, index: number): number {
  let start = index
  while (start > 0 && isSpace(text[start - 1])) start--
  return start
}

function spaceEnd(text: string, index: number): number {
  let end = index
  while (end < text.length && isSpace(text[end])) end++
  return end
}

/**
 * The added tokens that a tokenizer.json lists.
 *
 * @throws FettleError for an entry that is none, whose tokens would silently be others
 */
export function readAddedTokens(json: unknown): AddedToken[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) throw unsupported('added_tokens', quoteValue(json), 'a list')
  return json.map((entry: unknown) => {
    const token = isJsonObject(entry) ? parseToken(entry) : undefined
    if (token === undefined) throw unsupported('added_tokens', quoteValue(entry), 'an object with content')
    return token
  })
}

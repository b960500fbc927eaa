import { FettleError, quoteValue } from '../../error.ts'
import { isJsonObject } from '../json.ts'
import { parseToken, type AddedToken } from '../named-tokens.ts'
import { alignedText, sliceText, type AlignedText } from './aligned-text.ts'
import { isId, type ModelVocabulary } from './models/model.ts'
import { longestFinder } from './longest-finder.ts'
import type { Normalizer } from './normalizers.ts'
import { problemAt, readAll, unsupported } from './options.ts'
import { isSpace, isWordCharacter } from './unicode.ts'

/** Part [start, end) of a text: an added token, or text between them that is still to be tokenised. */
export interface Extract {
  readonly text: AlignedText
  readonly start: number
  readonly end: number
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
export function makeAddedTokens(vocabulary: ModelVocabulary, normalize: Normalizer | undefined): AddedTokens {
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
        const form = token.normalized ? (normalize?.(alignedText(content)).text ?? content) : content
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
    extract(given) {
      const parts: Extract[] = []
      for (const part of inGiven(alignedText(given), 0, given.length)) {
        if (part.id !== undefined) parts.push(part)
        else if (normalize === undefined) append(parts, inNormalized(part.text, part.start, part.end))
        else {
          const text = normalize(sliceText(part.text, part.start, part.end))
          append(parts, inNormalized(text, 0, text.text.length))
        }
      }
      return parts
    },
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

/** Adds one by one: a call takes only so many arguments. */
function append(parts: Extract[], more: readonly Extract[]): void {
  for (const part of more) parts.push(part)
}

/** Cuts the part [first, last) of a text at the tokens that it finds. */
function makeFinder(
  entries: readonly Entry[],
): (aligned: AlignedText, first: number, last: number) => Extract[] {
  const find = longestFinder(entries.filter(({ text }) => text !== '').map((entry) => [entry.text, entry]))
  return (aligned, first, last) => {
    const { text } = aligned
    const parts: Extract[] = []
    let position = first
    for (let found = find(text, first, last); found !== undefined; found = find(text, found.end, last)) {
      const { start, end, value: entry } = found
      if (entry.token.singleWord && isInWord(text.slice(first, start), text.slice(end, last))) continue
      const from = entry.token.leftStrip ? spaceStart(text, position, start) : start
      const to = entry.token.rightStrip ? spaceEnd(text, end, last) : end
      if (position < from) parts.push({ text: aligned, start: position, end: from, id: undefined })
      parts.push({ text: aligned, start: from, end: to, id: entry.id })
      position = to
    }
    if (position < last) parts.push({ text: aligned, start: position, end: last, id: undefined })
    return parts
  }
}

/** @param before  the text in front of a token, and `after` the text behind it */
function isInWord(before: string, after: string): boolean {
  const [left = ''] = /.$/su.exec(before.slice(-2)) ?? []
  const [right = ''] = /^./su.exec(after) ?? []
  return isWordCharacter(left) || isWordCharacter(right)
}

/** Where the white space in front of a place begins, but not before another. */
function spaceStart(text: string, least: number, place: number): number {
  let start = place
  while (start > least && isSpace(text[start - 1])) start--
  return start
}

function spaceEnd(text: string, place: number, most: number): number {
  let end = place
  while (end < most && isSpace(text[end])) end++
  return end
}

const tokenFlags = ['single_word', 'lstrip', 'rstrip', 'normalized', 'special']

/**
 * The added tokens that a tokenizer.json lists.
 *
 * @throws FettleError for an entry that is none, whose tokens would silently be others
 */
export function readAddedTokens(json: unknown): AddedToken[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) throw unsupported('added_tokens', quoteValue(json), 'a list')
  return readAll(json, (entry, i) => {
    const token = isJsonObject(entry) ? parseToken(entry) : undefined
    if (token === undefined || !isJsonObject(entry) || !isId(entry.id))
      throw unsupported('added_tokens', quoteValue(entry), 'an object with content and id')
    const odd = tokenFlags.filter((key) => typeof entry[key] !== 'boolean')
    if (odd.length > 0)
      throw new FettleError(
        odd.map((key) =>
          problemAt(`added_tokens[${i}]`, `${key}: ${quoteValue(entry[key])}`, 'true or false'),
        ),
      )
    return token
  })
}

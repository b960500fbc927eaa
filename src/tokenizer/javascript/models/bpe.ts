import { ownCopy } from '../../own-copy.ts'
import { lengthAt } from '../aligned-text.ts'
import { readFlag, unsupported, type Part } from '../options.ts'
import { utf8Length } from '../utf8-length.ts'
import {
  byteTokens,
  readModelVocabulary,
  type Model,
  type ModelToken,
  type ModelVocabulary,
} from './model.ts'

/** Merges by the ids of their two parts. */
interface Merges {
  /** Rank by `left * factor + right`; lower ranks are merged first. */
  readonly ranks: ReadonlyMap<number, number>
  readonly factor: number
  /** By rank: the id of what comes out. */
  readonly results: readonly number[]
}

/** Words that are kept with their tokens. */
const maxKnown = 1 << 15
/** Longer ones hardly come again. */
const maxKnownLength = 256

/**
 * Byte pair encoding: a word begins as its characters, and of all neighbours that can be merged those of the lowest rank are,
 * from left to right.
 * Source: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909
 */
export function readBpe(part: Part): Model {
  const { json, place } = part
  if (json.dropout) throw unsupported(place, `dropout ${String(json.dropout)}`, 'none')
  const vocabulary = readModelVocabulary(part)
  const prefix = typeof json.continuing_subword_prefix === 'string' ? json.continuing_subword_prefix : ''
  const merges = readMerges(part, vocabulary, prefix)
  const cut = makeCutter(part, vocabulary, prefix)
  const keepsWholes = readFlag(part, 'ignore_merges', false)
  const known = new Map<string, readonly ModelToken[]>()

  const tokenize = (word: string): readonly ModelToken[] => {
    const whole = keepsWholes ? vocabulary.ids.get(word) : undefined
    return whole === undefined ? mergeAll(cut(word), merges) : [{ id: whole, start: 0, end: word.length }]
  }
  return {
    vocabulary,
    tokenize(word) {
      const found = known.get(word)
      if (found !== undefined) return found
      const tokens = tokenize(word)
      if (known.size >= maxKnown) known.clear()
      if (word.length <= maxKnownLength) known.set(ownCopy(word), tokens)
      return tokens
    },
  }
}

function readMerges({ json, place }: Part, { ids }: ModelVocabulary, prefix: string): Merges {
  const entries: unknown[] = Array.isArray(json.merges) ? json.merges : []
  const factor = 1 + maxOf(ids.values())
  const ranks = new Map<number, number>()
  const idOf = (token: string): number => {
    const id = ids.get(token)
    if (id === undefined)
      throw unsupported(place, `a merge with ${JSON.stringify(token)}`, 'tokens of the vocabulary')
    return id
  }
  const results = entries.map((entry, rank) => {
    const [left, right, ...rest]: unknown[] =
      typeof entry === 'string' ? entry.split(' ') : Array.isArray(entry) ? entry : []
    if (typeof left !== 'string' || typeof right !== 'string' || rest.length > 0)
      throw unsupported(place, `the merge ${JSON.stringify(entry)}`, 'two tokens')
    ranks.set(idOf(left) * factor + idOf(right), rank)
    return idOf(left + right.slice(prefix.length))
  })
  return { ranks, factor, results }
}

function maxOf(numbers: Iterable<number>): number {
  let most = 0
  for (const number of numbers) most = Math.max(most, number)
  return most
}

/**
 * Cuts a word into its characters as tokens, with bytes or the unknown token for those that the vocabulary lacks. Without
 * both they are lost.
 */
function makeCutter(part: Part, { ids }: ModelVocabulary, prefix: string): (word: string) => ModelToken[] {
  const { json, place } = part
  const suffix = typeof json.end_of_word_suffix === 'string' ? json.end_of_word_suffix : ''
  const unknown = typeof json.unk_token === 'string' ? json.unk_token : undefined
  const fuses = readFlag(part, 'fuse_unk', false)
  const bytes = readFlag(part, 'byte_fallback', false) ? byteTokens.map((token) => ids.get(token)) : undefined
  if (bytes !== undefined && (bytes.includes(undefined) || prefix + suffix !== ''))
    throw unsupported(
      place,
      'byte_fallback without all bytes, or with prefixes or suffixes',
      'a token for each byte',
    )
  const encoder = new TextEncoder()

  const lacking = (character: string, start: number, end: number): ModelToken[] => {
    if (bytes !== undefined)
      return Array.from(encoder.encode(character), (byte) => ({ id: bytes[byte] ?? 0, start, end }))
    if (unknown === undefined) return []
    const id = ids.get(unknown)
    if (id === undefined)
      throw unsupported(
        place,
        `${JSON.stringify(character)}, which is no token, and neither is unk_token ${unknown}`,
        'one of both',
      )
    return [{ id, start, end }]
  }
  return (word) => {
    const tokens: ModelToken[] = []
    let isUnknown = false
    let isComplete = true
    let start = 0
    for (const character of word) {
      const end = start + character.length
      const spelling = (start > 0 ? prefix : '') + character + (end === word.length ? suffix : '')
      const id = ids.get(spelling)
      const last = tokens.at(-1)
      if (id !== undefined) tokens.push({ id, start, end })
      else if (isUnknown && fuses && last !== undefined) tokens[tokens.length - 1] = { ...last, end }
      else tokens.push(...lacking(character, start, end))
      isUnknown = id === undefined && bytes === undefined
      isComplete &&= id !== undefined || bytes !== undefined || unknown !== undefined
      start = end
    }
    return isComplete ? tokens : closeGaps(word, tokens)
  }
}

/**
 * Moves tokens back over characters that have none: the Rust library adds up the bytes of tokens only, so that what stands
 * behind such a character counts as earlier ones.
 */
function closeGaps(word: string, tokens: readonly ModelToken[]): ModelToken[] {
  const unitOfByte = Array.from(word.matchAll(/./gsu), ({ 0: character, index }) =>
    Array.from({ length: utf8Length(character) }, () => index),
  ).flat()
  let byte = 0
  return tokens.map(({ id, start, end }) => {
    const first = unitOfByte[byte]
    byte += utf8Length(word.slice(start, end))
    const last = unitOfByte[byte - 1]
    return { id, start: first, end: last + lengthAt(word, last) }
  })
}

/** Merges neighbours until none can be. Candidates wait in a heap, and one whose parts are gone meanwhile is passed over. */
function mergeAll(tokens: readonly ModelToken[], { ranks, factor, results }: Merges): readonly ModelToken[] {
  const count = tokens.length
  if (count < 2) return tokens
  const ids = tokens.map(({ id }) => id)
  const next = Array.from({ length: count }, (_, i) => i + 1)
  const previous = Array.from({ length: count }, (_, i) => i - 1)
  // A candidate is one number that orders by rank, then by place.
  const heap: number[] = []
  const propose = (left: number, right: number): void => {
    if (left < 0 || right >= count) return
    const rank = ranks.get(ids[left] * factor + ids[right])
    if (rank !== undefined) pushToHeap(heap, rank * count + left)
  }
  for (let i = 1; i < count; i++) propose(i - 1, i)
  for (;;) {
    const candidate = popFromHeap(heap)
    if (candidate === undefined) break
    const left = candidate % count
    const right = next[left]
    const result = results[(candidate - left) / count]
    if (ids[left] < 0 || right >= count) continue
    const rank = ranks.get(ids[left] * factor + ids[right])
    if (rank === undefined || results[rank] !== result) continue
    ids[left] = result
    ids[right] = -1
    next[left] = next[right]
    if (next[left] < count) previous[next[left]] = left
    propose(previous[left], left)
    propose(left, next[left])
  }
  const merged: ModelToken[] = []
  for (let i = 0; i < count; i = next[i])
    merged.push({ id: ids[i], start: tokens[i].start, end: tokens[next[i] - 1].end })
  return merged
}

function pushToHeap(heap: number[], value: number): void {
  let at = heap.length
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (heap[parent] <= value) break
    heap[at] = heap[parent]
    at = parent
  }
  heap[at] = value
}

/** The smallest number. */
function popFromHeap(heap: number[]): number | undefined {
  const smallest = heap.at(0)
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return smallest
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++
    if (child >= heap.length || heap[child] >= last) break
    heap[at] = heap[child]
    at = child
  }
  heap[at] = last
  return smallest
}

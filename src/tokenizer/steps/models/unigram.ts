import { quoteValue } from '../../../error.ts'
import { lengthAt } from '../aligned-text.ts'
import { readCount, readFlag, unsupported, type Part } from '../options.ts'
import { byteTokens, makeModelVocabulary, type Model } from './model.ts'
import { makeTokenTable } from './token-table.ts'

/** What an unknown character costs beyond the least likely token. */
const unknownPenalty = 10

/** The best way to a place in the text: its score, and where its last token begins. */
interface Step {
  score: number
  start: number
  isUnknown: boolean
}

/**
 * The unigram language model: of all ways to cut a word into tokens, the one whose scores (logarithms of probabilities) have the
 * greatest sum, found from left to right. Unknown characters in a row are one token.
 * Source: Kudo 2018, https://arxiv.org/abs/1804.10959
 */
export function readUnigram(part: Part): Model {
  const { json, place } = part
  if (!Array.isArray(json.vocab)) throw unsupported(place, `vocab: ${quoteValue(json.vocab)}`, 'a list')
  const entries: unknown[] = json.vocab
  const spellings: string[] = []
  const ids = makeTokenTable(entries.length)
  const scores = new Map<string, number>()
  let least = Infinity
  for (const entry of entries) {
    const [token, score]: unknown[] = Array.isArray(entry) ? entry : []
    if (typeof token !== 'string' || typeof score !== 'number')
      throw unsupported(place, `the vocab entry ${quoteValue(entry)}`, 'a token and its score')
    ids.set(token, 0, token.length, spellings.length)
    scores.set(token, score)
    spellings.push(token)
    least = Math.min(least, score)
  }
  const vocabulary = makeModelVocabulary(ids, spellings)
  const unknownScore = least - unknownPenalty
  const unknownId = json.unk_id === undefined || json.unk_id === null ? undefined : readCount(part, 'unk_id')
  if (unknownId !== undefined && unknownId >= spellings.length)
    throw unsupported(place, `unk_id: ${unknownId}`, `an id below ${spellings.length}`)
  const unknownToken = unknownId === undefined ? undefined : spellings[unknownId]
  const bytes = readFlag(part, 'byte_fallback', false) ? byteTokens.map((token) => ids.get(token)) : []
  const longest = longestByFirst(scores.keys())
  const encoder = new TextEncoder()

  /** The best step to each place of a word. */
  const search = (word: string): Step[] => {
    const best: Step[] = [{ score: 0, start: 0, isUnknown: false }]
    const propose = (end: number, step: Step): void => {
      if (best[end] === undefined || step.score > best[end].score) best[end] = step
    }
    for (let start = 0; start < word.length;) {
      const character = start + lengthAt(word, start)
      const { score } = best[start]
      let isKnown = false
      const limit = Math.min(word.length, start + (longest.get(word.charCodeAt(start)) ?? 0))
      for (let end = start + 1; end <= limit; end++) {
        const token = word.slice(start, end)
        const own = scores.get(token)
        if (own === undefined) continue
        propose(end, { score: own + score, start, isUnknown: token === unknownToken })
        isKnown ||= end === character
      }
      if (!isKnown) propose(character, { score: unknownScore + score, start, isUnknown: true })
      start = character
    }
    return best
  }

  /** The tokens of a stretch: itself, its bytes, or the unknown token. */
  const idsOf = (stretch: string): number[] => {
    const known = ids.get(stretch)
    if (known !== undefined) return [known]
    const own = bytes.length === 0 ? [] : Array.from(encoder.encode(stretch), (byte) => bytes[byte])
    if (own.length > 0 && own.every((id) => id !== undefined)) return own
    if (unknownId === undefined)
      throw unsupported(place, `${quoteValue(stretch)}, which is no token, and no unk_id`, 'one of both')
    return [unknownId]
  }

  return {
    vocabulary,
    tokenize(word) {
      const best = search(word)
      const stretches: [start: number, end: number][] = []
      for (let end = word.length; end > 0;) {
        let { start, isUnknown } = best[end]
        while (isUnknown && start > 0 && best[start].isUnknown) ({ start } = best[start])
        stretches.push([start, end])
        end = start
      }
      const found: number[] = []
      const bounds: number[] = []
      for (const [start, end] of stretches.reverse())
        for (const id of idsOf(word.slice(start, end))) {
          found.push(id)
          bounds.push(start, end)
        }
      return { ids: found, bounds }
    },
  }
}

/** The length of the longest token that begins with each UTF-16 unit. */
function longestByFirst(tokens: Iterable<string>): Map<number, number> {
  const longest = new Map<number, number>()
  for (const token of tokens) {
    const first = token.charCodeAt(0)
    longest.set(first, Math.max(longest.get(first) ?? 0, token.length))
  }
  return longest
}

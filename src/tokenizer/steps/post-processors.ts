import { quoteValue } from '../../error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import { lengthAt } from './aligned-text.ts'
import { readFlag, readParts, unsupported, type Part, type Readers } from './options.ts'
import { isId } from './models/model.ts'
import { aroundList, type Bounds, type TokenList } from './token-list.ts'
import { isSpace } from './unicode.ts'

/**
 * Finishes the tokens of a text, or of a text and its pair.
 *
 * @param addsSpecial  whether tokens are put around them
 */
export type PostProcessor = (lists: TokenList[], addsSpecial: boolean) => TokenList[]

export const postProcessorReaders: Readers<PostProcessor> = {
  ByteLevel(part) {
    const trims = readFlag(part, 'trim_offsets')
    const addsSpace = readFlag(part, 'add_prefix_space')
    return (lists) => (trims ? lists.map((list) => trimSpaces(list, addsSpace)) : lists)
  },
  TemplateProcessing: readTemplate,
  BertProcessing(part) {
    const [cls, sep] = [readToken(part, 'cls'), readToken(part, 'sep')]
    return ([text, pair], addsSpecial) => {
      if (!addsSpecial) return pair === undefined ? [text] : [text, pair]
      const first = [cls(0), text, sep(0)]
      return pair === undefined ? first : [...first, pair, sep(1)]
    }
  },
  RobertaProcessing(part) {
    const [cls, sep] = [readToken(part, 'cls'), readToken(part, 'sep')]
    const trims = readFlag(part, 'trim_offsets')
    const addsSpace = readFlag(part, 'add_prefix_space')
    return (given, addsSpecial) => {
      const lists = given
        .map((list) => (trims ? trimSpaces(list, addsSpace) : list))
        .map((list) => ({ ...list, typeId: 0 }))
      if (!addsSpecial) return lists
      return lists.flatMap((list, i) => [i === 0 ? cls(0) : sep(0), list, sep(0)])
    }
  },
  Sequence(part) {
    const steps = readParts(part, 'processors', postProcessorReaders)
    return (lists, addsSpecial) => steps.reduce((result, step) => step(result, addsSpecial), lists)
  },
}

/** A token around texts that is written as [spelling, id]. */
function readToken({ json, place }: Part, key: string): (typeId: number) => TokenList {
  const [token, id]: unknown[] = Array.isArray(json[key]) ? json[key] : []
  if (typeof token !== 'string' || !isId(id))
    throw unsupported(place, `${key}: ${quoteValue(json[key])}`, 'a token and its id')
  return (typeId) => aroundList([id], typeId)
}

/** How many spaces a token begins and ends with. */
interface Blanks {
  leading: number
  trailing: number
}

function blanksOf(spelling: string): Blanks {
  const isBlank = (character: string): boolean => character === 'Ġ' || isSpace(character)
  const characters = [...spelling]
  const first = characters.findIndex((character) => !isBlank(character))
  return {
    leading: first === -1 ? characters.length : first,
    trailing: characters.length - 1 - characters.findLastIndex((character) => !isBlank(character)),
  }
}

/** Takes as many characters off each end of a token's as it has spaces there. */
function trimSpaces(list: TokenList, addsSpace: boolean): TokenList {
  let trimmed: Bounds | undefined
  return { ...list, bounds: () => (trimmed ??= trim(list, addsSpace)) }
}

function trim(list: TokenList, addsSpace: boolean): Bounds {
  const { text, ids, spelling } = list
  const { starts, ends } = list.bounds()
  const result = { starts: starts.slice(), ends: ends.slice() }
  const known = new Map<string, Blanks>()
  for (let i = 0; i < ids.length; i++) {
    const own = spelling(i)
    let blanks = known.get(own)
    if (blanks === undefined) known.set(own, (blanks = blanksOf(own)))
    const { leading, trailing } = blanks
    if (leading === 0 && trailing === 0) continue
    // A single space before the first word is the one that was added.
    const isAdded = addsSpace && leading === 1 && (i === 0 || starts[i] === 0)
    const from = isAdded ? starts[i] : Math.min(move(text, starts[i], leading) ?? ends[i], ends[i])
    result.starts[i] = from
    result.ends[i] = Math.max(move(text, ends[i], -trailing) ?? ends[i], from)
  }
  return result
}

/** The index so many characters farther in a text, or back; nothing beyond its ends. */
function move(text: string, index: number, count: number): number | undefined {
  let at = index
  for (let i = 0; i < count; i++) at += lengthAt(text, at)
  for (let i = 0; i > count; i--) at -= at > 1 && lengthAt(text, at - 2) === 2 ? 2 : 1
  return at < 0 || at > text.length ? undefined : at
}

/** One place of a template: a text, or tokens. */
type TemplatePlace = (lists: readonly TokenList[], addsSpecial: boolean) => TokenList[]

function readTemplate(part: Part): PostProcessor {
  const single = readPlaces(part, 'single')
  const pair = readPlaces(part, 'pair')
  return (lists, addsSpecial) =>
    (lists.length === 1 ? single : pair).flatMap((place) => place(lists, addsSpecial))
}

function readPlaces({ json, place }: Part, key: string): TemplatePlace[] {
  const specials = json.special_tokens
  if (!isJsonObject(specials))
    throw unsupported(place, `special_tokens: ${quoteValue(specials)}`, 'tokens by name')
  for (const token of Object.values(specials))
    if (!isJsonObject(token) || typeof token.id !== 'string' || !Array.isArray(token.tokens))
      throw unsupported(place, quoteValue(token), 'a special token with id, ids and tokens')
  if (!Array.isArray(json[key])) throw unsupported(place, `${key}: ${quoteValue(json[key])}`, 'a list')
  const entries: unknown[] = json[key]
  return entries.map((entry): TemplatePlace => {
    const isOne = isJsonObject(entry) && Object.keys(entry).length === 1
    const { Sequence: sequence, SpecialToken: special } = isOne ? entry : {}
    if (isJsonObject(sequence) && isId(sequence.type_id) && (sequence.id === 'A' || sequence.id === 'B')) {
      const typeId = sequence.type_id
      const i = sequence.id === 'A' ? 0 : 1
      if (key === 'single' && i === 1)
        throw unsupported(place, 'the pair in the template of a single text', 'Sequence A')
      return (lists) => [{ ...lists[i], typeId }]
    }
    const token = isJsonObject(special) ? specials[String(special.id)] : undefined
    if (!isJsonObject(special) || !isId(special.type_id) || !isJsonObject(token))
      throw unsupported(
        place,
        `${key}: ${quoteValue(entry)}`,
        'a Sequence, or a SpecialToken of special_tokens',
      )
    const ids: unknown[] = Array.isArray(token.ids) ? token.ids : []
    if (!Array.isArray(token.ids) || !ids.every(isId))
      throw unsupported(place, `ids: ${quoteValue(token.ids)} of ${quoteValue(special.id)}`, 'a list of ids')
    const list = aroundList(ids, special.type_id)
    return (_, addsSpecial) => (addsSpecial ? [list] : [])
  })
}

/** The post-processor that puts tokens around each text, as tokenizer.json spells it. */
export function templateAround(
  before: string | undefined,
  after: string | undefined,
  idOf: (token: string) => number | undefined,
): JsonObject {
  const place = (token: string | undefined, type: number) =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id: type } }]
  const around = (id: string, type: number) => [
    ...place(before, type),
    { Sequence: { id, type_id: type } },
    ...place(after, type),
  ]
  const specials = [before, after].flatMap((token) =>
    token === undefined ? [] : [[token, { id: token, ids: [idOf(token)], tokens: [token] }] as const],
  )
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(specials),
  }
}

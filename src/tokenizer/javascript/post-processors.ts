import { isJsonObject } from '../json.ts'
import { lengthAt } from './aligned-text.ts'
import { readFlag, readParts, unsupported, type Part, type Readers } from './options.ts'
import { aroundList, type TokenList } from './token-list.ts'
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
        .map((list) => ({ ...list, typeIds: list.typeIds.map(() => 0) }))
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
  if (typeof token !== 'string' || typeof id !== 'number')
    throw unsupported(place, `${key}: ${JSON.stringify(json[key])}`, 'a token and its id')
  return (typeId) => aroundList([id], [token], typeId)
}

/** Takes as many characters off each end of a token's as it has spaces there. */
function trimSpaces(list: TokenList, addsSpace: boolean): TokenList {
  const isBlank = (character: string): boolean => character === 'Ġ' || isSpace(character)
  const offsets = list.offsets.map(([start, end], i): [number, number] => {
    const characters = [...list.tokens[i]]
    const first = characters.findIndex((character) => !isBlank(character))
    const leading = first === -1 ? characters.length : first
    const trailing = characters.length - 1 - characters.findLastIndex((character) => !isBlank(character))
    // A single space before the first word is the one that was added.
    const isAdded = addsSpace && leading === 1 && (i === 0 || start === 0)
    const from = isAdded ? start : Math.min(move(list.text, start, leading) ?? end, end)
    return [from, Math.max(move(list.text, end, -trailing) ?? end, from)]
  })
  return { ...list, offsets }
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
  const specials = isJsonObject(json.special_tokens) ? json.special_tokens : {}
  const entries: unknown[] = Array.isArray(json[key]) ? json[key] : []
  return entries.map((entry): TemplatePlace => {
    const { Sequence: sequence, SpecialToken: special } = isJsonObject(entry) ? entry : {}
    if (isJsonObject(sequence) && typeof sequence.type_id === 'number') {
      const typeId = sequence.type_id
      const i = sequence.id === 'A' ? 0 : 1
      return (lists) => [{ ...lists[i], typeIds: lists[i].ids.map(() => typeId) }]
    }
    const token = isJsonObject(special) ? specials[String(special.id)] : undefined
    if (!isJsonObject(special) || typeof special.type_id !== 'number' || !isJsonObject(token))
      throw unsupported(
        place,
        `${key}: ${JSON.stringify(entry)}`,
        'a Sequence, or a SpecialToken of special_tokens',
      )
    const ids = listOf(token.ids, (id) => typeof id === 'number')
    const tokens = listOf(token.tokens, (text) => typeof text === 'string')
    const list = aroundList(ids, tokens, special.type_id)
    return (_, addsSpecial) => (addsSpecial ? [list] : [])
  })
}

function listOf<T>(value: unknown, isEntry: (entry: unknown) => entry is T): T[] {
  return Array.isArray(value) ? value.filter(isEntry) : []
}

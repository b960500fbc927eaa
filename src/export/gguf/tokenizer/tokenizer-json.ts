import { isJsonObject } from '../../../formats/foreign/index.ts'
import type { JsonObject } from '../../../tokenizer/index.ts'

/** What tokenizer.json has that GGUF files take. */
export interface TokenizerJson {
  /** The file itself. */
  raw: JsonObject
  type: string
  /** Whether what is no token is written as bytes: `<0x0A>`. */
  hasByteFallback: boolean
  vocabulary: ReadonlyMap<string, number>
  merges: readonly (readonly [string, string])[]
  added: readonly AddedEntry[]
  postProcessor: JsonObject
}

/** A token that is matched as a whole. */
export interface AddedEntry {
  id: number
  content: string
  special: boolean
  /** Whether it is matched in the normalised text. */
  normalized: boolean
}

export function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

/** A token as configurations write it: a text, or an object with one. */
export function textOfToken(entry: unknown): string | undefined {
  const text = isJsonObject(entry) ? entry['content'] : entry
  return typeof text === 'string' ? text : undefined
}

/** Takes a tokenizer.json apart. */
export function readTokenizerJson(text: string): TokenizerJson {
  const raw = JSON.parse(text) as JsonObject
  const model = isJsonObject(raw['model']) ? raw['model'] : {}
  const vocabulary = isJsonObject(model['vocab']) ? Object.entries(model['vocab']) : []
  return {
    raw,
    type: String(model['type']),
    hasByteFallback: model['byte_fallback'] === true,
    vocabulary: new Map(vocabulary.map(([token, id]) => [token, Number(id)])),
    merges: (Array.isArray(model['merges']) ? model['merges'] : []).map(pairOf),
    added: listOf(raw['added_tokens']).map((token) => ({
      id: Number(token['id']),
      content: String(token['content']),
      special: token['special'] === true,
      normalized: token['normalized'] === true,
    })),
    postProcessor: isJsonObject(raw['post_processor']) ? raw['post_processor'] : {},
  }
}

/** Newer files have pairs, since a part may have a space; older ones texts. */
function pairOf(merge: unknown): readonly [string, string] {
  if (Array.isArray(merge)) return [String(merge[0]), String(merge[1])]
  const text = String(merge)
  const space = text.indexOf(' ', 1)
  return [text.slice(0, space), text.slice(space + 1)]
}

import type { Change } from './aligned-text.ts'
import { unsupported } from './options.ts'
import { utf8Length } from './utf8-length.ts'

/**
 * The character map of a sentencepiece model, as it stands in tokenizer.json: base64 of the length of a trie in bytes, the trie
 * (a Darts double array of little-endian 32-bit units over UTF-8), and the replacements, each with U+0000 behind it.
 * Source: https://github.com/google/sentencepiece/blob/master/src/normalizer.cc, https://github.com/s-yata/darts-clone
 */
export type CharacterMap = (characters: string) => string | undefined

/** Reads a map; it gives the replacement of the shortest beginning of some characters that has one. */
export function readCharacterMap(base64: string, place: string): CharacterMap {
  const bytes = bytesOf(base64)
  const view = new DataView(bytes.buffer)
  const trieBytes = bytes.length < 8 ? 0 : view.getUint32(0, true)
  if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length)
    throw unsupported(
      place,
      `precompiled_charsmap of ${bytes.length} bytes`,
      "a map of sentencepiece's, which begins with the length of its trie",
    )
  const trie = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true))
  const replacements = bytes.subarray(4 + trieBytes)
  const encoder = new TextEncoder()
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const known = new Map<string, string | undefined>()

  const search = (characters: string): string | undefined => {
    let node = offsetOf(trie[0])
    for (const byte of encoder.encode(characters)) {
      node ^= byte
      const unit = trie[node >>> 0] ?? 0
      if (byte === 0 || (unit & 0x800000ff) >>> 0 !== byte) return undefined
      node ^= offsetOf(unit)
      const hasReplacement = (unit >>> 8) & 1
      if (!hasReplacement) continue
      const start = (trie[node >>> 0] ?? 0) & 0x7fffffff
      const end = replacements.indexOf(0, start)
      return decoder.decode(replacements.subarray(start, end === -1 ? undefined : end))
    }
    return undefined
  }
  return (characters) => {
    if (!known.has(characters)) known.set(characters, search(characters))
    return known.get(characters)
  }
}

/** The bytes of a text in base64; none where it is not. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    return new Uint8Array(0)
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6)
}

/**
 * The changes that a map makes, or `undefined` where it makes none. Short graphemes are looked up as a whole, and only what the
 * map has for their beginning stays of them: so the Rust library does it.
 */
export function mapGraphemes(text: string, map: CharacterMap): Change[] | undefined {
  const changes: Change[] = []
  let isChanged = false
  const change = (characters: string): boolean => {
    const replacement = map(characters)
    if (replacement === undefined) return false
    replace(changes, Array.from(characters).length, [...replacement])
    isChanged = true
    return true
  }
  for (const grapheme of graphemesOf(text)) {
    if (utf8Length(grapheme) < 6 && change(grapheme)) continue
    for (const character of grapheme) if (!change(character)) changes.push([character, 0])
  }
  return isChanged ? changes : undefined
}

function replace(changes: Change[], oldCount: number, replacement: readonly string[]): void {
  replacement.forEach((character, i) => changes.push([character, i < oldCount ? 0 : 1]))
  const removed = oldCount - replacement.length
  const last = changes.at(-1)
  if (removed > 0 && last !== undefined) changes[changes.length - 1] = [last[0], last[1] - removed]
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Printable ASCII between printable ASCII: each character is a grapheme, which need not be asked for one by one. */
const plain = /((?<![^ -~])[ -~]+(?![^ -~]))/

function* graphemesOf(text: string): Iterable<string> {
  for (const [i, part] of text.split(plain).entries()) {
    if (i % 2 === 1) yield* part
    else for (const { segment } of segmenter.segment(part)) yield segment
  }
}

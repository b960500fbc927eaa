import { mapCharacters, type AlignedText } from './aligned-text.ts'

/**
 * Byte-level tokenizers write each byte of UTF-8 as a printable character: printable bytes of Latin-1 as themselves, the others
 * from U+0100 on. The space is `Ġ`.
 * Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode
 */
export const characterOfByte: readonly string[] = makeAlphabet()

/** Stands for no byte. */
const none = -1
/** By UTF-16 unit. */
const byteOfCharacter = new Int16Array(0x200).fill(none)
characterOfByte.forEach((character, byte) => (byteOfCharacter[character.charCodeAt(0)] = byte))

function makeAlphabet(): string[] {
  let others = 0
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    return String.fromCharCode(isPrintable ? byte : 0x100 + others++)
  })
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const known = new Map<string, string>()

/** A text as its bytes. */
export function writeBytes(aligned: AlignedText): AlignedText {
  return mapCharacters(aligned, (character) => {
    if (character < '\x7f' && character > ' ') return character
    let written = known.get(character)
    if (written === undefined) {
      written = Array.from(encoder.encode(character), (byte) => characterOfByte[byte]).join('')
      known.set(character, written)
    }
    return written
  })
}

/** The text of tokens in the alphabet; a token with other characters is text already. */
export function readBytes(tokens: readonly string[]): string {
  // A UTF-16 unit is three bytes at most.
  const bytes = new Uint8Array(3 * tokens.reduce((length, token) => length + token.length, 0))
  let count = 0
  for (const token of tokens) {
    const first = count
    for (let at = 0; at < token.length; at++) {
      const byte = byteOfCharacter[token.charCodeAt(at)] ?? none
      if (byte === none) {
        count = first + encoder.encodeInto(token, bytes.subarray(first)).written
        break
      }
      bytes[count++] = byte
    }
  }
  return decoder.decode(bytes.subarray(0, count))
}

import { mapCharacters, type AlignedText } from './aligned-text.ts'

/**
 * Byte-level tokenizers write each byte of UTF-8 as a printable character: printable bytes of Latin-1 as themselves, the others
 * from U+0100 on. The space is `Ġ`.
 * Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode
 */
export const characterOfByte: readonly string[] = makeAlphabet()

const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  characterOfByte.map((character, byte) => [character, byte]),
)

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
  const bytes = tokens.flatMap((token): number[] => {
    const own = Array.from(token, (character) => byteOfCharacter.get(character))
    return own.every((byte) => byte !== undefined) ? own : [...encoder.encode(token)]
  })
  return decoder.decode(Uint8Array.from(bytes))
}

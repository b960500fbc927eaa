import { readBytes } from './byte-alphabet.ts'
import { readPattern } from './normalizers.ts'
import { readFlag, readNumber, readParts, readText, type Readers } from './options.ts'

/** Turns tokens as the vocabulary spells them into texts that are joined. */
export type Decoder = (tokens: string[]) => string[]

export const decoderReaders: Readers<Decoder> = {
  ByteLevel: () => (tokens) => [readBytes(tokens)],
  ByteFallback: () => readByteTokens,
  Fuse: () => (tokens) => [tokens.join('')],
  Metaspace(part) {
    const mark = readText(part, 'replacement')
    const isPrepended = readText(part, 'prepend_scheme', 'always') !== 'never'
    return (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 && isPrepended ? '' : ' '))
  },
  Replace(part) {
    const pattern = readPattern(part)
    const content = readText(part, 'content')
    return (tokens) => tokens.map((token) => token.replace(pattern, () => content))
  },
  Strip(part) {
    const content = readText(part, 'content')
    const start = readNumber(part, 'start')
    const stop = readNumber(part, 'stop')
    return (tokens) => tokens.map((token) => stripEnds([...token], content, start, stop))
  },
  WordPiece(part) {
    const prefix = readText(part, 'prefix', '##')
    const cleans = readFlag(part, 'cleanup', true)
    return (tokens) =>
      tokens.map((token, i) => {
        const goesOn = i > 0 && token.startsWith(prefix)
        const joined = i === 0 ? token : goesOn ? token.slice(prefix.length) : ` ${token}`
        return cleans ? cleanUp(joined) : joined
      })
  },
  BPEDecoder(part) {
    const suffix = readText(part, 'suffix', '</w>')
    return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '))
  },
  Sequence(part) {
    const steps = readParts(part, 'decoders', decoderReaders)
    return (tokens) => steps.reduce((result, step) => step(result), tokens)
  },
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Tokens such as `<0xE4>` in a row are UTF-8, or as many replacement characters where they are not. */
function readByteTokens(tokens: string[]): string[] {
  const texts: string[] = []
  let bytes: number[] = []
  const flush = (): void => {
    if (bytes.length === 0) return
    try {
      texts.push(strict.decode(Uint8Array.from(bytes)))
    } catch {
      texts.push(...bytes.map(() => '\ufffd'))
    }
    bytes = []
  }
  for (const token of tokens) {
    const [, byte] = /^<0x([\da-fA-F]{2})>$/.exec(token) ?? []
    if (byte !== undefined) bytes.push(parseInt(byte, 16))
    else {
      flush()
      texts.push(token)
    }
  }
  flush()
  return texts
}

/** Takes a character away from both ends, at most so many times. */
function stripEnds(characters: string[], content: string, start: number, stop: number): string {
  let from = 0
  while (from < start && characters[from] === content) from++
  let to = characters.length
  while (to > from && characters.length - to < stop && characters[to - 1] === content) to--
  return characters.slice(from, to).join('')
}

/** What `cleanup` means in the Rust library, which is one case more than in transformers. */
function cleanUp(text: string): string {
  return text
    .replaceAll(/ ([.?!,])/g, '$1')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re")
}

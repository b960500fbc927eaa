import { readBytes } from './byte-alphabet.ts'
import { findIn, readFinder } from './finder.ts'
import {
  readCharacter,
  readChoice,
  readCount,
  readFlag,
  readFlagOrNull,
  readParts,
  readText,
  type Readers,
} from './options.ts'

/** Turns tokens as the vocabulary spells them into texts that are joined. */
export type Decoder = (tokens: string[]) => string[]

export const decoderReaders: Readers<Decoder> = {
  ByteLevel(part) {
    // They are there, and decide nothing when tokens become text.
    readFlag(part, 'add_prefix_space')
    readFlag(part, 'trim_offsets')
    readFlag(part, 'use_regex', true)
    return (tokens) => [readBytes(tokens)]
  },
  ByteFallback: () => readByteTokens,
  Fuse: () => (tokens) => [tokens.join('')],
  Metaspace(part) {
    const mark = readCharacter(part, 'replacement')
    readFlagOrNull(part, 'split', true)
    const isPrepended = readChoice(part, 'prepend_scheme', ['always', 'first', 'never'], 'always') !== 'never'
    return (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 && isPrepended ? '' : ' '))
  },
  Replace(part) {
    const find = readFinder(part, { mayBeEmpty: true })
    const content = readText(part, 'content')
    return (tokens) => tokens.map((token) => replaceAll(token, findIn(token, find), content))
  },
  Strip(part) {
    const content = readCharacter(part, 'content')
    const start = readCount(part, 'start')
    const stop = readCount(part, 'stop')
    return (tokens) => tokens.map((token) => stripEnds([...token], content, start, stop))
  },
  WordPiece(part) {
    const prefix = readText(part, 'prefix')
    const cleans = readFlag(part, 'cleanup')
    return (tokens) =>
      tokens.map((token, i) => {
        const goesOn = i > 0 && token.startsWith(prefix)
        const joined = i === 0 ? token : goesOn ? token.slice(prefix.length) : ` ${token}`
        return cleans ? cleanUp(joined) : joined
      })
  },
  BPEDecoder(part) {
    const suffix = readText(part, 'suffix')
    return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '))
  },
  CTC(part) {
    const pad = readText(part, 'pad_token')
    const delimiter = readText(part, 'word_delimiter_token')
    const cleans = readFlag(part, 'cleanup')
    return (tokens) =>
      tokens
        .filter((token, i) => i === 0 || token !== tokens[i - 1])
        .map((token) => withoutPad(token, pad))
        .map((token) => (cleans ? replaceText(cleanUp(token), delimiter, ' ') : token))
        .filter((token) => token !== '')
  },
  Sequence(part) {
    const steps = readParts(part, 'decoders', decoderReaders)
    return (tokens) => steps.reduce((result, step) => step(result), tokens)
  },
}

/** Puts a text in place of stretches of a token. */
function replaceAll(token: string, found: readonly number[], content: string): string {
  if (token === '') return token
  let result = ''
  let position = 0
  for (let i = 0; i < found.length; i += 2) {
    result += token.slice(position, found[i]) + content
    position = found[i + 1]
  }
  return result + token.slice(position)
}

const withoutPad = (token: string, pad: string): string => replaceText(token, pad, '')

function replaceText(token: string, wanted: string, content: string): string {
  return wanted === '' && content === '' ? token : token.split(wanted).join(content)
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

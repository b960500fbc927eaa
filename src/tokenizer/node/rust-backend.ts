import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AddedToken as RustAddedToken,
  templateProcessing,
  Tokenizer as RustTokenizer,
  type AddedTokenOptions,
  type JsEncoding,
} from 'tokenizers'
import type { Backend, BackendEncoding } from '../backend.ts'
import { codePointsOf } from './code-points.ts'

/** The backend of the Rust library, which works on threads of its own. */
export function makeRustBackend(tokenizerJson: string): Backend {
  const rust = RustTokenizer.fromString(tokenizerJson)
  // Some files carry the settings of whoever saved them; cutting and padding are ours to decide.
  rust.disableTruncation()
  rust.disablePadding()
  return {
    async encode(texts, pairs, addSpecialTokens) {
      const how = { addSpecialTokens }
      // The binding takes pairs one by one only.
      const encodings =
        pairs === undefined
          ? await rust.encodeBatch([...texts], how)
          : await Promise.all(texts.map((text, i) => rust.encode(text, pairs[i], how)))
      return encodings.map((encoding, i) => readEncoding(encoding, texts[i], pairs?.[i]))
    },
    decode: (tokens) => rust.getDecoder()?.decode(tokens) ?? tokens.join(' '),
    idOf: (token) => rust.tokenToId(token) ?? undefined,
    tokenOf: (id) => rust.idToToken(id) ?? undefined,
    size: (withAdded) => rust.getVocabSize(withAdded),
    addTokens: (tokens) =>
      rust.addAddedTokens(
        tokens.map(({ content, special = false, ...options }) => {
          const set: AddedTokenOptions = { normalized: !special, ...options }
          return new RustAddedToken(content, special, set)
        }),
      ),
    surround(before, after) {
      const around = (sequence: string, type: number) =>
        [before, sequence, after].flatMap((part) => (part === undefined ? [] : [`${part}:${type}`])).join(' ')
      const specials = [before, after].flatMap((token): [string, number][] => {
        const id = token === undefined ? null : rust.tokenToId(token)
        return token === undefined || id === null ? [] : [[token, id]]
      })
      rust.setPostProcessor(
        templateProcessing(around('$A', 0), `${around('$A', 0)} ${around('$B', 1)}`, specials),
      )
    },
    serialize: () => serialize(rust),
  }
}

/** The library counts code points. */
function readEncoding(encoding: JsEncoding, text: string, pair: string | undefined): BackendEncoding {
  let known: ReturnType<typeof codePointsOf> | undefined
  const points = () => (known ??= codePointsOf(text))
  return {
    ids: () => encoding.getIds(),
    typeIds: () => encoding.getTypeIds(),
    sequences: () => encoding.getSequenceIds(),
    offsets() {
      const offsets = encoding.getOffsets() as [number, number][]
      const pairPoints = pair === undefined ? points() : codePointsOf(pair)
      const sequences = pair === undefined || points() === pairPoints ? undefined : encoding.getSequenceIds()
      for (let i = 0; i < offsets.length; i++) {
        const { toUtf16 } = sequences?.[i] === 1 ? pairPoints : points()
        const offset = offsets[i]
        offset[0] = toUtf16(offset[0])
        offset[1] = toUtf16(offset[1])
      }
      return offsets
    },
    tokenAt: (offset) => encoding.charToToken(points().fromUtf16(offset)) ?? undefined,
    startOf(token) {
      const start = encoding.tokenToChars(token)?.[0]
      return start === undefined ? undefined : points().toUtf16(start)
    },
  }
}

/** The binding can only write files. */
function serialize(rust: RustTokenizer): string {
  const path = join(tmpdir(), `fettle-${randomUUID()}.json`)
  try {
    rust.save(path, true)
    return readFileSync(path, 'utf8')
  } finally {
    rmSync(path, { force: true })
  }
}

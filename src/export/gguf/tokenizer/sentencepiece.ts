import { readFile } from 'node:fs/promises'
import { FettleError } from '../../../error.ts'

/** A piece of a sentencepiece model. */
export interface Piece {
  text: string
  score: number
  /** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte: the numbers of GGUF files, too. */
  type: number
}

/**
 * The pieces of a sentencepiece model, by id: field 1 of its protobuf message, each with its text (1), score (2) and type (3).
 * Source: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
 *
 * @throws FettleError for a file that is none
 */
export async function readPieces(path: string): Promise<Piece[]> {
  const bytes = await readFile(path)
  const pieces: Piece[] = []
  for (const { field, value } of fields(bytes, path)) {
    if (field !== 1 || typeof value === 'number') continue
    const piece = { text: '', score: 0, type: 1 }
    for (const part of fields(value, path)) {
      if (part.field === 1 && typeof part.value !== 'number') piece.text = Buffer.from(part.value).toString()
      if (part.field === 2 && typeof part.value !== 'number')
        piece.score = new DataView(part.value.buffer, part.value.byteOffset, 4).getFloat32(0, true)
      if (part.field === 3 && typeof part.value === 'number') piece.type = part.value
    }
    pieces.push(piece)
  }
  if (pieces.length > 0) return pieces
  throw damaged(path)
}

/** The fields of a protobuf message: a number, or the bytes of anything else. */
function* fields(bytes: Uint8Array, path: string): Generator<{ field: number; value: number | Uint8Array }> {
  let at = 0
  const number = (): number => {
    let value = 0
    for (let shift = 0; shift < 64; shift += 7) {
      if (at >= bytes.length) throw damaged(path)
      const byte = bytes[at]
      at += 1
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    throw damaged(path)
  }
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw damaged(path)
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = number()
    const field = Math.floor(key / 8)
    const wire = key % 8
    if (wire === 0) yield { field, value: number() }
    else if (wire === 1) yield { field, value: take(8) }
    else if (wire === 2) yield { field, value: take(number()) }
    else if (wire === 5) yield { field, value: take(4) }
    else throw damaged(path)
  }
}

function damaged(path: string): FettleError {
  return new FettleError({
    place: path,
    found: 'no pieces',
    expected: 'a sentencepiece model',
    cure: 'The file is damaged: download it again (or git lfs pull).',
  })
}

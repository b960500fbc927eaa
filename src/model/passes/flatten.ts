import type { Batch } from '../../batch/index.ts'
import { batchOf } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'

/** Token matrices as users give them: nested arrays, or flat with a shape [batch, time]. */
export type TokenMatrix = readonly (readonly number[])[] | { data: Int32Array; shape: readonly number[] }

/** A padded matrix as a batch of real tokens, and where these stand in it. */
export interface FlatBatch extends Batch {
  /** Place of each token in the padded matrix: row · time + column. */
  places: Int32Array
  /** Rows and columns of the matrix. */
  batch: number
  time: number
}

/** A batch as Hugging Face's models take it; every matrix [batch, time]. */
export interface ForwardInputs {
  inputIds: TokenMatrix
  /** 1: token, 0: padding on whichever side. */
  attentionMask?: TokenMatrix
  /** Made from the mask when absent. Without `documentIds` a position that does not follow the one before starts a document. */
  positionIds?: TokenMatrix
  /** Tokens see only their own document. */
  documentIds?: TokenMatrix
  /** As in Hugging Face: unshifted, −100 is ignored. */
  labels?: TokenMatrix
}

/**
 * Takes the padding out of a batch and lays its rows end to end.
 *
 * @throws FettleError when matrices differ in shape or an id is not in the vocabulary
 */
export function flattenBatch(inputs: ForwardInputs, vocabSize: number): FlatBatch {
  const ids = readMatrix('inputIds', inputs.inputIds)
  const { batch, time } = ids
  const optional = (name: string, matrix: TokenMatrix | undefined) => {
    if (!matrix) return undefined
    const read = readMatrix(name, matrix)
    if (read.batch !== batch || read.time !== time)
      throw new FettleError({
        place: name,
        found: `[${read.batch}, ${read.time}]`,
        expected: `the shape of inputIds, [${batch}, ${time}]`,
      })
    return read.at
  }
  const mask = optional('attentionMask', inputs.attentionMask)
  const positions = optional('positionIds', inputs.positionIds)
  const documents = optional('documentIds', inputs.documentIds)
  const labelAt = optional('labels', inputs.labels)
  const isToken = (value: number) => Number.isInteger(value) && value >= 0 && value < vocabSize

  const inputIds: number[] = []
  const labels: number[] = []
  const positionIds: number[] = []
  const documentIds: number[] = []
  const places: number[] = []
  let document = -1
  let start = 0
  for (let row = 0; row < batch; row += 1) {
    let previous = -1
    for (let column = 0; column < time; column += 1) {
      const place = row * time + column
      if (mask && mask(place) === 0) continue
      const id = ids.at(place)
      if (!isToken(id))
        throw new FettleError({
          place: `inputIds[${row}][${column}]`,
          found: String(id),
          expected: `a token id below ${vocabSize}`,
          cure: 'The tokenizer and the model do not belong together, or the embeddings were not resized.',
        })
      const n = inputIds.length
      const follows =
        previous >= 0 &&
        (documents
          ? documents(place) === documents(previous)
          : !positions || positions(place) === positions(previous) + 1)
      if (!follows) {
        document += 1
        start = n
      }
      const label = labelAt ? labelAt(place) : -100
      if (follows && label !== -100 && !isToken(label))
        throw new FettleError({
          place: `labels[${row}][${column}]`,
          found: String(label),
          expected: `a token id below ${vocabSize}, or −100 for what is not learned`,
        })
      inputIds.push(id)
      labels.push(label)
      positionIds.push(positions ? positions(place) : n - start)
      documentIds.push(document)
      places.push(place)
      previous = place
    }
  }
  const tokens = batchOf({
    inputIds: Int32Array.from(inputIds),
    labels: Int32Array.from(labels),
    positionIds: Int32Array.from(positionIds),
    documentIds: Int32Array.from(documentIds),
  })
  return { ...tokens, places: Int32Array.from(places), batch, time }
}

function readMatrix(name: string, matrix: TokenMatrix) {
  if ('data' in matrix) {
    const [batch, time] = matrix.shape
    if (matrix.shape.length !== 2 || matrix.data.length !== batch * time)
      throw new FettleError({
        place: name,
        found: `${matrix.data.length} values`,
        expected: `as many as a shape [batch, time] says; it is [${matrix.shape.join(', ')}]`,
      })
    return { batch, time, at: (place: number) => matrix.data[place] }
  }
  if (!Array.isArray(matrix) || matrix.some((row) => !Array.isArray(row)))
    throw new FettleError({
      place: name,
      found: 'a single row',
      expected: 'a list of rows, or { data, shape: [batch, time] }',
      cure: 'Put one row into brackets: [ids].',
    })
  const batch = matrix.length
  const time = matrix[0]?.length ?? 0
  const odd = matrix.findIndex((row) => row.length !== time)
  if (odd >= 0)
    throw new FettleError({
      place: `${name}[${odd}]`,
      found: `${matrix[odd].length} values`,
      expected: `${time}, as in the first row`,
      cure: 'Pad the rows, and say with attentionMask which tokens are padding.',
    })
  return { batch, time, at: (place: number) => matrix[Math.floor(place / time)][place % time] }
}

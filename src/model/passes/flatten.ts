import type { Batch } from '../../batch/index.ts'
import { batchOf } from '../../batch/index.ts'
import { checkArgument, checkObject, isList } from '../../check-argument.ts'
import { FettleError, quoteValue } from '../../error.ts'

/** Token matrices as users give them: nested arrays, or flat with a shape [batch, time]. */
export type TokenMatrix = readonly (readonly number[])[] | { data: Int32Array; shape: readonly number[] }

/** A padded matrix as a batch of real tokens, and where these stand in it. */
export interface FlatBatch extends Batch {
  /** Unshifted [n], −100 where nothing is learned. */
  labels: Int32Array
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
  /**
   * Of a model with experts: gives what its routers say, and adds the loss of how unevenly they use their experts. Default as
   * `output_router_logits` of config.json says.
   */
  outputRouterLogits?: boolean
}

/**
 * Takes the padding out of a batch and lays its rows end to end.
 *
 * @throws FettleError when matrices differ in shape or an id is not in the vocabulary
 */
export function flattenBatch(inputs: ForwardInputs, vocabSize: number, modelPositions = 0): FlatBatch {
  checkObject('inputs', inputs)
  const maxPositions = Math.max(modelPositions, longestPositions)
  const ids = readMatrix('inputIds', inputs.inputIds)
  const { batch, time } = ids
  const optional = (name: string, matrix: TokenMatrix | undefined) => {
    if (matrix === undefined || matrix === null) return undefined
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
      if (mask) {
        const shown = mask(place)
        if (shown !== 0 && shown !== 1)
          throw notIn('attentionMask', row, column, shown, '1, or 0 for padding')
        if (shown === 0) continue
      }
      const id = ids.at(place)
      if (!isToken(id))
        throw new FettleError({
          place: `inputIds[${row}][${column}]`,
          found: quoteValue(id),
          expected: `a token id below ${vocabSize}`,
          cure: 'The tokenizer and the model do not belong together, or the embeddings were not resized.',
        })
      const position = positions?.(place)
      if (position !== undefined && (!Number.isInteger(position) || position < 0 || position >= maxPositions))
        throw notIn('positionIds', row, column, position, `a whole number from 0, below ${maxPositions}`)
      if (documents && !Number.isInteger(documents(place)))
        throw notIn('documentIds', row, column, documents(place), 'a whole number')
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
      if (label !== -100 && !isToken(label))
        throw notIn(
          'labels',
          row,
          column,
          label,
          `a token id below ${vocabSize}, or −100 for what is not learned`,
        )
      inputIds.push(id)
      labels.push(label)
      positionIds.push(position ?? n - start)
      documentIds.push(document)
      places.push(place)
      previous = place
    }
  }
  if (inputIds.length === 0)
    throw new FettleError({
      place: mask ? 'attentionMask' : 'inputIds',
      found: mask ? 'padding only' : `no tokens, [${batch}, ${time}]`,
      expected: 'at least one token',
    })
  const unshifted = Int32Array.from(labels)
  const tokens = batchOf({
    inputIds: Int32Array.from(inputIds),
    labels: unshifted,
    positionIds: Int32Array.from(positionIds),
    documentIds: Int32Array.from(documentIds),
  })
  return { ...tokens, labels: unshifted, places: Int32Array.from(places), batch, time }
}

function notIn(name: string, row: number, column: number, found: unknown, expected: string): FettleError {
  return new FettleError({ place: `${name}[${row}][${column}]`, found: quoteValue(found), expected })
}

/** Positions that any model may be asked for: rotations are made up to the highest. */
const longestPositions = 2 ** 17

function isArrayOfNumbers(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || value instanceof Int32Array
}

/** Reads a matrix of whatever a caller without types passes; what stands in it is checked where it is used. */
function readMatrix(name: string, matrix: unknown) {
  const expected = 'a list of rows of numbers, or { data, shape: [batch, time] }'
  if (typeof matrix !== 'object' || matrix === null)
    throw new FettleError({ place: name, found: quoteValue(matrix), expected })
  if ('data' in matrix) {
    const { data } = matrix
    const shape = 'shape' in matrix ? matrix.shape : undefined
    const isShape =
      Array.isArray(shape) && shape.length === 2 && shape.every((size) => Number.isInteger(size) && size >= 0)
    if (!isArrayOfNumbers(data) || !isShape)
      throw new FettleError({
        place: isShape ? `${name}.data` : `${name}.shape`,
        found: quoteValue(isShape ? data : shape),
        expected: isShape ? 'an Int32Array' : 'two whole numbers from 0, [batch, time]',
      })
    const [batch, time]: number[] = shape
    if (data.length !== batch * time)
      throw new FettleError({
        place: name,
        found: `${data.length} values`,
        expected: `as many as a shape [batch, time] says; it is [${batch}, ${time}]`,
      })
    return { batch, time, at: (place: number) => data[place] }
  }
  if (!Array.isArray(matrix) || !isList(matrix))
    throw new FettleError({ place: name, found: quoteValue(matrix), expected })
  const single = matrix.findIndex((row) => !Array.isArray(row))
  if (single >= 0)
    throw new FettleError(
      typeof matrix[single] === 'number'
        ? { place: name, found: 'a single row', expected, cure: 'Put one row into brackets: [ids].' }
        : { place: `${name}[${single}]`, found: quoteValue(matrix[single]), expected: 'a row of numbers' },
    )
  const rows: readonly (readonly number[])[] = matrix
  const batch = rows.length
  const time = rows[0]?.length ?? 0
  checkArgument(`${name}[0]`, rows[0], batch === 0 || isList(rows[0]), 'a row of numbers')
  const odd = rows.findIndex((row) => row.length !== time)
  if (odd >= 0)
    throw new FettleError({
      place: `${name}[${odd}]`,
      found: `${rows[odd].length} values`,
      expected: `${time}, as in the first row`,
      cure: 'Pad the rows, and say with attentionMask which tokens are padding.',
    })
  return { batch, time, at: (place: number) => rows[Math.floor(place / time)][place % time] }
}

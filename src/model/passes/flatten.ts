import { FettleError } from '../../error.ts'

/** Token matrices as users give them: nested arrays, or flat with a shape [batch, time]. */
export type TokenMatrix = readonly (readonly number[])[] | { data: Int32Array; shape: readonly number[] }

/** Tokens of all rows end to end, without padding. */
export interface FlatTokens {
  /** [n] */
  ids: Int32Array
  positions: Int32Array
  /** First token (flat index) of the document that a token belongs to. */
  starts: Int32Array
  /** Next token to predict, or −100. */
  targets: Int32Array
  /** Place of each token in the padded matrix: row · time + column. */
  places: Int32Array
  batch: number
  time: number
}

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
 * Takes the padding out of a batch and lays its rows end to end. The label shift of `labels` happens here; the first
 * token of a document is never predicted from the one before it.
 *
 * @throws FettleError when matrices differ in shape or an id is not in the vocabulary
 */
export function flattenBatch(inputs: ForwardInputs, vocabSize: number): FlatTokens {
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
  const positionIds = optional('positionIds', inputs.positionIds)
  const documentIds = optional('documentIds', inputs.documentIds)
  const labels = optional('labels', inputs.labels)

  const flat = {
    ids: [] as number[],
    positions: [] as number[],
    starts: [] as number[],
    targets: [] as number[],
    places: [] as number[],
  }
  for (let row = 0; row < batch; row += 1) {
    let start = flat.ids.length
    let previous = -1
    for (let column = 0; column < time; column += 1) {
      const place = row * time + column
      if (mask && mask(place) === 0) continue
      const id = ids.at(place)
      if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
        throw new FettleError({
          place: `inputIds[${row}][${column}]`,
          found: String(id),
          expected: `a token id below ${vocabSize}`,
          cure: 'The tokenizer and the model do not belong together, or the embeddings were not resized.',
        })
      const n = flat.ids.length
      const position = positionIds ? positionIds(place) : n - start
      if (previous >= 0) {
        const isNewDocument = documentIds
          ? documentIds(place) !== documentIds(previous)
          : positionIds !== undefined && position !== flat.positions[n - 1] + 1
        if (isNewDocument) start = n
        else if (labels) flat.targets[n - 1] = labels(place)
        const target = flat.targets[n - 1]
        if (target !== -100 && !(Number.isInteger(target) && target >= 0 && target < vocabSize))
          throw new FettleError({
            place: `labels[${row}][${column}]`,
            found: String(target),
            expected: `a token id below ${vocabSize}, or −100 for what is not learned`,
          })
      }
      flat.ids.push(id)
      flat.positions.push(positionIds ? position : n - start)
      flat.starts.push(start)
      flat.targets.push(-100)
      flat.places.push(place)
      previous = place
    }
  }
  return {
    ids: Int32Array.from(flat.ids),
    positions: Int32Array.from(flat.positions),
    starts: Int32Array.from(flat.starts),
    targets: Int32Array.from(flat.targets),
    places: Int32Array.from(flat.places),
    batch,
    time,
  }
}

/** First flat index of each token's document, from document ids in order. */
export function documentStarts(documentIds: Int32Array): Int32Array {
  const starts = new Int32Array(documentIds.length)
  for (let i = 1; i < starts.length; i += 1)
    starts[i] = documentIds[i] === documentIds[i - 1] ? starts[i - 1] : i
  return starts
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

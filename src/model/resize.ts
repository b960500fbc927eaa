import { byteCount } from '../byte-count.ts'
import { checkList } from '../check-argument.ts'
import { FettleError, quoteValue } from '../error.ts'
import { machineMemory } from '../machine-memory.ts'
import { vocabularyOf, vocabularyTables, withVocabulary } from './blocks/architecture.ts'
import { readParameter, setFrozen } from './state/frozen-weights.ts'
import type { ModelState } from './state/model-state.ts'
import { setArchitecture } from './state/model-state.ts'
import { rowCount, type Parameter } from './weights/parameters.ts'

/** More tokens than any vocabulary has; each is a row in memory. */
const maxRows = 10_000_000
/** Kernels like multiples of up to a few hundred; of more, a typing error would take the memory. */
const maxMultiple = 65_536

/** How the embedding is resized. */
export interface ResizeOptions {
  /** Round the rows up to a multiple of this. */
  padToMultipleOf?: number | undefined
  /** Tokens that are new although the matrix has rows for them: these rows get the mean too. */
  newTokenIds?: readonly number[] | undefined
}

/**
 * Gives the embedding matrix (and an untied head) `size` rows, rounded up to a multiple; new rows are the mean of the
 * old ones, so that a new token starts as an average one and its logit is not an outlier (Hewitt 2021).
 *
 * @throws FettleError when the model has an adapter or is in training, whose tensors have the old shape
 */
export async function resizeEmbeddings(
  state: ModelState,
  size: number,
  { padToMultipleOf = 1, newTokenIds = [] }: ResizeOptions = {},
): Promise<void> {
  if (state.trainable)
    throw new FettleError({
      place: 'resizeTokenEmbeddings',
      found: 'a model with trainable parameters',
      expected: 'a call before addAdapter and before training',
    })
  for (const [name, value, most] of [
    ['size', size, maxRows],
    ['padToMultipleOf', padToMultipleOf, maxMultiple],
  ] as const)
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new FettleError({
        place: `resizeTokenEmbeddings: ${name}`,
        found: quoteValue(value),
        expected: `a whole number from 1 to ${most}`,
      })
  checkList(
    'resizeTokenEmbeddings: newTokenIds',
    newTokenIds,
    (id) => typeof id === 'number' && Number.isInteger(id) && id >= 0,
    'the id of a token',
  )
  const rows = Math.ceil(size / padToMultipleOf) * padToMultipleOf
  const { architecture } = state
  const { layerInputs, isTied } = architecture
  const old = vocabularyOf(architecture)
  const spare = newTokenIds.filter((id) => id < Math.min(rows, old))
  if (rows === old && spare.length === 0) return
  const [table, ...heads] = vocabularyTables(architecture)
  const tables = [table, ...(layerInputs ? [layerInputs.table] : []), ...(isTied ? [] : heads)]
  refuseBeyondMemory(rows, tables)
  for (const parameter of tables) {
    const { columns } = parameter
    const had = rowCount(parameter)
    const values = await readParameter(state, parameter)
    const resized = new Float32Array(rows * columns)
    resized.set(values.subarray(0, Math.min(rows, had) * columns))
    // Rows from the first new token on were never learned, so they say nothing about an average token.
    const mean = meanRow(values, Math.min(had, ...spare), columns)
    for (let row = had; row < rows; row += 1) resized.set(mean, row * columns)
    for (const row of spare) resized.set(mean, row * columns)
    await setFrozen(state, parameter, resized)
  }
  setArchitecture(state, withVocabulary(architecture, rows), {
    vocab_size: rows,
    ...(layerInputs && { vocab_size_per_layer_input: rows }),
  })
}

/** What cannot be is said before it is tried: the system may promise the memory and end the process when it is used. */
function refuseBeyondMemory(rows: number, tables: readonly Parameter[]): void {
  const needed = tables.reduce((sum, { columns }) => sum + Float32Array.BYTES_PER_ELEMENT * rows * columns, 0)
  const there = machineMemory()
  if (needed <= there) return
  throw new FettleError({
    place: 'resizeTokenEmbeddings: size',
    found: `${rows} rows, which take ${byteCount(needed)}`,
    expected: `at most the ${byteCount(there)} of this machine's memory`,
    cure: 'Give the number of tokens: tokenizer.length.',
  })
}

/** Mean of the first `rows` rows; zeros without rows. */
function meanRow(values: Float32Array, rows: number, columns: number): Float64Array {
  const mean = new Float64Array(columns)
  for (let i = 0; i < rows * columns; i += 1) mean[i % columns] += values[i] / rows
  return mean
}

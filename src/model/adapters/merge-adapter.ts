import { FettleError } from '../../error.ts'
import { exactReader, keepExact, setExact } from '../state/exact-values.ts'
import { readParameter } from '../state/frozen-weights.ts'
import type { ExactReader } from '../state/exact-reader.ts'
import { readerOf, rowsWithin, wholeReader } from '../state/exact-reader.ts'
import type { ModelState } from '../state/model-state.ts'
import { setAdapter } from '../state/model-state.ts'
import { nameAdapters } from '../state/parked-adapters.ts'
import { freeze } from '../state/train-state.ts'
import { parametersOf } from '../blocks/architecture.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { AdaptedParameter } from './adapted-parameters.ts'
import { adaptedParameters } from './adapted-parameters.ts'
import { transpose } from '../../transpose.ts'
import { addProducts } from './add-product.ts'
import type { Product } from './add-product.ts'
import { freeDora } from './dora.ts'
import { deleteOthers, turnOn } from './several/several-adapters.ts'
import { tableSums } from './tables/table-lora.ts'
import { exactTable, freeTokenRows } from './tables/token-rows.ts'

/**
 * W ← W + scaling · B A for each adapted module, with DoRA at the lengths that it trained; then the model has no adapter, and the
 * others that it had are gone, too: they were made for the weights before. Sums are made in float32 from the values of the
 * files, or those that quantising left, and rounded once to what the model computes in; saving makes them again and rounds
 * them once to what is saved.
 */
export async function mergeAdapter(state: ModelState): Promise<void> {
  const { adapter, engine } = state
  if (!adapter) return
  await turnOn(state)
  const sums: { parameter: Parameter; exact: ExactReader }[] = []
  for (const adapted of adaptedParameters(state, adapter.modules)) {
    const { parameter } = adapted
    const products = await loraProducts(state, adapted)
    const base = await exactReader(state, parameter)
    const magnitudes = await magnitudesOf(state, adapted)
    const summed: ExactReader = async (range) => {
      const within = products.map((product) => ({
        ...product,
        left: rowsWithin(product.left, product.rank, range),
      }))
      const sum = await addProducts(engine, await base(range), within)
      if (magnitudes) lengthen(sum, adapted, magnitudes, range?.first)
      return sum
    }
    // Rows of a stack are of several products.
    const exact = products.length === 1 ? summed : wholeReader(() => summed(), parameter.columns)
    sums.push({ parameter, exact })
  }
  const kept: typeof sums = []
  for (const parameter of parametersOf(state.architecture))
    if (state.trainable?.byKey.has(parameter.key)) {
      const values = await readParameter(state, parameter)
      kept.push({ parameter, exact: readerOf(values, parameter.columns) })
    }
  for (const table of state.tokenRows?.tables ?? [])
    kept.push({ parameter: table.parameter, exact: await exactTable(state, table) })
  await checkNumbers(state)
  const mergeTables = await tableSums(state)
  await freeze(state)
  for (const { parameter, exact } of sums) await setExact(state, parameter, exact)
  await mergeTables()
  // These tensors have their values already.
  for (const { parameter, exact } of kept) keepExact(state, parameter, exact)
  freeTokenRows(state)
  freeDora(state)
  setAdapter(state, null, null)
  deleteOthers(state)
  nameAdapters(state, [], new Map())
}

/** With DoRA the lengths that the rows of a weight are to have. [N] */
async function magnitudesOf(
  { engine, trainable }: ModelState,
  { parameter }: AdaptedParameter,
): Promise<Float32Array | undefined> {
  const trained = trainable?.byKey.get(`${parameter.key}.magnitude`)
  return trained && ((await engine.read(trained.tensor)) as Float32Array)
}

/** W_n ← magnitude_n · W_n / ‖W_n‖ of the rows of modules with LoRA; `weight` begins with row `first`. */
function lengthen(
  weight: Float32Array,
  { parameter: { columns }, parts }: AdaptedParameter,
  magnitudes: Float32Array,
  first = 0,
): void {
  const end = first + weight.length / columns
  for (const { adapter, firstRow, rows } of parts)
    for (let n = Math.max(firstRow, first); adapter && n < Math.min(firstRow + rows, end); n += 1) {
      const row = weight.subarray((n - first) * columns, (n - first + 1) * columns)
      const factor = magnitudes[n] / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
      for (let i = 0; i < columns; i += 1) row[i] *= factor
    }
}

/** @throws FettleError where the adapter has a number that is none: the weights would be lost with it */
async function checkNumbers({ engine, trainable }: ModelState): Promise<void> {
  for (const { tensor, slices } of trainable?.tensors ?? []) {
    const wrong = ((await engine.read(tensor)) as Float32Array).find((value) => !Number.isFinite(value))
    if (wrong === undefined) continue
    throw new FettleError(
      {
        place: `tensor ${slices[0].name}`,
        found: String(wrong),
        expected: 'finite numbers, to add to the weights',
        cure: 'The adapter diverged when it was trained: go back to an earlier checkpoint.',
      },
      { exitCode: 1 },
    )
  }
}

/**
 * scaling · B and Aᵀ of the modules of a parameter, block by block: [N, ΣR] and [K, ΣR]; of experts those of each, in place of
 * blocks.
 */
async function loraProducts(
  { engine, trainable }: ModelState,
  { parameter: { key, columns }, count, rows, totalRank, maxRank, parts }: AdaptedParameter,
): Promise<Product[]> {
  const loraA = trainable?.byKey.get(`${key}.loraA`)
  const loraB = trainable?.byKey.get(`${key}.loraB`)
  if (!loraA || !loraB) throw new Error(`parameter ${key} has no adapter`)
  const a = (await engine.read(loraA.tensor)) as Float32Array
  const b = (await engine.read(loraB.tensor)) as Float32Array
  const rank = totalRank / count
  const left = new Float32Array(rows * rank)
  for (const { firstRow, rows: outputs, firstRank, adapter } of parts) {
    if (!adapter) continue
    for (let row = firstRow; row < firstRow + outputs; row += 1)
      for (let i = 0; i < adapter.rank; i += 1)
        left[row * rank + firstRank + i] = adapter.scaling * b[row * maxRank + i]
  }
  const [leftSize, rightSize] = [(rows / count) * rank, columns * rank]
  return Array.from({ length: count }, (_, i) => ({
    left: left.subarray(i * leftSize, (i + 1) * leftSize),
    right: transpose(a.subarray(i * rightSize, (i + 1) * rightSize), rank, columns),
    rank,
  }))
}

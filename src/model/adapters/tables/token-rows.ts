import type { Engine, Tensor } from '../../../engine/index.ts'
import { adapterName } from '../../../peft/index.ts'
import { dropFrozen, keepFrozen, parameterTensor, readParameter } from '../../state/frozen-weights.ts'
import { exactReader, knownReader } from '../../state/exact-values.ts'
import type { ExactReader } from '../../state/exact-reader.ts'
import type { LogitBounds } from '../../blocks/architecture.ts'
import type { ModelState } from '../../state/model-state.ts'
import type { RowTable, TokenRows } from '../../state/token-rows.ts'
import type { TrainableEntry } from '../../state/trainable-set.ts'
import type { Parameter } from '../../weights/parameters.ts'
import { moduleOf } from '../../weights/parameters.ts'
import type { RowPlan } from './plan-token-rows.ts'
import type { SavedTensor } from '../whole-entries.ts'

/**
 * Single rows of the embedding and of the head that are trained beside LoRA, as PEFT's `trainable_token_indices` has
 * them. The rows are float32 parameters of their own, and after each update they are written into the table that the
 * ops read: forward passes need nothing new. Their gradients have two parts:
 *
 * - embedding: R'[t] = Σ over tokens with id t of stream'. The stream gets `indicator · zerosᵀ` added, where row m of
 *   the indicator says which trained row token m has and zeros are a weight [H, n]: its gradient is R'ᵀ.
 * - head: R'[t] = Σ over rows of weight · (softmax_t − [target = t]) · c' · hidden, with softmax_t = exp(c(hidden · R[t]) − lse)
 *   and c the bounds of the logits:
 *   n numbers a row, where a gradient of the whole head would be as many as the vocabulary.
 */

const keyOf = ({ key }: Parameter) => `${key}.rows`

/** The rows as something to train; they start as they are in the table, or as they were saved. */
export function tokenRowEntries(
  state: ModelState,
  plans: readonly RowPlan[],
  saved?: SavedTensor,
): TrainableEntry[] {
  return plans.map(({ parameter, ids }): TrainableEntry => {
    const { columns } = parameter
    const shape = [ids.length, columns]
    const name = adapterName(`${moduleOf(parameter.key)}.token_adapter.trainable_tokens_delta`)
    return {
      key: keyOf(parameter),
      shape,
      slices: [{ name, shape, offset: 0, rows: ids.length, columns, stride: columns }],
      decay: true,
      initial: async () =>
        saved ? saved(name, shape) : rowsOf(await readParameter(state, parameter), ids, columns),
    }
  })
}

/** Puts tables that can be written to in the place of the frozen ones; call it after `setTrainable`. */
export async function installTokenRows(
  state: ModelState,
  plans: readonly RowPlan[],
): Promise<TokenRows | null> {
  if (plans.length === 0) return null
  if (state.isUnloaded) return { tables: plans.map((plan) => unloadedTable(state, plan)) }
  const tables: RowTable[] = []
  for (const plan of plans) tables.push(await installTable(state, plan))
  for (const table of tables) putRows(state, table, await trainedRows(state, table.parameter, 'tensor'))
  return { tables }
}

/** The rows of a model that computes nothing: they are put into the table when it is written. */
function unloadedTable(state: ModelState, plan: RowPlan): RowTable {
  const exact = knownReader(state, plan.parameter)
  return { ...plan, exact, places: [], base: new Float32Array(0), rowGradient: null }
}

async function installTable(state: ModelState, { parameter, ids, ...of }: RowPlan): Promise<RowTable> {
  const { engine } = state
  const { columns } = parameter
  const values = await readParameter(state, parameter)
  const rows = values.length / columns
  const { table, exact } = writableTable(state, parameter, values)
  const indicator = new Float32Array(of.isEmbedding ? rows * ids.length : 0)
  if (of.isEmbedding) ids.forEach((id, i) => (indicator[id * ids.length + i] = 1))
  const shape = [columns, ids.length]
  return {
    ...of,
    parameter,
    ids,
    exact,
    places: ids.map((id) => engine.view(table, id * columns, [columns])),
    base: rowsOf(values, ids, columns),
    rowGradient: of.isEmbedding
      ? {
          indicator: engine.tensor('float32', [rows, ids.length], indicator),
          weight: engine.tensor('float32', shape),
          gradient: engine.tensor('float32', shape),
        }
      : null,
  }
}

/** Tables that can be written to; adapters share one. */
const writableTables = new WeakMap<Tensor, { table: Tensor; exact: ExactReader | undefined }>()

function writableTable(state: ModelState, parameter: Parameter, values: Float32Array) {
  const present = writableTables.get(parameterTensor(state, parameter))
  if (present) return present
  const { columns } = parameter
  const made = {
    table: state.engine.tensor(state.activation, [values.length / columns, columns], values),
    exact: knownReader(state, parameter),
  }
  writableTables.set(made.table, made)
  dropFrozen(state, parameter)
  keepFrozen(state, parameter, made.table)
  return made
}

/** A table with its trained rows, in float32, for when the rows are trained no more. */
export async function exactTable(
  state: ModelState,
  { parameter, ids, exact }: RowTable,
): Promise<ExactReader> {
  const { columns } = parameter
  const rows = await trainedRows(state, parameter, 'tensor')
  const base = exact ?? (await exactReader(state, parameter))
  return async (range) => {
    const values = await base(range)
    const first = range?.first ?? 0
    ids.forEach((id, i) => {
      const at = (id - first) * columns
      if (at >= 0 && at < values.length) values.set(rows.subarray(i * columns, (i + 1) * columns), at)
    })
    return values
  }
}

/** These rows of a table, end to end. */
function rowsOf(table: Float32Array, ids: readonly number[], columns: number): Float32Array {
  const rows = new Float32Array(ids.length * columns)
  ids.forEach((id, i) => rows.set(table.subarray(id * columns, (id + 1) * columns), i * columns))
  return rows
}

/** Gives back what training them took; the tables keep the rows as they are. */
export function freeTokenRows({ engine, tokenRows }: ModelState): void {
  freeRows(engine, tokenRows)
}

export function freeRows(engine: Engine, tokenRows: TokenRows | null): void {
  for (const { places, rowGradient } of tokenRows?.tables ?? [])
    for (const tensor of [...places, ...Object.values(rowGradient ?? {})]) engine.free(tensor)
}

/** Writes the trained rows into the tables; call it whenever the parameters have changed. */
export async function refreshTokenRows(state: ModelState): Promise<void> {
  for (const table of state.tokenRows?.tables ?? [])
    putRows(state, table, await trainedRows(state, table.parameter, 'tensor'))
}

/** Writes into the tables what these rows had before the adapter, until `refreshTokenRows`. */
export function putBaseRows(state: ModelState): void {
  for (const table of state.tokenRows?.tables ?? []) putRows(state, table, table.base)
}

function putRows(
  { engine }: ModelState,
  { parameter: { columns }, places }: RowTable,
  values: Float32Array,
): void {
  places.forEach((place, i) => engine.write(place, values.slice(i * columns, (i + 1) * columns)))
}

async function trainedRows(
  { engine, trainable }: ModelState,
  parameter: Parameter,
  source: 'tensor' | 'gradient',
): Promise<Float32Array> {
  const trained = trainable?.byKey.get(keyOf(parameter))
  if (!trained) throw new Error(`rows of ${parameter.key} are not trained`)
  return (await engine.read(trained[source])) as Float32Array
}

/** What a backward pass leaves for the gradient of the head's rows. */
export interface HeadPass {
  /** Normalised hidden states [m, H] of the learned rows. */
  hidden: Tensor
  /** [m] */
  lse: Tensor
  targets: Int32Array
  /** Gradient weight of each row, as `targetLogProbs` takes them. */
  weights: ArrayLike<number>
  /** Of the logits that `lse` is of. */
  bounds: LogitBounds
}

/** Adds both parts of the rows' gradients; call it after each backward pass, before another program runs. */
export async function addTokenRowGradients(state: ModelState, pass: HeadPass): Promise<void> {
  const { engine } = state
  const hidden = (await engine.read(pass.hidden)) as Float32Array
  const lse = (await engine.read(pass.lse)) as Float32Array
  for (const { parameter, ids, places, isHead, rowGradient } of state.tokenRows?.tables ?? []) {
    const gradient = await trainedRows(state, parameter, 'gradient')
    const { columns } = parameter
    if (rowGradient) {
      const transposed = (await engine.read(rowGradient.gradient)) as Float32Array
      for (let i = 0; i < ids.length; i += 1)
        for (let k = 0; k < columns; k += 1) gradient[i * columns + k] += transposed[k * ids.length + i]
      engine.write(rowGradient.gradient, new Float32Array(transposed.length))
    }
    if (isHead)
      for (const [i, id] of ids.entries()) {
        const row = (await engine.read(places[i])) as Float32Array
        addHeadGradient(gradient.subarray(i * columns, (i + 1) * columns), {
          hidden,
          lse,
          row,
          id,
          pass,
        })
      }
    const trained = state.trainable?.byKey.get(keyOf(parameter))
    if (trained) engine.write(trained.gradient, gradient)
  }
}

/** gradient += Σ_m weights_m · (exp(c(h_m · row) − lse_m) − [target_m = id]) · c'(h_m · row) · h_m */
function addHeadGradient(
  gradient: Float32Array,
  {
    hidden,
    lse,
    row,
    id,
    pass: {
      targets,
      weights,
      bounds: { scale, cap },
    },
  }: {
    hidden: Float32Array
    lse: Float32Array
    row: Float32Array
    id: number
    pass: HeadPass
  },
): void {
  const width = row.length
  targets.forEach((target, m) => {
    const h = hidden.subarray(m * width, (m + 1) * width)
    let logit = 0
    for (let k = 0; k < width; k += 1) logit += h[k] * row[k]
    const t = cap === 0 ? 0 : Math.tanh((scale * logit) / cap)
    const bounded = cap === 0 ? scale * logit : cap * t
    const slope = scale * (1 - t * t)
    const factor = weights[m] * slope * (Math.exp(bounded - lse[m]) - (target === id ? 1 : 0))
    for (let k = 0; k < width; k += 1) gradient[k] += factor * h[k]
  })
}

import { documentStarts, type Batch, type SharedRows } from '../../batch/index.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { rowsOf } from '../../engine/index.ts'
import type { CountedRows } from '../../engine/tensor.ts'

/** What a pass reads of each token; all int32 [n]. Where tokens are shared, `starts` and `of` [copies] are of all that documents have. */
export type TokenTensors = { ids: Tensor; positions: Tensor; starts: Tensor; of?: Tensor; places?: Tensor }

/** How many tokens a pass has, and where several documents share some, how many these have in all. */
export interface PassRows {
  tokens: number
  copies?: number
}

/** The m learned tokens: where they stand, what comes next; int32, −1 from some row on. */
export type TargetTensors = { rows: Tensor; targets: Tensor }

/** Tensors for passes of at most so many tokens. */
export function tokenTensors(engine: Engine, { tokens, copies }: PassRows): TokenTensors {
  const integers = () => engine.tensor('int32', [rowsOf('tokens', tokens)])
  const ofTokens = { ids: integers(), positions: integers() }
  if (copies === undefined) return { ...ofTokens, starts: integers() }
  const ofCopies = () => engine.tensor('int32', [rowsOf('copies', copies)])
  return { ...ofTokens, starts: ofCopies(), of: ofCopies(), places: integers() }
}

/** Has as many rows as there are tokens, since m differs from batch to batch: one program serves them all. */
export function targetTensors(engine: Engine, rows: PassRows): TargetTensors {
  const integers = () => engine.tensor('int32', [targetRows(rows)])
  return { rows: integers(), targets: integers() }
}

/** What numbers of learned tokens are counted in: at most every token of every document is one. */
export function targetRows({ tokens, copies }: PassRows): CountedRows {
  return copies === undefined ? rowsOf('tokens', tokens) : rowsOf('copies', copies)
}

/** @param shared  what is computed once, where the pass was compiled for that */
export function writeTokens(engine: Engine, inputs: TokenTensors, batch: Batch, shared?: SharedRows): void {
  const own = (values: Int32Array) => (shared ? shared.places.map((place) => values[place]) : values)
  engine.write(inputs.ids, own(batch.inputIds))
  engine.write(inputs.positions, own(batch.positionIds))
  engine.write(inputs.starts, documentStarts(batch.documentIds))
  if (!shared || !inputs.of || !inputs.places) return
  engine.write(inputs.of, shared.of)
  engine.write(inputs.places, shared.places)
}

/** @param places  of the learned tokens [m] */
export function writeTargets(
  engine: Engine,
  inputs: TargetTensors,
  { targets }: Pick<Batch, 'targets'>,
  places: Int32Array,
  shared?: SharedRows,
): void {
  const rows = shared ? places.map((place) => shared.of[place]) : places
  engine.write(inputs.rows, padded(rows, targets.length))
  const learned = places.map((place) => targets[place])
  engine.write(inputs.targets, padded(learned, targets.length))
}

/** The values, and −1 behind them. */
function padded(values: Int32Array, length: number): Int32Array {
  const all = new Int32Array(length).fill(-1)
  all.set(values)
  return all
}

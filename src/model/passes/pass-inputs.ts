import { documentStarts, type Batch } from '../../batch/index.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { rowsOf } from '../../engine/index.ts'

/** What a pass reads of each token; all int32 [n]. */
export type TokenTensors = { ids: Tensor; positions: Tensor; starts: Tensor }

/** The m learned tokens: where they stand, what comes next; int32, −1 from some row on. */
export type TargetTensors = { rows: Tensor; targets: Tensor }

/** Tensors for passes of at most `count` tokens. */
export function tokenTensors(engine: Engine, count: number): TokenTensors {
  const integers = () => engine.tensor('int32', [rowsOf('tokens', count)])
  return { ids: integers(), positions: integers(), starts: integers() }
}

/** Has as many rows as there are tokens, since m differs from batch to batch: one program serves them all. */
export function targetTensors(engine: Engine, count: number): TargetTensors {
  const integers = () => engine.tensor('int32', [rowsOf('tokens', count)])
  return { rows: integers(), targets: integers() }
}

export function writeTokens(engine: Engine, inputs: TokenTensors, batch: Batch): void {
  engine.write(inputs.ids, batch.inputIds)
  engine.write(inputs.positions, batch.positionIds)
  engine.write(inputs.starts, documentStarts(batch.documentIds))
}

/** @param places  of the learned tokens [m] */
export function writeTargets(
  engine: Engine,
  inputs: TargetTensors,
  { targets }: Pick<Batch, 'targets'>,
  places: Int32Array,
): void {
  engine.write(inputs.rows, padded(places, targets.length))
  const learned = places.map((place) => targets[place])
  engine.write(inputs.targets, padded(learned, targets.length))
}

/** The values, and −1 behind them. */
function padded(values: Int32Array, length: number): Int32Array {
  const all = new Int32Array(length).fill(-1)
  all.set(values)
  return all
}

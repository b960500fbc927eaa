import { readQuantized, readWeight } from '../../engine/index.ts'
import type { Quantization } from '../../engine/index.ts'
import type { WeightForm } from '../../engine/quantization.ts'
import { expertBlocks } from '../weights/expert-blocks.ts'
import type { Parameter, ParameterPart } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import { rowsOfPart } from '../weights/part-rows.ts'
import type { WeightStore } from '../weights/stores/weight-store.ts'
import { dropFrozen, quantizationFormOf, readParameter, setFrozen } from './frozen-weights.ts'
import type { ExactReader, RowRange } from './exact-reader.ts'
import { readerOf, rowsWithin } from './exact-reader.ts'
import type { ModelState } from './model-state.ts'
import { writable } from './model-state.ts'

/**
 * All values of a parameter, its parts stacked, in float32: as the files have them, as they were merged or as they are trained,
 * whatever the model computes in; or those of some rows. Of a projection that is held in 8 or 4 bits, the numbers that these leave.
 */
export async function readExact(
  state: ModelState,
  parameter: Parameter,
  range?: RowRange,
): Promise<Float32Array> {
  const reader = knownReader(state, parameter)
  if (reader) return reader(range)
  return rowsWithin(await readParameter(state, parameter), parameter.columns, range)
}

/** The same, to be read when the parameter has other values already. */
export async function exactReader(state: ModelState, parameter: Parameter): Promise<ExactReader> {
  const reader = knownReader(state, parameter)
  if (reader) return reader
  return readerOf(await readParameter(state, parameter), parameter.columns)
}

/** The same where it takes no memory until then: of what the files have, or what was merged. */
export function knownReader(state: ModelState, parameter: Parameter): ExactReader | undefined {
  const { key } = parameter
  if (state.trainable?.byKey.has(key)) return undefined
  const source = state.stored.get(key)
  const known = state.exact.get(key)
  if (known || !source) return known
  const held = quantizationFormOf(state, parameter)
  const form = held === (state.store.form?.(source) ?? null) ? null : held
  return (range) => storedValues(state.store, source, form, range)
}

/** Says that a parameter's numbers are those of the store, in the form that is asked for, which nothing holds. */
export function leaveInFiles(state: ModelState, parameter: Parameter, form: WeightForm | null): void {
  const { forms, stored, exact } = writable(state)
  if (form) forms.set(parameter.key, form)
  stored.set(parameter.key, parameter)
  const reader = knownReader(state, parameter)
  if (reader) exact.set(parameter.key, reader)
}

/** Gives a parameter the numbers that a reader has. */
export async function setExact(state: ModelState, parameter: Parameter, exact: ExactReader): Promise<void> {
  if (state.isUnloaded) {
    dropFrozen(state, parameter)
    writable(state).exact.set(parameter.key, exact)
    return
  }
  await setFrozen(state, parameter, await exact())
  keepExact(state, parameter, exact)
}

/** Says what a parameter's values are that its tensor may have rounded; call it after they were set. */
export function keepExact(state: ModelState, { key, kind }: Parameter, reader: ExactReader): void {
  if (state.isUnloaded || (state.activation !== 'float32' && kind !== 'vector'))
    writable(state).exact.set(key, reader)
}

async function storedValues(
  store: WeightStore,
  parameter: Parameter,
  form: Quantization | null,
  range: RowRange | undefined,
): Promise<Float32Array> {
  const { kind, columns, parts } = parameter
  if (kind !== 'vector' && form) {
    const stored = []
    for (const part of parts) stored.push(await store.part(part, columns))
    return rowsWithin(
      await readQuantized(columns, await expertBlocks(parameter, stored, form), form),
      columns,
      range,
    )
  }
  if (kind !== 'vector') {
    const stored = []
    for (const { part, first, rows } of partsWithin(parameter, range))
      stored.push(rowsOfPart(await store.part(part, columns, true), columns, first, rows))
    return readWeight(columns, stored)
  }
  const values = new Float32Array(rowCount(parameter))
  let start = 0
  for (const part of parts) {
    values.set(await store.values(part), start)
    start += part.rows
  }
  return rowsWithin(values, columns, range)
}

/** The parts that have rows of a range, and which rows of them. */
function partsWithin(
  parameter: Parameter,
  { first, rows }: RowRange = { first: 0, rows: rowCount(parameter) },
): { part: ParameterPart; first: number; rows: number }[] {
  let start = 0
  return parameter.parts.flatMap((part) => {
    const from = Math.max(first - start, 0)
    const to = Math.min(first + rows - start, part.rows)
    start += part.rows
    return to > from ? [{ part, first: from, rows: to - from }] : []
  })
}

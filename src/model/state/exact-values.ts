import { readQuantized, readWeight } from '../../engine/index.ts'
import type { Quantization } from '../../engine/index.ts'
import { expertBlocks } from '../weights/expert-blocks.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import type { WeightStore } from '../weights/weight-store.ts'
import { quantizationFormOf, readParameter } from './frozen-weights.ts'
import type { ExactReader } from './exact-reader.ts'
import type { ModelState } from './model-state.ts'
import { writable } from './model-state.ts'

/**
 * All values of a parameter, its parts stacked, in float32: as the files have them, as they were merged or as they are trained,
 * whatever the model computes in. Of a projection that is held in 8 or 4 bits, the numbers that these leave.
 */
export async function readExact(state: ModelState, parameter: Parameter): Promise<Float32Array> {
  const reader = knownReader(state, parameter)
  return reader ? reader() : readParameter(state, parameter)
}

/** The same, to be read when the parameter has other values already. */
export async function exactReader(state: ModelState, parameter: Parameter): Promise<ExactReader> {
  const reader = knownReader(state, parameter)
  if (reader) return reader
  const values = await readParameter(state, parameter)
  return async () => values.slice()
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
  return () => storedValues(state.store, source, form)
}

/** Says what a parameter's values are that its tensor may have rounded; call it after they were set. */
export function keepExact(state: ModelState, { key, kind }: Parameter, reader: ExactReader): void {
  if (state.activation !== 'float32' && kind !== 'vector') writable(state).exact.set(key, reader)
}

async function storedValues(
  store: WeightStore,
  parameter: Parameter,
  form: Quantization | null,
): Promise<Float32Array> {
  const { kind, columns, parts } = parameter
  if (kind !== 'vector') {
    const stored = []
    for (const part of parts) stored.push(await store.part(part, columns))
    return form
      ? readQuantized(columns, await expertBlocks(parameter, stored, form), form)
      : readWeight(columns, stored)
  }
  const values = new Float32Array(rowCount(parameter))
  let start = 0
  for (const part of parts) {
    values.set(await store.values(part), start)
    start += part.rows
  }
  return values
}

import { linearParameters } from '../blocks/architecture.ts'
import type { PassTensors, TableLora } from '../blocks/forward-pass.ts'
import type { Parameter } from '../weights/parameters.ts'
import { moduleOf } from '../weights/parameters.ts'
import { parameterTensor } from './frozen-weights.ts'
import type { ModelState } from './model-state.ts'

/** The parameters as the next pass takes them: with the adapter, or where it is off, as they are without. */
export function passTensors(state: ModelState): PassTensors {
  const { isAdapterOff, architecture } = state
  const trainable = isAdapterOff ? undefined : state.trainable
  const adapter = isAdapterOff ? null : state.adapter
  const places = new Map(linearParameters(architecture).map(({ key }, place) => [key, place]))
  const tensor = (parameter: Parameter) =>
    (isAdapterOff ? state.base.get(parameter.key) : undefined) ?? parameterTensor(state, parameter)
  const tableLora = (table: 'embedding' | 'head'): TableLora | null => {
    const a = trainable?.byKey.get(`${table}.loraA`)
    const b = trainable?.byKey.get(`${table}.loraB`)
    const scaling = adapter?.tables[table]?.scaling
    if (!adapter || !a || !b || scaling === undefined) return null
    return { a: a.tensor, b: b.tensor, scaling, dropout: adapter.config.loraDropout }
  }
  return {
    tensor,
    embeddingLora: tableLora('embedding'),
    headLora: tableLora('head'),
    isInvertible: ({ key }) => state.withoutZeros.has(key) && state.frozen.has(key),
    linear(parameter) {
      const { key, parts } = parameter
      const a = trainable?.byKey.get(`${key}.loraA`)
      const b = trainable?.byKey.get(`${key}.loraB`)
      const magnitude = trainable?.byKey.get(`${key}.magnitude`)
      const norms = state.norms.get(key)
      const dropout = adapter?.config.loraDropout ?? 0
      return {
        weight: tensor(parameter),
        lora: a && b ? { a: a.tensor, b: b.tensor, dropout, totalRank: a.shape[0] } : null,
        dora: magnitude && norms ? { magnitude: magnitude.tensor, inverseNorms: norms.inverse } : null,
        segments: parts.flatMap(({ rows, safetensors: { name } }) => {
          const module = adapter?.modules.get(moduleOf(name))
          return [rows, module?.rank ?? 0, module?.scaling ?? 0]
        }),
        place: places.get(key) ?? 0,
        isInt8: state.forms.get(key) === 'int8',
      }
    },
    experts(parameter) {
      const { key, experts } = parameter
      const a = trainable?.byKey.get(`${key}.loraA`)
      const b = trainable?.byKey.get(`${key}.loraB`)
      const module = experts && adapter?.modules.get(experts.name)
      return {
        weight: tensor(parameter),
        lora: a && b && module ? { a: a.tensor, b: b.tensor, ...module } : null,
      }
    },
    rotation(rope) {
      const tables = state.rotations.get(rope)
      if (!tables) throw new Error('a rotation that the architecture does not list')
      return tables
    },
  }
}

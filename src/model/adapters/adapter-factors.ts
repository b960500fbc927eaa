import type { LoraConfig } from '../../peft/index.ts'
import type { ModelState } from '../state/model-state.ts'
import { rowsWithin } from '../state/exact-reader.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import { transposed } from '../weights/transforms.ts'
import { adaptedParameters } from './adapted-parameters.ts'
import { keys as tableKeys } from './tables/table-lora.ts'

/** LoRA on some rows of a parameter, as it is in memory: scaling · B A is added to them. */
export interface AdapterFactors {
  /** Path of the module, as PEFT has it. */
  module: string
  parameter: Parameter
  /** Rows of the parameter. */
  firstRow: number
  rows: number
  /** Matrices that have A and B of their own, one below the other: experts. */
  count: number
  rank: number
  scaling: number
  /** [count · rank, columns]; of the embedding Bᵀ. */
  a: Float32Array
  /** [rows, rank] */
  b: Float32Array
}

/** An adapter that is on the model, apart from it. */
export interface PlainAdapter {
  config: LoraConfig
  factors: AdapterFactors[]
}

/** The LoRA of the adapter in use: of linear layers, experts, embedding and head. */
export async function adapterFactors(state: ModelState): Promise<PlainAdapter | null> {
  const { adapter, engine, trainable, architecture } = state
  if (!adapter) return null
  const read = async (key: string): Promise<Float32Array> => {
    const trained = trainable?.byKey.get(key)
    if (!trained) throw new Error(`${key} is not trained`)
    return (await engine.read(trained.tensor)) as Float32Array
  }
  const factors: AdapterFactors[] = []
  for (const { parameter, count, maxRank, parts } of adaptedParameters(state, adapter.modules)) {
    const a = await read(`${parameter.key}.loraA`)
    const b = await read(`${parameter.key}.loraB`)
    for (const { module, firstRow, rows, firstRank, adapter: own } of parts) {
      if (!own) continue
      const { rank, scaling } = own
      const range = { first: firstRank, rows: count * rank }
      factors.push({
        module,
        parameter,
        firstRow,
        rows,
        count,
        rank,
        scaling,
        a: rowsWithin(a, parameter.columns, range).slice(),
        b: firstColumns(rowsWithin(b, maxRank, { first: firstRow, rows }), maxRank, rank),
      })
    }
  }
  const { embedding, head } = adapter.tables
  const whole = (parameter: Parameter) => ({ parameter, firstRow: 0, rows: rowCount(parameter), count: 1 })
  if (embedding) {
    const { table } = architecture.embedding
    const { module, rank, scaling } = embedding
    const b = await read(tableKeys.embeddingA)
    const a = transposed.toFile(await read(tableKeys.embeddingB), [table.columns, rank])
    factors.push({ module, ...whole(table), rank, scaling, a, b })
  }
  if (head) {
    const { module, rank, scaling } = head
    const [a, b] = [await read(tableKeys.headA), await read(tableKeys.headB)]
    factors.push({ module, ...whole(architecture.head), rank, scaling, a, b })
  }
  return { config: adapter.config, factors }
}

/** The first so many columns of a matrix. */
function firstColumns(values: Float32Array, columns: number, count: number): Float32Array {
  if (count === columns) return values.slice()
  const rows = values.length / columns
  const out = new Float32Array(rows * count)
  for (let row = 0; row < rows; row += 1)
    out.set(values.subarray(row * columns, row * columns + count), row * count)
  return out
}

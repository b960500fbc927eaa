import { join } from 'node:path'
import { writeSafetensors, type TensorToWrite } from '../../formats/index.ts'
import type { HandOffShard } from './schema.ts'
import type { Row } from './rows.ts'

/** Tokens that are held until they are written: some 32 MiB. */
const shardTokens = 1 << 21
/** Rows of a shard at most: short ones have a number each, too. */
const shardRows = 1 << 16

/** Writes rows as they come, a file when one is full. */
export interface ShardWriter {
  readonly rows: number
  add(row: Row): Promise<void>
  /** Writes what is left. */
  finish(): Promise<HandOffShard[]>
}

/** Columns of a shard: name, and what of a row it is. */
const columns = [
  ['input_ids', 'I32', ({ inputIds }: Row) => inputIds],
  ['labels', 'I32', ({ labels }: Row) => labels],
  ['position_ids', 'I32', ({ positionIds }: Row) => positionIds],
  ['document_ids', 'I32', ({ documentIds }: Row) => documentIds],
  ['token_weights', 'F32', ({ tokenWeights }: Row) => tokenWeights],
  ['reference', 'F32', ({ reference }: Row) => reference],
] as const

/**
 * Files `<name>-00000.safetensors` …: the columns of rows end to end, and `row_starts` [rows + 1], where each row begins.
 * What is held does not grow with the data.
 */
export function createShardWriter(folder: string, name: string): ShardWriter {
  const shards: HandOffShard[] = []
  let held: Row[] = []
  let tokens = 0
  let rows = 0
  const flush = async (): Promise<void> => {
    if (held.length === 0) return
    const file = `${name}-${String(shards.length).padStart(5, '0')}.safetensors`
    await writeSafetensors(join(folder, file), tensorsOf(held, tokens))
    shards.push({ file, rows: held.length, tokens })
    held = []
    tokens = 0
  }
  return {
    get rows() {
      return rows
    },
    async add(row) {
      const { length } = row.inputIds
      if (held.length === shardRows || (held.length > 0 && tokens + length > shardTokens)) await flush()
      held.push(row)
      tokens += length
      rows += 1
    },
    async finish() {
      await flush()
      return shards
    },
  }
}

function tensorsOf(rows: readonly Row[], tokens: number): TensorToWrite[] {
  const starts = new Int32Array(rows.length + 1)
  rows.forEach(({ inputIds }, i) => (starts[i + 1] = starts[i] + inputIds.length))
  const written = columns.flatMap(([name, dtype, of]): TensorToWrite[] => {
    if (of(rows[0]) === undefined) return []
    return [
      {
        name,
        dtype,
        shape: [tokens],
        data: async function* () {
          for (const row of rows) yield of(row) ?? new Int32Array(0)
        },
      },
    ]
  })
  return [{ name: 'row_starts', dtype: 'I32', shape: [starts.length], data: starts }, ...written]
}

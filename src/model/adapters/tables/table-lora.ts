import type { LoraConfig, ModuleAdapter } from '../../../peft/index.ts'
import { adapterName, drawn, normal } from '../../../peft/index.ts'
import { headOf } from '../../blocks/architecture.ts'
import { exactReader, setExact } from '../../state/exact-values.ts'
import type { ExactReader } from '../../state/exact-reader.ts'
import { rowsWithin } from '../../state/exact-reader.ts'
import type { TableAdapters } from '../../state/adapter-state.ts'
import type { ModelState } from '../../state/model-state.ts'
import type { TrainableEntry } from '../../state/trainable-set.ts'
import type { Parameter } from '../../weights/parameters.ts'
import { moduleOf, rowCount } from '../../weights/parameters.ts'
import { transposed } from '../../weights/transforms.ts'
import type { TensorSlice } from '../../weights/tensor-slice.ts'
import { addProduct } from '../add-product.ts'
import { untieHead } from './untie-head.ts'

/**
 * LoRA on the embedding and on the head, each a pair of matrices of its own beside a table that stays as it is, so that a tied one is
 * shared as before:
 *
 * - embedding: stream += scaling · scale · A[ids] Bᵀ, with A [V, r], which files have as lora_embedding_A [r, V], and B [H, r];
 * - head: logits += scaling · (h Aᵀ) Bᵀ, with A [r, H] and B [V, r].
 */

/** Which of an adapter's modules are tables. */
export function tableAdapters(state: ModelState, matched: readonly ModuleAdapter[]): TableAdapters {
  const { embedding, head } = state.architecture
  const of = (parameter: Parameter) =>
    matched.find(({ module }) => module === moduleOf(parameter.key)) ?? null
  return { embedding: of(embedding.table), head: of(head) }
}

/** The numbers that a matrix of a table begins with, as the adapter's file has them. */
type Initial = (slice: TensorSlice, matrix: 'A' | 'B', isEmbedding: boolean) => Float32Array

/** Of a new adapter: of the embedding A zero and B normal, of the head A uniform in ±1/√K or normal and B zero, as PEFT begins them. */
export function initialTable(
  { initLoraWeights: init }: LoraConfig,
  random: () => number,
): (slice: TensorSlice, matrix: 'A' | 'B', isEmbedding: boolean) => Float32Array {
  return ({ shape: [rows, columns] }, matrix, isEmbedding) => {
    const size = rows * columns
    if (init !== false && matrix === (isEmbedding ? 'A' : 'B')) return new Float32Array(size)
    if (isEmbedding) return drawn(size, () => normal(random))
    if (init === 'gaussian') return drawn(size, () => normal(random) / rows)
    return drawn(size, () => (2 * random() - 1) / Math.sqrt(columns))
  }
}

/** The matrices of both tables as something to train. */
export function tableEntries(
  { architecture }: ModelState,
  { embedding, head }: TableAdapters,
  initial: Initial,
): TrainableEntry[] {
  const entries: TrainableEntry[] = []
  const add = (
    key: string,
    name: string,
    [rows, columns]: readonly number[],
    of: Parameters<Initial>[1],
    isEmbedding: boolean,
  ) => {
    const shape = [rows, columns]
    const isTurned = isEmbedding && of === 'A'
    const slice: TensorSlice = {
      name: adapterName(name),
      shape: isTurned ? [columns, rows] : shape,
      offset: 0,
      rows,
      columns,
      stride: columns,
      stored: isTurned ? { transform: transposed, shape } : undefined,
    }
    const begun = async () => {
      const values = initial(slice, of, isEmbedding)
      return isTurned ? transposed.fromFile(values, shape) : values
    }
    entries.push({ key, shape, slices: [slice], decay: true, initial: begun })
  }
  if (embedding) {
    const { table } = architecture.embedding
    const { module, rank } = embedding
    add(keys.embeddingA, `${module}.lora_embedding_A`, [rowCount(table), rank], 'A', true)
    add(keys.embeddingB, `${module}.lora_embedding_B`, [table.columns, rank], 'B', true)
  }
  if (head) {
    const { module, rank } = head
    const parameter = architecture.head
    add(keys.headA, `${module}.lora_A.weight`, [rank, parameter.columns], 'A', false)
    add(keys.headB, `${module}.lora_B.weight`, [rowCount(parameter), rank], 'B', false)
  }
  return entries
}

/** Keys of these matrices among what is trainable. */
export const keys = {
  embeddingA: 'embedding.loraA',
  embeddingB: 'embedding.loraB',
  headA: 'head.loraA',
  headB: 'head.loraB',
} as const

/**
 * Reads what LoRA adds to the tables, and gives back what writes the sums when the adapter goes. A tied head is parted from the
 * embedding then, so that each has only its own.
 */
export async function tableSums(state: ModelState): Promise<() => Promise<void>> {
  const { engine, trainable, adapter } = state
  const { embedding = null, head = null } = adapter?.tables ?? {}
  const read = async (key: string) => {
    const trained = trainable?.byKey.get(key)
    if (!trained) throw new Error(`${key} is not trained`)
    return (await engine.read(trained.tensor)) as Float32Array
  }
  const scaled = (values: Float32Array, factor: number) => values.map((value) => factor * value)
  const ofEmbedding = embedding && {
    left: scaled(await read(keys.embeddingA), embedding.scaling),
    right: await read(keys.embeddingB),
    rank: embedding.rank,
  }
  const ofHead = head && {
    left: scaled(await read(keys.headB), head.scaling),
    // Aᵀ [H, r]
    right: transposed.fromFile(await read(keys.headA), [state.architecture.width, head.rank]),
    rank: head.rank,
  }
  return async () => {
    if ((ofEmbedding || ofHead) && state.architecture.isTied) await untieHead(state)
    const put = async (parameter: Parameter, product: typeof ofHead) => {
      if (!product) return
      const base: ExactReader = await exactReader(state, parameter)
      await setExact(state, parameter, async (range) => {
        const left = rowsWithin(product.left, product.rank, range)
        return addProduct(engine, await base(range), { ...product, left })
      })
    }
    await put(state.architecture.embedding.table, ofEmbedding)
    await put(headOf(state.architecture), ofHead)
  }
}

import type { Tensor } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import type { LoraConfig } from '../../peft/index.ts'
import { adapterName } from '../../peft/index.ts'
import type { ModelState } from '../model-state.ts'
import { readSlot } from '../model-state.ts'
import type { Slot } from '../weights/slots.ts'
import { moduleOf } from '../weights/slots.ts'
import type { TrainableEntry } from './trainable.ts'

/**
 * Single rows of the embedding and of the head that are trained beside LoRA, as PEFT's `trainable_token_indices` has
 * them. The rows are float32 parameters of their own, and after each update they are written into the table that the
 * ops read: forward passes need nothing new. Their gradients have two parts:
 *
 * - embedding: R'[t] = Σ over tokens with id t of stream'. The stream gets `indicator · probeᵀ` added, where row m of
 *   the indicator says which trained row token m has and the probe [H, n] is zero: its gradient is R'ᵀ.
 * - head: R'[t] = Σ over rows of weight · (softmax_t − [target = t]) · hidden, with softmax_t = exp(hidden · R[t] − lse):
 *   n numbers a row, where a gradient of the whole head would be as many as the vocabulary.
 */
export interface TokenRows {
  tables: RowTable[]
}

interface RowTable {
  slot: Slot
  /** Token of each trained row. */
  ids: readonly number[]
  isEmbedding: boolean
  isHead: boolean
  /** The trained rows in the table that the ops read. */
  places: Tensor[]
  /** For the embedding: which trained row each token of the vocabulary has [V, n], zeros [H, n] and their gradient. */
  probe: { indicator: Tensor; weight: Tensor; gradient: Tensor } | null
}

/** Which rows of which table an adapter trains. */
export interface RowPlan {
  slot: Slot
  ids: readonly number[]
  isEmbedding: boolean
  isHead: boolean
}

/**
 * Reads `trainableTokenIndices`: a list means the embedding, and with it a tied head; an object names `embed_tokens`
 * and `lm_head` each.
 *
 * @throws FettleError on tokens that do not exist, are named twice, or modules that are trained whole as well
 */
export function planTokenRows(
  { slots, config: { vocabSize } }: ModelState,
  { trainableTokenIndices: given, modulesToSave = [] }: LoraConfig,
): RowPlan[] {
  if (given === undefined) return []
  const place = 'lora.trainable_token_indices'
  const named = Array.isArray(given) ? { embed_tokens: given } : given
  const plans = new Map<Slot, RowPlan>()
  for (const [name, ids] of Object.entries(named)) {
    const slot =
      name === 'embed_tokens' ? slots.embed : name === 'lm_head' ? (slots.head ?? slots.embed) : undefined
    if (slot === undefined)
      throw new FettleError({ place, found: `'${name}'`, expected: 'embed_tokens or lm_head' })
    const wrong = ids.find(
      (id, i) => !Number.isInteger(id) || id < 0 || id >= vocabSize || ids.indexOf(id) < i,
    )
    if (ids.length === 0 || wrong !== undefined)
      throw new FettleError({
        place: `${place}: ${name}`,
        found: wrong === undefined ? 'no tokens' : String(wrong),
        expected: `different token ids below ${vocabSize}`,
        cure: 'New tokens need rows first: resizeTokenEmbeddings or setupChatFormat.',
      })
    if (modulesToSave.includes(name))
      throw new FettleError({
        place,
        found: `${name}, which modules_to_save trains whole`,
        expected: 'one of the two',
      })
    const other = plans.get(slot)
    if (other && other.ids.join() !== ids.join())
      throw new FettleError({
        place,
        found: 'other tokens for lm_head than for embed_tokens',
        expected: 'the same, because the head is tied to the embedding',
      })
    const isTied = slots.head === undefined
    plans.set(slot, {
      slot,
      ids,
      isEmbedding: slot === slots.embed,
      isHead: isTied || slot === slots.head,
    })
  }
  return [...plans.values()]
}

const keyOf = (slot: Slot) => `${slot.key}.rows`

/** The rows as something to train; they start as they are in the table, or as they were saved. */
export function tokenRowEntries(
  state: ModelState,
  plans: readonly RowPlan[],
  saved?: (name: string, shape: readonly number[]) => Float32Array,
): TrainableEntry[] {
  return plans.map(({ slot, ids }): TrainableEntry => {
    const { columns } = slot
    const shape = [ids.length, columns]
    const module = moduleOf(slot.parts[0].name)
    const name = adapterName(`${module}.token_adapter.trainable_tokens_delta`)
    return {
      key: keyOf(slot),
      shape,
      pieces: [{ name, shape, offset: 0, rows: ids.length, columns, stride: columns }],
      decay: true,
      async initial() {
        if (saved) return saved(name, shape)
        const table = await readSlot(state, slot)
        const values = new Float32Array(ids.length * columns)
        ids.forEach((id, i) => values.set(table.subarray(id * columns, (id + 1) * columns), i * columns))
        return values
      },
    }
  })
}

/** Puts tables that can be written to in the place of the frozen ones; call it after `setTrainable`. */
export async function installTokenRows(state: ModelState, plans: readonly RowPlan[]): Promise<void> {
  if (plans.length === 0) return
  const { engine, activation } = state
  const tables: RowTable[] = []
  for (const { slot, ids, isEmbedding, isHead } of plans) {
    const { columns } = slot
    const values = await readSlot(state, slot)
    const rows = values.length / columns
    const old = state.frozen.get(slot.key)
    const table = engine.tensor(activation, [rows, columns], values)
    if (old) engine.free(old)
    state.frozen.set(slot.key, table)
    const indicator = new Float32Array(isEmbedding ? rows * ids.length : 0)
    if (isEmbedding) ids.forEach((id, i) => (indicator[id * ids.length + i] = 1))
    const shape = [columns, ids.length]
    tables.push({
      slot,
      ids,
      isEmbedding,
      isHead,
      places: ids.map((id) => engine.view(table, id * columns, [columns])),
      probe: isEmbedding
        ? {
            indicator: engine.tensor('float32', [rows, ids.length], indicator),
            weight: engine.tensor('float32', shape),
            gradient: engine.tensor('float32', shape),
          }
        : null,
    })
  }
  state.tokenRows = { tables }
  state.revision += 1
  await refreshTokenRows(state)
}

/** Writes the trained rows into the tables; call it whenever the parameters have changed. */
export async function refreshTokenRows(state: ModelState): Promise<void> {
  for (const table of state.tokenRows?.tables ?? [])
    putRows(state, table, await trainedRows(state, table.slot, 'tensor'))
}

function putRows(
  { engine }: ModelState,
  { slot: { columns }, places }: RowTable,
  values: Float32Array,
): void {
  places.forEach((place, i) => engine.write(place, values.slice(i * columns, (i + 1) * columns)))
}

async function trainedRows(
  { engine, trainable }: ModelState,
  slot: Slot,
  source: 'tensor' | 'gradient',
): Promise<Float32Array> {
  const trained = trainable?.byKey.get(keyOf(slot))
  if (!trained) throw new Error(`rows of ${slot.key} are not trained`)
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
}

/** Adds both parts of the rows' gradients; call it after each backward pass, before another program runs. */
export async function addTokenRowGradients(state: ModelState, pass: HeadPass): Promise<void> {
  const { engine } = state
  const hidden = (await engine.read(pass.hidden)) as Float32Array
  const lse = (await engine.read(pass.lse)) as Float32Array
  for (const { slot, ids, places, isHead, probe } of state.tokenRows?.tables ?? []) {
    const gradient = await trainedRows(state, slot, 'gradient')
    const { columns } = slot
    if (probe) {
      const transposed = (await engine.read(probe.gradient)) as Float32Array
      for (let i = 0; i < ids.length; i += 1)
        for (let k = 0; k < columns; k += 1) gradient[i * columns + k] += transposed[k * ids.length + i]
      engine.write(probe.gradient, new Float32Array(transposed.length))
    }
    if (isHead)
      for (const [i, id] of ids.entries()) {
        const row = (await engine.read(places[i])) as Float32Array
        addHeadGradient(gradient.subarray(i * columns, (i + 1) * columns), { hidden, lse, row, id, pass })
      }
    const trained = state.trainable?.byKey.get(keyOf(slot))
    if (trained) engine.write(trained.gradient, gradient)
  }
}

/** gradient += Σ_m weights_m · (exp(h_m · row − lse_m) − [target_m = id]) · h_m */
function addHeadGradient(
  gradient: Float32Array,
  {
    hidden,
    lse,
    row,
    id,
    pass: { targets, weights },
  }: { hidden: Float32Array; lse: Float32Array; row: Float32Array; id: number; pass: HeadPass },
): void {
  const width = row.length
  targets.forEach((target, m) => {
    const h = hidden.subarray(m * width, (m + 1) * width)
    let logit = 0
    for (let k = 0; k < width; k += 1) logit += h[k] * row[k]
    const factor = weights[m] * (Math.exp(logit - lse[m]) - (target === id ? 1 : 0))
    for (let k = 0; k < width; k += 1) gradient[k] += factor * h[k]
  })
}

import type { Engine } from '../engine/engine.ts'
import type { ActivationQuantization, Quantization } from '../engine/quantization.ts'
import type { DType, Tensor } from '../engine/tensor.ts'
import { FettleError } from '../error.ts'
import type { LoraConfig, ModuleAdapter } from '../peft/index.ts'
import type { DecoderParameters, LinearParameters, NormParameters } from './families/architecture.ts'
import type { ModelConfig } from './families/config.ts'
import { ropeFrequencies, ropeTables } from './families/rope.ts'
import type { ModelSlots, Slot } from './weights/slots.ts'
import { adaptableSlots, allSlots, moduleOf } from './weights/slots.ts'
import type { TokenRows } from './adapters/token-rows.ts'
import type { TrainableEntry, TrainableSet } from './adapters/trainable.ts'
import { createTrainableSet } from './adapters/trainable.ts'
import type { WeightStore } from './weights/weight-store.ts'

/** An adapter on the model: its configuration, and each adapted module by path. */
export interface Adapter {
  config: LoraConfig
  modules: ReadonlyMap<string, ModuleAdapter>
}

/** A loaded model: what is frozen, what is trained, and the rotation tables. */
export interface ModelState {
  readonly engine: Engine
  readonly config: ModelConfig
  readonly slots: ModelSlots
  /** Compute type. */
  readonly activation: DType
  /** How the linear layers of the decoder are held; embedding, head and norms are not quantised. */
  readonly quantization: Quantization | null
  /** How activations are rounded where they meet these layers, in passes of many tokens. */
  readonly activationQuantization: ActivationQuantization | null
  /** By slot key; a slot is either here or in `trainable`. */
  readonly frozen: Map<string, Tensor>
  /** Keys of the frozen vectors that have no zero. */
  readonly withoutZeros: Set<string>
  trainable: TrainableSet | null
  adapter: Adapter | null
  /** Single rows of embedding and head that are trained; see token-rows.ts. */
  tokenRows: TokenRows | null
  rope: { cos: Tensor; sin: Tensor; positions: number }
  /** Keys of the linear layers that are held as generation reads them; see decoding-weights.ts. */
  readonly packed: Set<string>
  /** The head as generation reads it, and the tensor that it was made of. */
  decodingHead: { of: Tensor; tensor: Tensor } | null
  /** Whether an optimiser has been made for it. */
  training: boolean
  /** Counts up whenever a tensor is replaced: programs compiled before are stale. */
  revision: number
}

export async function loadModelState(
  engine: Engine,
  config: ModelConfig,
  slots: ModelSlots,
  store: WeightStore,
  {
    activation,
    quantization,
    activationQuantization,
  }: Pick<ModelState, 'activation' | 'quantization' | 'activationQuantization'>,
): Promise<ModelState> {
  const state: ModelState = {
    engine,
    config,
    slots,
    activation,
    quantization,
    activationQuantization,
    frozen: new Map(),
    withoutZeros: new Set(),
    trainable: null,
    adapter: null,
    tokenRows: null,
    rope: makeRopeTables(engine, config, Math.min(config.maxPositions, 2048)),
    packed: new Set(),
    decodingHead: null,
    training: false,
    revision: 0,
  }
  const quantized = new Set(quantization ? adaptableSlots(slots) : [])
  for (const slot of allSlots(slots)) {
    if (slot.kind === 'matrix') {
      const parts = []
      for (const { name, rows } of slot.parts) parts.push(await store.part(name, rows, slot.columns))
      const type = quantized.has(slot) ? quantization : null
      state.frozen.set(slot.key, await engine.weight(activation, slot.columns, parts, type))
    } else {
      const values = new Float32Array(slot.parts.reduce((sum, { rows }) => sum + rows, 0))
      let start = 0
      for (const { name, rows } of slot.parts) {
        values.set(await store.values(name, [rows]), start)
        start += rows
      }
      setFrozenVector(state, slot, values)
    }
  }
  return state
}

function setFrozenVector(state: ModelState, { key }: Slot, values: Float32Array): void {
  state.frozen.set(key, state.engine.tensor('float32', [values.length], values))
  if (values.includes(0)) state.withoutZeros.delete(key)
  else state.withoutZeros.add(key)
}

function makeRopeTables(engine: Engine, config: ModelConfig, positions: number): ModelState['rope'] {
  const rotaryDim = Math.floor(config.headDim * config.rope.partialRotaryFactor)
  const { cos, sin } = ropeTables(ropeFrequencies(config.rope, rotaryDim), positions)
  const shape = [positions, rotaryDim / 2]
  return { cos: engine.tensor('float32', shape, cos), sin: engine.tensor('float32', shape, sin), positions }
}

/** Makes the rotation tables at least so long. */
export function ensurePositions(state: ModelState, positions: number): void {
  if (positions <= state.rope.positions) return
  const { cos, sin } = state.rope
  state.rope = makeRopeTables(state.engine, state.config, 2 ** Math.ceil(Math.log2(positions)))
  state.engine.free(cos)
  state.engine.free(sin)
  state.revision += 1
}

/** The tensor of a slot, trained or frozen. */
export function slotTensor(state: ModelState, slot: Slot): Tensor {
  const tensor = state.trainable?.byKey.get(slot.key)?.tensor ?? state.frozen.get(slot.key)
  if (!tensor) throw new Error(`slot ${slot.key} has no tensor`)
  return tensor
}

/** All values of a slot, its parts stacked. */
export async function readSlot(state: ModelState, slot: Slot): Promise<Float32Array> {
  return (await state.engine.read(slotTensor(state, slot))) as Float32Array
}

/** The parameters as the forward pass takes them. */
export function decoderParameters(state: ModelState): DecoderParameters {
  const { slots, rope } = state
  const norm = (slot: Slot): NormParameters => ({
    gain: slotTensor(state, slot),
    invertible: state.withoutZeros.has(slot.key) && state.frozen.has(slot.key),
  })
  const linear = (slot: Slot, bias?: Slot): LinearParameters => {
    const a = state.trainable?.byKey.get(`${slot.key}.loraA`)
    const b = state.trainable?.byKey.get(`${slot.key}.loraB`)
    const segments = slot.parts.flatMap(({ name, rows }) => {
      const adapter = state.adapter?.modules.get(moduleOf(name))
      return [rows, adapter?.rank ?? 0, adapter?.scaling ?? 0]
    })
    return {
      weight: slotTensor(state, slot),
      bias: bias ? slotTensor(state, bias) : null,
      lora:
        a && b
          ? {
              a: a.tensor,
              b: b.tensor,
              dropout: state.adapter?.config.loraDropout ?? 0,
              totalRank: a.shape[0],
            }
          : null,
      segments,
    }
  }
  return {
    embed: slotTensor(state, slots.embed),
    layers: slots.layers.map((layer) => ({
      attentionNorm: norm(layer.attentionNorm),
      qkv: linear(layer.qkv, layer.qkvBias),
      ...(layer.qNorm && layer.kNorm && { qNorm: norm(layer.qNorm), kNorm: norm(layer.kNorm) }),
      output: linear(layer.output, layer.outputBias),
      mlpNorm: norm(layer.mlpNorm),
      gateUp: linear(layer.gateUp, layer.gateUpBias),
      down: linear(layer.down, layer.downBias),
    })),
    norm: norm(slots.norm),
    head: slotTensor(state, slots.head ?? slots.embed),
    cos: rope.cos,
    sin: rope.sin,
  }
}

/** A slot as something to train: its present values in float32. */
export function slotEntry(state: ModelState, slot: Slot, nameOf: (name: string) => string): TrainableEntry {
  const rows = slot.parts.reduce((sum, part) => sum + part.rows, 0)
  const { columns } = slot
  let row = 0
  const pieces = slot.parts.map(({ name, rows: partRows }) => {
    const piece = {
      name: nameOf(name),
      shape: slot.kind === 'matrix' ? [partRows, columns] : [partRows],
      offset: row * columns,
      rows: partRows,
      columns,
      stride: columns,
    }
    row += partRows
    return piece
  })
  return {
    key: slot.key,
    shape: slot.kind === 'matrix' ? [rows, columns] : [rows],
    pieces,
    decay: slot.kind === 'matrix',
    initial: () => readSlot(state, slot),
  }
}

/** Makes frozen weights of whole slots that are trainable, at their present values. */
export async function freeze(state: ModelState): Promise<void> {
  for (const slot of allSlots(state.slots)) {
    if (!state.trainable?.byKey.has(slot.key)) continue
    await setFrozen(state, slot, await readSlot(state, slot))
  }
  state.trainable = null
  state.revision += 1
}

/** Replaces a slot's frozen tensor. */
export async function setFrozen(state: ModelState, slot: Slot, values: Float32Array): Promise<void> {
  const { engine, frozen, packed, activation } = state
  const old = frozen.get(slot.key)
  if (old) engine.free(old)
  packed.delete(slot.key)
  if (slot.kind === 'vector') {
    setFrozenVector(state, slot, values)
    return
  }
  const rows = values.length / slot.columns
  const part = { data: values, dtype: 'F32', rows } as const
  frozen.set(slot.key, await engine.weight(activation, slot.columns, [part]))
}

/** Replaces what is trainable; slots that become trainable are no longer kept frozen. */
export async function setTrainable(state: ModelState, entries: readonly TrainableEntry[]): Promise<void> {
  const set = await createTrainableSet(state.engine, entries)
  state.trainable = set
  for (const { key } of entries) {
    const tensor = state.frozen.get(key)
    if (tensor) state.engine.free(tensor)
    state.frozen.delete(key)
    state.packed.delete(key)
  }
  state.revision += 1
}

/** Makes every parameter trainable, as training without an adapter needs it. */
export async function trainAllParameters(state: ModelState): Promise<void> {
  if (state.trainable) return
  if (state.quantization)
    throw new FettleError({
      place: 'quantization',
      found: `${state.quantization} weights without an adapter`,
      expected: 'an adapter: quantised weights stay as they are',
      cure: 'Train with lora, or load the model without quantization.',
    })
  await setTrainable(
    state,
    allSlots(state.slots).map((slot) => slotEntry(state, slot, (name) => name)),
  )
}

import { FettleError } from '../../error.ts'
import type { AdapterTensorToWrite, LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import {
  adapterName,
  matchModules,
  readAdapterConfig,
  readAdapterTensors,
  toPeftConfig,
  writeAdapter,
} from '../../peft/index.ts'
import { createRandom } from '../../random.ts'
import type { AdaptedSlot } from './adapted-slots.ts'
import { adaptedSlots } from './adapted-slots.ts'
import type { ModelState } from '../model-state.ts'
import { freeze, readSlot, setTrainable, slotEntry } from '../model-state.ts'
import type { Slot } from '../weights/slots.ts'
import { adaptableSlots, allSlots, moduleOf } from '../weights/slots.ts'
import { installTokenRows, planTokenRows, tokenRowEntries } from './token-rows.ts'
import type { Piece, TrainableEntry } from './trainable.ts'
import { extractPiece, insertPiece } from './trainable.ts'
import { untieHead } from './untie-head.ts'

/**
 * Puts a fresh adapter on the model: A uniform in ±1/√K (PEFT's Kaiming initialisation with a = √5), B zero, or with
 * `initLoraWeights: false` uniform in ±1/√r. The base weights are frozen, but for `modulesToSave` and the biases that
 * `bias` names.
 */
export async function addAdapter(state: ModelState, config: LoraConfig, seed: number): Promise<void> {
  const random = createRandom(seed)
  await putAdapter(state, config, (_, piece, isA) =>
    isA || !config.initLoraWeights
      ? Float32Array.from(
          { length: piece.rows * piece.columns },
          () => (2 * random() - 1) / Math.sqrt(piece.columns),
        )
      : new Float32Array(piece.rows * piece.columns),
  )
}

/**
 * Loads an adapter that PEFT or fettle saved.
 *
 * @throws FettleError when a tensor is missing, is too much or has another shape
 */
export async function loadAdapter(state: ModelState, folder: string): Promise<void> {
  const config = await readAdapterConfig(folder)
  const tensors = await readAdapterTensors(folder)
  const used = new Set<string>()
  const find = (name: string, shape: readonly number[]): Float32Array => {
    const tensor = tensors.get(name)
    if (!tensor || tensor.shape.join() !== shape.join())
      throw new FettleError({
        place: `${folder}/adapter_model.safetensors: tensor ${name}`,
        found: tensor ? `shape [${tensor.shape.join(', ')}]` : 'nothing',
        expected: `shape [${shape.join(', ')}]`,
        cure: 'The adapter was made for another model, or its adapter_config.json was changed.',
      })
    used.add(name)
    return tensor.data
  }
  await putAdapter(state, config, (name, piece) => find(name, piece.shape), find)
  const unknown = [...tensors.keys()].filter((name) => !used.has(name))
  if (unknown.length > 0)
    throw new FettleError({
      place: `${folder}/adapter_model.safetensors: tensor ${unknown[0]}`,
      found: `${unknown.length} tensors that this model has no place for`,
      expected: 'the tensors of the modules that adapter_config.json names',
      cure: 'The adapter was made for another model.',
    })
}

async function putAdapter(
  state: ModelState,
  config: LoraConfig,
  initial: (name: string, piece: Piece, isA: boolean) => Float32Array,
  whole?: (name: string, shape: readonly number[]) => Float32Array,
): Promise<void> {
  if (state.adapter)
    throw new FettleError({
      place: 'adapter',
      found: 'the model has one already',
      expected: 'one adapter',
      cure: 'Merge it first with mergeAdapter().',
    })
  // Trained without an adapter before: what was learned stays, as the base.
  await freeze(state)
  if (state.slots.head === undefined && !config.ensureWeightTying && savesTable(config))
    await untieHead(state)
  const paths = adaptableSlots(state.slots).flatMap(({ parts }) => parts.map(({ name }) => moduleOf(name)))
  const modules = new Map(matchModules(config, paths).map((adapter) => [adapter.module, adapter]))
  const loraEntries = adaptedSlots(state, modules).flatMap((adapted) => loraEntry(adapted, initial))
  const wholeEntries = wholeSlots(state, config, modules).map((slot): TrainableEntry => {
    const entry = wholeEntry(state, slot, config, modules)
    if (!whole) return entry
    return {
      ...entry,
      async initial() {
        const values = await readSlot(state, slot)
        for (const piece of entry.pieces) insertPiece(values, piece, whole(piece.name, piece.shape))
        return values
      },
    }
  })
  const rowPlans = planTokenRows(state, config)
  const rowEntries = tokenRowEntries(state, rowPlans, whole)
  await setTrainable(state, [...loraEntries, ...wholeEntries, ...rowEntries])
  await installTokenRows(state, rowPlans)
  state.adapter = { config, modules }
}

/** The stacked A [ΣR, K] and B [N, maxRank] of a slot. */
function loraEntry(
  { slot, rows, totalRank, maxRank, parts }: AdaptedSlot,
  initial: (name: string, piece: Piece, isA: boolean) => Float32Array,
): TrainableEntry[] {
  const a: Piece[] = []
  const b: Piece[] = []
  for (const { module, firstRow, rows: outputs, firstRank, adapter } of parts) {
    if (!adapter) continue
    const { rank } = adapter
    const { columns } = slot
    const name = adapterName(`${module}.lora_`)
    a.push({
      name: `${name}A.weight`,
      shape: [rank, columns],
      offset: firstRank * columns,
      rows: rank,
      columns,
      stride: columns,
    })
    b.push({
      name: `${name}B.weight`,
      shape: [outputs, rank],
      offset: firstRow * maxRank,
      rows: outputs,
      columns: rank,
      stride: maxRank,
    })
  }
  const entry = (key: string, shape: number[], pieces: Piece[], isA: boolean): TrainableEntry => ({
    key: `${slot.key}.${key}`,
    shape,
    pieces,
    decay: true,
    async initial() {
      const values = new Float32Array(shape[0] * shape[1])
      for (const piece of pieces) insertPiece(values, piece, initial(piece.name, piece, isA))
      return values
    },
  })
  return [entry('loraA', [totalRank, slot.columns], a, true), entry('loraB', [rows, maxRank], b, false)]
}

/** Whether the embedding or the head is trained whole. */
function savesTable({ modulesToSave = [] }: LoraConfig): boolean {
  return modulesToSave.some((name) =>
    ['embed_tokens', 'lm_head'].includes(name.slice(name.lastIndexOf('.') + 1)),
  )
}

/** A slot that is trained whole, under the names that PEFT gives its tensors. */
function wholeEntry(
  state: ModelState,
  slot: Slot,
  { bias }: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
): TrainableEntry {
  const entry = slotEntry(state, slot, adapterName)
  if (slot === state.slots.embed && state.slots.head === undefined)
    // A head that is tied shares the rows, and PEFT saves it too.
    return {
      ...entry,
      pieces: entry.pieces.flatMap((piece) => [piece, { ...piece, name: adapterName('lm_head.weight') }]),
    }
  if (!isBias(slot)) return entry
  const pieces = slot.parts.flatMap(({ name }, i) => {
    const module = moduleOf(name)
    if (modules.has(module)) return [{ ...entry.pieces[i], name: adapterName(`${module}.base_layer.bias`) }]
    return bias === 'all' ? [entry.pieces[i]] : []
  })
  return { ...entry, pieces }
}

function isBias({ parts }: Slot): boolean {
  return parts[0].name.endsWith('.bias')
}

/** Slots that are trained whole beside LoRA: `modulesToSave` and biases. */
function wholeSlots(
  state: ModelState,
  config: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
): Slot[] {
  const slots = allSlots(state.slots)
  const saved = config.modulesToSave ?? []
  const isTied = state.slots.head === undefined
  const matches = ({ parts }: Slot, given: string) => {
    const name = isTied && given === 'lm_head' ? 'embed_tokens' : given
    // PEFT asks for no dot before the name: `norm` is every norm.
    return parts.some((part) => moduleOf(part.name).endsWith(name))
  }
  const unknown = saved.find((name) => !slots.some((slot) => slot.parts.length === 1 && matches(slot, name)))
  if (unknown !== undefined)
    throw new FettleError({
      place: 'lora.modules_to_save',
      found: `'${unknown}'`,
      expected: 'embed_tokens, lm_head or norm',
    })
  const biased = slots.filter(
    (slot) =>
      isBias(slot) &&
      (config.bias === 'all' ||
        (config.bias === 'lora_only' && slot.parts.some(({ name }) => modules.has(moduleOf(name))))),
  )
  return [
    ...slots.filter((slot) => slot.parts.length === 1 && saved.some((name) => matches(slot, name))),
    ...biased,
  ]
}

/** The trained tensors by their names in the file, to be read one at a time. */
export function trainedTensors(state: ModelState, source: 'tensor' | 'gradient'): AdapterTensorToWrite[] {
  return (state.trainable?.tensors ?? []).flatMap((trained) =>
    trained.pieces.map((piece) => ({
      name: piece.name,
      shape: piece.shape,
      data: async () => extractPiece((await state.engine.read(trained[source])) as Float32Array, piece),
    })),
  )
}

/** Writes adapter_model.safetensors and adapter_config.json as PEFT does. */
export async function saveAdapter(state: ModelState, folder: string): Promise<void> {
  if (!state.adapter)
    throw new FettleError({
      place: 'saveAdapter',
      found: 'a model without an adapter',
      cure: 'Call addAdapter first.',
    })
  const { config, modules } = state.adapter
  await writeAdapter(folder, toPeftConfig(config, [...modules.keys()]), trainedTensors(state, 'tensor'))
}

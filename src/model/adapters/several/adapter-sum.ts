import { FettleError } from '../../../error.ts'
import { projectionsOf } from '../../blocks/architecture.ts'
import type { AdapterTensor, LoraConfig, ModuleAdapter } from '../../../peft/index.ts'
import type { Adapter } from '../../state/adapter-state.ts'
import type { ModelState } from '../../state/model-state.ts'
import { setAdapter } from '../../state/model-state.ts'
import type { ParkedAdapter } from '../../state/adapter-state.ts'
import type { TrainableSet } from '../../state/trainable-set.ts'
import { setTrainable } from '../../state/train-state.ts'
import { adaptedParameters } from '../adapted-parameters.ts'
import { loraEntries } from '../lora-entries.ts'
import { tableEntries } from '../tables/table-lora.ts'
import { tensorsOf } from '../save-adapter.ts'

/**
 * Several adapters in use at once: y = x Wᵀ + Σ scaling_i · x A_iᵀ B_iᵀ, as one LoRA whose A are those of all, one below the other, and whose B
 * are theirs side by side, each times its scaling.
 */

/** @throws FettleError for adapters that are more than LoRA */
export function checkSum(state: ModelState, names: readonly string[]): void {
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated !== undefined)
    throw new FettleError({ place: 'setAdapter', found: `'${repeated}' twice`, expected: 'different names' })
  for (const name of names) {
    const parked = state.parked.get(name) ?? state
    const { adapter, trainable, tokenRows } = parked
    if (!adapter || !trainable || state.activeAdapters.length > 1) continue
    const { useDora } = adapter.config
    const isPlain = trainable.tensors.every(({ key }) => /\.lora[AB]$/.test(key))
    if (isPlain && !useDora && !tokenRows && adapter.replaced.length === 0) continue
    throw new FettleError({
      place: `setAdapter: '${name}' beside others`,
      found: 'more than LoRA',
      expected:
        'plain LoRA: no DoRA, no modules_to_save, no biases, no rows of tokens, no change of the base',
      cure: 'Use it alone.',
    })
  }
  const sets = names.map((name) => expertsOf(state, (state.parked.get(name) ?? state).adapter))
  if (new Set(sets).size > 1)
    throw new FettleError({
      place: 'setAdapter',
      found: `LoRA on different tensors of experts: ${sets.map((set) => set || 'none').join('; ')}`,
      expected: 'adapters with the same target_parameters, as in PEFT',
      cure: 'Use one of them alone.',
    })
}

/** Which tensors of experts an adapter is on. */
function expertsOf({ architecture }: ModelState, adapter: Adapter | null): string {
  const names = projectionsOf(architecture).flatMap(({ experts }) => experts?.name ?? [])
  return names.filter((name) => adapter?.modules.has(name)).join(', ')
}

/** Puts the sum of parked adapters on the model. It can be used, and not be trained. */
export async function putSum(state: ModelState, names: readonly string[]): Promise<void> {
  const parked = names.flatMap((name) => state.parked.get(name) ?? [])
  const adapters = parked.map(({ adapter }) => adapter)
  const modules = new Map<string, ModuleAdapter>()
  for (const module of new Set(adapters.flatMap((adapter) => [...adapter.modules.keys()])))
    modules.set(module, summed(adapters.flatMap((adapter) => adapter.modules.get(module) ?? [])))
  const table = (of: 'embedding' | 'head') => {
    const all = adapters.flatMap((adapter) => adapter.tables[of] ?? [])
    return all.length > 0 ? summed(all) : null
  }
  const tables = { embedding: table('embedding'), head: table('head') }
  const members: Member[] = []
  for (const each of parked) members.push(await memberOf(state, each))
  const initial = ({ name }: { name: string }, matrix: 'A' | 'B' | 'magnitude', count: number | boolean) =>
    joined(members, name, matrix, typeof count === 'number' ? count : 1)
  const config: LoraConfig = { ...adapters[0].config, loraDropout: 0, useDora: false }
  await setTrainable(state, [
    ...adaptedParameters(state, modules).flatMap((adapted) => loraEntries(adapted, initial, config)),
    ...tableEntries(state, tables, initial),
  ])
  setAdapter(state, { config, modules, tables, fixed: [], replaced: [], begun: new Map() }, null)
}

function summed(all: readonly ModuleAdapter[]): ModuleAdapter {
  return { ...all[0], rank: all.reduce((sum, { rank }) => sum + rank, 0), scaling: 1 }
}

/** The tensors of one adapter by their names in its file, and what the product of such two counts. */
interface Member {
  tensors: ReadonlyMap<string, AdapterTensor>
  scaling(stem: string): number
}

async function memberOf(
  state: ModelState,
  { adapter, trainable }: Pick<ParkedAdapter, 'adapter' | 'trainable'>,
): Promise<Member> {
  const { modules, tables } = adapter
  const scalings = new Map(
    [tables.embedding, tables.head].flatMap((table) => (table ? [[table.module, table.scaling]] : [])),
  )
  for (const { stem, adapter: own } of adaptedParameters(state, modules).flatMap(({ parts }) => parts))
    if (own) scalings.set(stem, own.scaling)
  return { tensors: await readTensors(state, trainable), scaling: (stem) => scalings.get(stem) ?? 1 }
}

/** What is trained, by its names in a file. */
export async function readTensors(
  state: ModelState,
  trainable: TrainableSet,
): Promise<ReadonlyMap<string, AdapterTensor>> {
  const read = new Map<string, AdapterTensor>()
  for (const { data, ...tensor } of tensorsOf(state.engine, trainable, 'tensor'))
    read.set(tensor.name, { ...tensor, data: await data() })
  return read
}

const matrixName = /^base_model\.model\.(.+)\.lora_(?:embedding_)?[AB](?:\.weight)?$/

/** A: [Σ rank, columns], of experts those of each behind those of the one before; B: [rows, Σ rank], experts innermost. */
function joined(
  members: readonly Member[],
  name: string,
  matrix: 'A' | 'B' | 'magnitude',
  experts: number,
): Float32Array {
  const stem = matrixName.exec(name)?.[1] ?? name
  const found = members.flatMap(({ tensors, scaling }) => {
    const tensor = tensors.get(name)
    return tensor ? [{ ...tensor, factor: scaling(stem) }] : []
  })
  const size = found.reduce((sum, { data }) => sum + data.length, 0)
  const values = new Float32Array(size)
  if (matrix === 'A') {
    let at = 0
    for (let expert = 0; expert < experts; expert += 1)
      for (const { data } of found) {
        const each = data.length / experts
        values.set(data.subarray(expert * each, (expert + 1) * each), at)
        at += each
      }
    return values
  }
  const [rows] = found[0].shape
  const width = size / rows
  let first = 0
  for (const { data, shape, factor } of found) {
    const [, rank] = shape
    data.forEach((value, i) => (values[Math.floor(i / rank) * width + first + (i % rank)] = factor * value))
    first += rank
  }
  return values
}

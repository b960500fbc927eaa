import { FettleError } from '../../../error.ts'
import type { AdapterTensorToWrite, LoraConfig } from '../../../peft/index.ts'
import { adapterName } from '../../../peft/index.ts'
import { vocabularyOf, vocabularyTables, withVocabulary } from '../../blocks/architecture.ts'
import { readerOf } from '../../state/exact-reader.ts'
import { keepExact, readExact } from '../../state/exact-values.ts'
import { setFrozen } from '../../state/frozen-weights.ts'
import type { ModelState } from '../../state/model-state.ts'
import { setArchitecture } from '../../state/model-state.ts'
import type { Parameter } from '../../weights/parameters.ts'
import { moduleOf } from '../../weights/parameters.ts'
import type { AdapterFile } from '../adapter-file.ts'

/**
 * What an adapter's file may say of the embedding and the head besides `modules_to_save` and LoRA: the whole table, where it was resized, or
 * where LoRA is on it. PEFT saves it by itself, under one of several names.
 */

/** Names under which PEFT saves a table that is not trained itself. */
const wholeNames = [
  'weight',
  'base_layer.weight',
  'token_adapter.base_layer.weight',
  'original_module.weight',
]

/** Paths of the modules that are tables: the embedding, and the head whether it has numbers of its own or not. */
export function tableModules({ architecture }: ModelState): string[] {
  return vocabularyTables(architecture).map(({ key }) => moduleOf(key))
}

/** Gives the model as many tokens as the adapter was made for, and the tables that its file has. */
export async function takeTables(
  state: ModelState,
  file: AdapterFile,
  { modulesToSave = [] }: LoraConfig,
): Promise<AdapterTensorToWrite[]> {
  const { embedding, head } = state.architecture
  const saved: AdapterTensorToWrite[] = []
  const tables = vocabularyTables(state.architecture).map((parameter) => {
    const module = moduleOf(parameter.key)
    const isWhole = modulesToSave.some((name) => module.endsWith(name))
    const found = wholeNames.flatMap((name) => file.peek(adapterName(`${module}.${name}`)) ?? [])
    // modules_to_save of a resized table is there three times: as it was, as it is trained, and so once more.
    const extra = file.peek(adapterName(`${module}.modules_to_save.weight`))
    for (const tensor of extra ? [extra] : []) file.pass(tensor.name)
    for (const tensor of found) {
      const isTrained = isWhole && tensor.name === adapterName(`${module}.weight`)
      if (!isTrained) file.pass(tensor.name)
      if (!isTrained && !tensor.name.endsWith('.original_module.weight'))
        saved.push({ name: tensor.name, shape: tensor.shape, data: async () => tensor.data })
    }
    const base = found.find(({ name }) => name.endsWith('.original_module.weight')) ?? found[0]
    return { parameter, tensor: base, isTrained: isWhole && found.length < 2 }
  })
  const rows = tables.flatMap(({ tensor }) => (tensor ? [tensor.shape[0]] : []))
  const size = rows[0] ?? vocabularyOf(state.architecture)
  const isResized = size !== vocabularyOf(state.architecture)
  for (const { parameter, tensor } of tables) {
    const shape = [size, parameter.columns]
    const needsOne = isResized && (!state.architecture.isTied || parameter === embedding.table)
    if (tensor ? tensor.shape.join() === shape.join() : !needsOne) continue
    throw new FettleError({
      place: `adapter_model.safetensors: ${moduleOf(parameter.key)}`,
      found: tensor ? `shape [${tensor.shape.join(', ')}]` : 'nothing, beside a table of another size',
      expected: `shape [${shape.join(', ')}]`,
      cure: 'The adapter was made for another model.',
    })
  }
  if (isResized && state.parked.size > 0)
    throw new FettleError({
      place: 'adapter_model.safetensors',
      found: `tables of ${size} tokens, beside adapters for ${vocabularyOf(state.architecture)}`,
      expected: 'adapters of one vocabulary',
      cure: 'Load this adapter first: the model gets its tokens.',
    })
  if (isResized) setArchitecture(state, withVocabulary(state.architecture, size), { vocab_size: size })
  const isTied = state.architecture.isTied
  for (const { parameter, tensor, isTrained } of tables) {
    if (!tensor || (isTied && parameter === head) || (isTrained && !isResized)) continue
    const sized = parameter === embedding.table ? state.architecture.embedding.table : state.architecture.head
    if (state.parked.size > 0) {
      await checkSameTable(state, sized, tensor.data)
      continue
    }
    await setFrozen(state, sized, tensor.data)
    keepExact(state, sized, readerOf(tensor.data, sized.columns))
  }
  return saved
}

/** Adapters beside each other have one table. */
async function checkSameTable(state: ModelState, parameter: Parameter, values: Float32Array): Promise<void> {
  const table = await readExact(state, parameter)
  if (table.every((value, i) => value === values[i])) return
  throw new FettleError({
    place: `adapter_model.safetensors: ${moduleOf(parameter.key)}`,
    found: 'another table than the one that the adapters on the model have',
    expected: 'the same',
    cure: 'Load this adapter first, or each into a model of its own.',
  })
}

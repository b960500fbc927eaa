import { FettleError } from '../../error.ts'
import type { AdapterTensorToWrite, LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import { adapterName } from '../../peft/index.ts'
import { headOf, vocabularyOf, withVocabulary } from '../blocks/architecture.ts'
import { exactReader, keepExact } from '../state/exact-values.ts'
import { setFrozen } from '../state/frozen-weights.ts'
import type { FixedTables, ModelState, ReplacedParameter } from '../state/model-state.ts'
import { setArchitecture } from '../state/model-state.ts'
import type { Parameter } from '../weights/parameters.ts'
import { moduleOf, rowCount } from '../weights/parameters.ts'
import type { AdapterFile } from './adapter-file.ts'
import { addProduct } from './add-product.ts'
import type { Product } from './add-product.ts'

/**
 * What an adapter's file may say of the embedding and the head besides `modules_to_save`:
 * - the whole table, where it was resized, or where LoRA was on it: PEFT saves it by itself, under one of several names;
 * - LoRA on it. It is added to the table when it is loaded: then passes need nothing new, but fettle does not train it.
 */

/** Names under which PEFT saves a table that is not trained itself. */
const wholeNames = [
  'weight',
  'base_layer.weight',
  'token_adapter.base_layer.weight',
  'original_module.weight',
]

/** Paths of the modules that are tables: the embedding, and the head whether it has numbers of its own or not. */
export function tableModules({ architecture: { embedding, head } }: ModelState): string[] {
  return [embedding.table, head].map(({ key }) => moduleOf(key))
}

/** Gives the model as many tokens as the adapter was made for, and the tables that its file has. */
export async function takeTables(
  state: ModelState,
  file: AdapterFile,
  { modulesToSave = [] }: LoraConfig,
): Promise<AdapterTensorToWrite[]> {
  const { embedding, head } = state.architecture
  const saved: AdapterTensorToWrite[] = []
  const tables = [embedding.table, head].map((parameter) => {
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
  if (isResized) setArchitecture(state, withVocabulary(state.architecture, size), { vocab_size: size })
  const isTied = state.architecture.isTied
  for (const { parameter, tensor, isTrained } of tables) {
    if (!tensor || (isTied && parameter === head) || (isTrained && !isResized)) continue
    const sized = parameter === embedding.table ? state.architecture.embedding.table : state.architecture.head
    await setFrozen(state, sized, tensor.data)
    keepExact(state, sized, async () => tensor.data.slice())
  }
  return saved
}

/** Adds LoRA of embedding and head to the tables; a tied head must have been parted from the embedding. */
export async function adaptTables(
  state: ModelState,
  file: AdapterFile,
  modules: readonly ModuleAdapter[],
  saved: readonly AdapterTensorToWrite[],
): Promise<FixedTables> {
  const tensors = [...saved]
  const adapted: ReplacedParameter[] = []
  const take = (name: string, shape: readonly number[]): Float32Array => {
    const data = file.take(name, shape)
    tensors.push({ name, shape, data: async () => data })
    return data
  }
  const { embedding } = state.architecture
  for (const adapter of modules) {
    const isEmbedding = adapter.module === moduleOf(embedding.table.key)
    const parameter = isEmbedding ? embedding.table : headOf(state.architecture)
    const product = tableProduct(adapter, parameter, isEmbedding, take)
    const base = await exactReader(state, parameter)
    const sum = async () => addProduct(state.engine, await base(), product)
    await setFrozen(state, parameter, await sum())
    keepExact(state, parameter, sum)
    adapted.push({ parameter, base })
  }
  return { tensors, adapted }
}

/** scaling · B A of a head, scaling · Aᵀ Bᵀ of an embedding, whose A [r, V] and B [H, r] PEFT has the other way round. */
function tableProduct(
  { module, rank, scaling }: ModuleAdapter,
  parameter: Parameter,
  isEmbedding: boolean,
  take: (name: string, shape: readonly number[]) => Float32Array,
): Product {
  const [rows, columns] = [rowCount(parameter), parameter.columns]
  const a = isEmbedding ? 'lora_embedding_A' : 'lora_A.weight'
  const b = isEmbedding ? 'lora_embedding_B' : 'lora_B.weight'
  const valuesA = take(adapterName(`${module}.${a}`), [rank, isEmbedding ? rows : columns])
  const valuesB = take(adapterName(`${module}.${b}`), [isEmbedding ? columns : rows, rank])
  const left = isEmbedding ? transpose(valuesA, rank) : valuesB.slice()
  for (let i = 0; i < left.length; i += 1) left[i] *= scaling
  return { left, right: isEmbedding ? valuesB : transpose(valuesA, rank), rank }
}

/** [rank, n] → [n, rank] */
function transpose(values: Float32Array, rank: number): Float32Array {
  const length = values.length / rank
  const turned = new Float32Array(values.length)
  for (let i = 0; i < length; i += 1)
    for (let k = 0; k < rank; k += 1) turned[i * rank + k] = values[k * length + i]
  return turned
}

/** @throws FettleError where an adapter has LoRA on embedding or head: its gradients are not computed */
export function checkNoAdaptedTables({ adapter }: ModelState): void {
  const [table] = adapter?.fixed.adapted ?? []
  if (!table) return
  throw new FettleError({
    place: 'adapter',
    found: `LoRA on ${moduleOf(table.parameter.key)}`,
    expected: 'LoRA on linear layers of the decoder, to train it further',
    cure: 'Merge it and train a new adapter, with modules_to_save: [embed_tokens, lm_head].',
  })
}

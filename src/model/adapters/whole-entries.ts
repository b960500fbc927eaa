import { FettleError } from '../../error.ts'
import type { LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import { adapterName } from '../../peft/index.ts'
import type { Architecture } from '../blocks/architecture.ts'
import { parametersOf, vocabularyTables } from '../blocks/architecture.ts'
import { readParameter } from '../state/frozen-weights.ts'
import type { ModelState } from '../state/model-state.ts'
import { parameterEntry } from '../state/train-state.ts'
import type { TrainableEntry } from '../state/trainable-set.ts'
import type { Parameter } from '../weights/parameters.ts'
import { leafName, moduleOf } from '../weights/parameters.ts'
import { insertSlice } from '../weights/tensor-slice.ts'

/** What an adapter's file has under a name; throws where it has another shape. */
export type SavedTensor = (name: string, shape: readonly number[]) => Float32Array

/**
 * Parameters that are trained whole beside LoRA: `modulesToSave` and biases, under the names that PEFT gives them. They
 * start as they are, or as they were saved.
 */
export function wholeEntries(
  state: ModelState,
  config: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
  saved?: SavedTensor,
): TrainableEntry[] {
  return wholeParameters(state, config, modules).map((parameter) => {
    const entry = wholeEntry(state, parameter, config, modules)
    if (!saved) return entry
    return {
      ...entry,
      async initial() {
        const values = await readParameter(state, parameter)
        for (const slice of entry.slices) insertSlice(values, slice, saved(slice.name, slice.shape))
        return values
      },
    }
  })
}

/** Whether the embedding or the head is trained whole. */
export function savesTable({ architecture }: ModelState, { modulesToSave = [] }: LoraConfig): boolean {
  const tables = vocabularyTables(architecture).map(leafName)
  return modulesToSave.some((name) => tables.includes(name.slice(name.lastIndexOf('.') + 1)))
}

function wholeEntry(
  state: ModelState,
  parameter: Parameter,
  { bias, modulesToSave = [] }: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
): TrainableEntry {
  const { architecture } = state
  const entry = parameterEntry(state, parameter, adapterName)
  if (parameter.key === architecture.embedding.table.key && architecture.isTied) {
    // A head that is tied shares the rows, and PEFT saves it too.
    const headName = adapterName(architecture.head.key)
    return { ...entry, slices: entry.slices.flatMap((slice) => [slice, { ...slice, name: headName }]) }
  }
  if (!isBias(parameter) || isSaved(architecture, modulesToSave, parameter)) return entry
  const slices = parameter.parts.flatMap(({ safetensors: { name } }, i) => {
    const module = moduleOf(name)
    if (modules.has(module)) return [{ ...entry.slices[i], name: adapterName(`${module}.base_layer.bias`) }]
    return bias === 'all' ? [entry.slices[i]] : []
  })
  return { ...entry, slices }
}

/** Of a module, as PEFT knows them: what experts and memories call `_bias` is none. */
function isBias({ key }: Parameter): boolean {
  return key.endsWith('.bias')
}

function wholeParameters(
  { architecture }: ModelState,
  config: LoraConfig,
  modules: ReadonlyMap<string, ModuleAdapter>,
): Parameter[] {
  const parameters = parametersOf(architecture)
  const single = parameters.filter(({ parts, isFixed }) => parts.length === 1 && isFixed !== true)
  const saved = config.modulesToSave ?? []
  const { embedding, head } = architecture
  // PEFT names both for every classifier, whichever of the two it has.
  const known = architecture.isScored ? ['score', 'classifier'] : []
  const unknown = saved.find(
    (name) => !known.includes(name) && !single.some((parameter) => isSaved(architecture, [name], parameter)),
  )
  if (unknown !== undefined)
    throw new FettleError({
      place: 'lora.modules_to_save',
      found: `'${unknown}'`,
      expected: `${leafName(embedding.table)}, ${leafName(head)} or norm`,
    })
  const biased = parameters.filter(
    (parameter) =>
      isBias(parameter) &&
      (config.bias === 'all' ||
        (config.bias === 'lora_only' &&
          parameter.parts.some(({ safetensors: { name } }) => modules.has(moduleOf(name))))),
  )
  const whole = single.filter((parameter) => isSaved(architecture, saved, parameter))
  return [...whole, ...biased.filter((parameter) => !whole.includes(parameter))]
}

/** Whether a parameter is of a module that is trained whole. */
function isSaved(
  { embedding, head, isTied }: Architecture,
  modulesToSave: readonly string[],
  { key }: Parameter,
): boolean {
  return modulesToSave.some((given) => {
    const name = isTied && given === leafName(head) ? leafName(embedding.table) : given
    // PEFT asks for no dot before the name: `norm` is every norm.
    return moduleOf(key).endsWith(name)
  })
}

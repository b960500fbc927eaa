import type { Problem } from '../error.ts'
import { adapterFactors, type PlainAdapter } from './adapters/adapter-factors.ts'
import { loadNamed } from './adapters/adapter-calls.ts'
import { mergeAdapter } from './adapters/merge-adapter.ts'
import { parametersOf, type Architecture } from './blocks/architecture.ts'
import type { GgufDescription, ModelConfig } from './families/index.ts'
import type { LoadOptions } from './load-options.ts'
import { openPretrained } from './open-state.ts'
import type { RowRange } from './state/exact-reader.ts'
import { readExact } from './state/exact-values.ts'
import type { ModelState } from './state/model-state.ts'
import { countParameters, type Parameter } from './weights/parameters.ts'
import { storedType, type SavedType } from './weights/saved-type.ts'
import { finiteValues } from './weights/finite-values.ts'
import { saveModel, type SaveOptions } from './weights/save-model.ts'

/** A model that computes nothing: its weights stay in the files, and are read one after the other when it is written elsewhere. */
export interface UnloadedModel {
  readonly state: ModelState
  /** config.json, or what the metadata of a GGUF file say. */
  readonly config: ModelConfig
  /** As it is now: an adapter may part a tied head, or bring tokens. */
  readonly architecture: Architecture
  /** How a GGUF file of it is written; null: none is. */
  readonly gguf: GgufDescription | null
  /** Numbers in all of its weights. */
  readonly parameterCount: number
  /** What its files have most weights in. */
  readonly storedDtype: SavedType
  /** What its files hold that is not read or not obeyed. */
  readonly notices: readonly Problem[]
  /**
   * All values of a parameter in float32, its parts stacked, or those of some rows; with what was merged.
   *
   * @throws FettleError where one is NaN or infinite
   */
  values(parameter: Parameter, rows?: RowRange): Promise<Float32Array>
  /** Whether its numbers are those of MXFP4, as its files have them, in blocks of 32 along its rows. */
  isMxfp4(parameter: Parameter): boolean
  /** The adapter apart from the model, before it is merged. */
  adapter(): Promise<PlainAdapter | null>
  /** Adds the adapter to the weights, as each is read. */
  merge(): Promise<void>
  /** Writes config.json, generation_config.json and safetensors; see `AutoModelForCausalLM.save`. */
  save(folder: string, options: Omit<SaveOptions, 'place'>): Promise<void>
  free(): Promise<void>
}

/**
 * Opens a Hugging Face folder or a GGUF file, and an adapter on it, without loading weights.
 *
 * @throws FettleError for what cannot be read
 */
export async function openUnloaded(
  path: string,
  adapter: string | undefined,
  options: LoadOptions = {},
): Promise<UnloadedModel> {
  const { state, notices, gguf = null } = await openPretrained(path, options, true)
  const ofAdapter = adapter === undefined ? [] : await loadNamed(state, adapter, {})
  return {
    state,
    config: state.config,
    get architecture() {
      return state.architecture
    },
    gguf,
    get parameterCount() {
      return countParameters(parametersOf(state.architecture))
    },
    storedDtype: storedType(state),
    notices: [...notices, ...ofAdapter],
    values: async (parameter, rows) =>
      finiteValues(await readExact(state, parameter, rows), parameter.key, path),
    isMxfp4(parameter) {
      // What was merged is in no file, and quantising leaves others.
      const isInFiles = state.stored.has(parameter.key)
      const isAsItIs = [undefined, 'blocks'].includes(state.forms.get(parameter.key))
      return isInFiles && isAsItIs && state.store.isMxfp4?.(parameter) === true
    },
    async adapter() {
      const found = await adapterFactors(state)
      for (const { module, a, b } of found?.factors ?? [])
        for (const [name, values] of [
          ['lora_A', a],
          ['lora_B', b],
        ] as const)
          finiteValues(values, `${module}.${name}`, adapter ?? path)
      return found
    },
    merge: () => mergeAdapter(state),
    // What is rounded first is rounded as a whole each time.
    save: (folder, given) =>
      saveModel(state, folder, {
        ...given,
        place: path,
        mustBeFinite: true,
        atOnce: options.quantization ? 1 << 24 : 1 << 22,
      }),
    free: async () => state.engine.close(),
  }
}

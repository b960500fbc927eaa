import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { clipText, FettleError } from '../error.ts'
import { AutoModelForCausalLM, type LoadOptions } from '../model/index.ts'
import { readAdapterConfig } from '../peft/index.ts'
import {
  AutoTokenizer,
  findStopSet,
  formatGenerationConfig,
  parseGenerationConfig,
  readGenerationConfig,
} from '../tokenizer/index.ts'
import type { GenerationConfig, Tokenizer } from '../tokenizer/index.ts'

/** Where a model is, with the adapter that goes on it. */
export interface ModelPaths {
  /** Hugging Face folder or .gguf file. */
  model: string
  /** Folder that fettle or PEFT saved an adapter to. */
  adapter?: string | undefined
}

/** A model that is ready to speak. */
export interface LoadedModel {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  /** Of the adapter where it has one, else of the model. */
  generationConfig: GenerationConfig
  /** Tokens that end an answer. */
  stopTokenIds: number[]
}

/** Loads model, adapter and tokenizer, and finds the tokens that end an answer. */
export async function loadModel(paths: ModelPaths, options: LoadOptions = {}): Promise<LoadedModel> {
  const { adapter } = paths
  const tokenizer = await loadTokenizer(paths)
  const model = await AutoModelForCausalLM.fromPretrained(paths.model, options)
  const ownConfig = adapter !== undefined && existsSync(join(adapter, 'generation_config.json'))
  const generationConfig = await readGenerationConfig(ownConfig ? adapter : paths.model)
  if (adapter !== undefined) await model.loadAdapter(adapter)
  // What the adapter's file says goes above what the model's says.
  if (ownConfig)
    model.generationConfig = parseGenerationConfig(
      { ...formatGenerationConfig(model.generationConfig), ...generationConfig.raw },
      join(adapter, 'generation_config.json'),
    )
  return { model, tokenizer, generationConfig, stopTokenIds: findStopSet(tokenizer, generationConfig).ids }
}

/** A tokenizer saved beside an adapter is the one it was trained with, so it wins over the model's. */
export function loadTokenizer({ model, adapter }: ModelPaths): Promise<Tokenizer> {
  const ownTokenizer = adapter !== undefined && existsSync(join(adapter, 'tokenizer_config.json'))
  return AutoTokenizer.fromPretrained(ownTokenizer ? adapter : model)
}

/** Whether a path is an adapter's folder and not also a model's. */
export function isAdapter(path: string): boolean {
  return existsSync(join(path, 'adapter_config.json')) && !existsSync(join(path, 'config.json'))
}

/**
 * The model that an adapter belongs to, as its configuration says.
 *
 * @param cure  how the caller can be told where it is
 * @throws FettleError when it is not on this machine
 */
export async function baseModelOf(adapter: string, cure: string): Promise<string> {
  const { baseModelNameOrPath: named } = (await readAdapterConfig(adapter)).values
  if (named !== undefined && existsSync(named)) return named
  throw new FettleError({
    place: `${join(adapter, 'adapter_config.json')}: base_model_name_or_path`,
    found: named === undefined ? 'nothing' : `'${named}', which is not on this machine`,
    expected: 'the path of the model that the adapter belongs to',
    cure,
  })
}

/**
 * @param name  what the caller calls the path, where it has a name
 * @throws FettleError when there is nothing
 */
export function mustExist(path: string, name?: string): void {
  if (existsSync(path)) return
  const shown = path === '' ? "''" : clipText(path)
  const isHubName = /^[\w.-]+\/[\w.-]+$/.test(path)
  const how = isHubName ? `hf download ${path} --local-dir ${path}` : 'git clone, hf download'
  throw new FettleError({
    place: name === undefined ? shown : `${name} ${shown}`,
    found: 'no such file or folder',
    expected: 'a path on this machine',
    cure: `fettle downloads nothing: fetch the model first (${how}).`,
  })
}

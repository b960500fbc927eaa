import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { activationQuantizations, engineNames, quantizations } from '../engine/index.ts'
import { FettleError } from '../error.ts'
import { AutoModelForCausalLM } from '../model/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import { AutoTokenizer, findStopSet, readGenerationConfig } from '../tokenizer/index.ts'
import type { GenerationConfig } from '../tokenizer/index.ts'
import type { FlagValues } from './command.ts'

/** The flags of every command that loads a model. */
export const modelFlags = {
  model: {
    type: 'string',
    hint: 'path',
    description:
      'Hugging Face folder or .gguf file; with an adapter its base model, where the adapter names none',
  },
  adapter: { type: 'string', hint: 'path', description: 'Folder of an adapter that fettle or PEFT saved' },
  dtype: {
    type: 'string',
    options: ['auto', 'float32', 'bfloat16'],
    description: 'What is computed in; auto is what the model is stored in',
  },
  quantization: {
    type: 'string',
    options: quantizations,
    description: 'Holds the linear layers in 8 or 4 bits: less memory, faster generation',
  },
  activationQuantization: {
    type: 'string',
    options: activationQuantizations,
    description:
      'With --quantization int8: rounds activations too, so that prompts are read faster, less exactly',
  },
  engine: {
    type: 'string',
    options: engineNames,
    description:
      'What computes; default: the first of these that runs here (native needs `fettle build-native`)',
  },
  threads: { type: 'number', description: 'Threads of the native engine; default: the cores there are' },
} as const

type ModelChoice = FlagValues<typeof modelFlags>

/** A model that is ready to speak. */
export interface LoadedModel {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  /** Of the adapter where it has one, else of the model. */
  generationConfig: GenerationConfig
  /** Tokens that end an answer. */
  stopTokenIds: number[]
}

/**
 * Loads model, adapter and tokenizer. A tokenizer saved beside the adapter is the one it was trained with, so it wins.
 *
 * @throws FettleError when neither flag says where the model is, or something there cannot be read
 */
export async function loadModel(choice: ModelChoice): Promise<LoadedModel> {
  const path = basePath(choice)
  const tokenizer = await loadTokenizer(choice)
  const { adapter, threads } = choice
  const model = await AutoModelForCausalLM.fromPretrained(path, {
    dtype: oneOf(choice.dtype, modelFlags.dtype.options),
    quantization: oneOf(choice.quantization, quantizations) ?? null,
    activationQuantization: oneOf(choice.activationQuantization, activationQuantizations) ?? null,
    engine: oneOf(choice.engine, modelFlags.engine.options),
    ...(threads !== undefined && { threads }),
  })
  const ownConfig = adapter !== undefined && existsSync(join(adapter, 'generation_config.json'))
  const generationConfig = await readGenerationConfig(ownConfig ? adapter : path)
  if (adapter !== undefined) await model.loadAdapter(adapter)
  return { model, tokenizer, generationConfig, stopTokenIds: findStopSet(tokenizer, generationConfig).ids }
}

/** The tokenizer of the adapter where it has one, else of the model. */
export async function loadTokenizer(choice: Pick<ModelChoice, 'model' | 'adapter'>): Promise<Tokenizer> {
  const { adapter } = choice
  const ownTokenizer = adapter !== undefined && existsSync(join(adapter, 'tokenizer_config.json'))
  return AutoTokenizer.fromPretrained(ownTokenizer ? adapter : basePath(choice))
}

/** Where the model is: as the flag says, else as the adapter says. */
export function basePath({ model, adapter }: Pick<ModelChoice, 'model' | 'adapter'>): string {
  if (model !== undefined) return mustExist('--model', model)
  if (adapter === undefined)
    throw new FettleError({
      place: '--model',
      found: 'not given',
      expected: 'the path of a Hugging Face folder or .gguf file',
    })
  mustExist('--adapter', adapter)
  const place = join(adapter, 'adapter_config.json')
  const { base_model_name_or_path: named } = JSON.parse(readFileSync(place, 'utf8')) as Record<
    string,
    unknown
  >
  if (typeof named === 'string' && existsSync(named)) return named
  throw new FettleError({
    place: `${place}: base_model_name_or_path`,
    found: typeof named === 'string' ? `'${named}', which is not on this machine` : 'nothing',
    expected: 'the path of the model that the adapter belongs to',
    cure: 'Give it with --model.',
  })
}

/** The path, if there is something; else an error that names the flag. */
export function mustExist(flag: string, path: string): string {
  if (existsSync(path)) return path
  throw new FettleError({
    place: `${flag} ${path}`,
    found: 'no such file or folder',
    expected: 'a path on this machine',
    cure: 'fettle downloads nothing: fetch the model first (git clone, huggingface-cli download).',
  })
}

/** The value as one of the options, which the flag's check has made sure of. */
export function oneOf<T extends string>(value: string | undefined, options: readonly T[]): T | undefined {
  return options.find((option) => option === value)
}

import { activationQuantizations, engineNames, quantizations } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import { baseModelOf, loadModel, mustExist } from '../../pipeline/index.ts'
import type { LoadedModel, ModelPaths } from '../../pipeline/index.ts'
import type { FlagValues } from '../command.ts'
import { showNotices } from '../terminal/notices.ts'

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
    description: 'What is computed in; auto is what the model is stored in, float32 for float16',
  },
  quantization: {
    type: 'string',
    options: quantizations,
    description: 'Holds the linear layers in 8 or 4 bits: less memory, faster generation',
  },
  doubleQuantization: {
    type: 'boolean',
    description: 'With --quantization nf4 or fp4: rounds the scales, too, as bitsandbytes does when asked',
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
      'What computes; default: the first of these that runs here (`fettle doctor --machine` says which, and why)',
  },
  threads: {
    type: 'number',
    description: 'Threads of the engine; default: the physical cores that it may use',
  },
} as const

type ModelChoice = FlagValues<typeof modelFlags>

/**
 * Loads what the flags say, and says what of its files is not read.
 *
 * @throws FettleError when no flag says where the model is, or something there cannot be read
 */
export async function loadModelOf(choice: ModelChoice): Promise<LoadedModel> {
  const { threads } = choice
  const loaded = await loadModel(await pathsOf(choice), {
    dtype: oneOf(choice.dtype, modelFlags.dtype.options),
    quantization: oneOf(choice.quantization, quantizations) ?? null,
    doubleQuantization: choice.doubleQuantization === true,
    activationQuantization: oneOf(choice.activationQuantization, activationQuantizations) ?? null,
    engine: oneOf(choice.engine, modelFlags.engine.options),
    ...(threads !== undefined && { threads }),
  })
  showNotices([...loaded.model.notices, ...loaded.tokenizer.notices])
  return loaded
}

/** Where the model is: as the flag says, else as the adapter says. */
export async function pathsOf({
  model,
  adapter,
}: Pick<ModelChoice, 'model' | 'adapter'>): Promise<ModelPaths> {
  if (model !== undefined) mustExist(model, '--model')
  if (adapter !== undefined) mustExist(adapter, '--adapter')
  if (model !== undefined) return { model, adapter }
  if (adapter !== undefined) return { model: await baseModelOf(adapter, 'Give it with --model.'), adapter }
  throw new FettleError({
    place: '--model',
    found: 'not given',
    expected: 'the path of a Hugging Face folder or .gguf file',
  })
}

/** The value as one of the options, which the flag's check has made sure of. */
export function oneOf<T extends string>(value: string | undefined, options: readonly T[]): T | undefined {
  return options.find((option) => option === value)
}

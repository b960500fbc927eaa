import { FettleError, quoteValue } from '../error.ts'
import type { LoadOptions } from '../model/index.ts'
import { baseModelOf, isAdapter, loadModel, mustExist, type ModelPaths } from './load-model.ts'
import { camelCaseOptions, type EitherSpelling } from './option-names.ts'
import { createTextGeneration, type TextGenerationPipeline } from './text-generation.ts'

/** Where a pipeline's adapter is, and how its model is loaded. */
export interface PipelineSettings extends LoadOptions {
  /** Folder of an adapter that fettle or PEFT saved. */
  adapter?: string
}

/** How a pipeline's model is loaded, in either spelling. */
export type PipelineOptions = EitherSpelling<PipelineSettings>

const optionNames: { readonly [Name in keyof Required<PipelineSettings>]: true } = {
  dtype: true,
  engine: true,
  threads: true,
  quantization: true,
  doubleQuantization: true,
  activationQuantization: true,
  adapter: true,
}

const dtypes: readonly unknown[] = ['auto', 'float32', 'bfloat16'] satisfies LoadOptions['dtype'][]

/**
 * Loads a model with its tokenizer and gives a function that answers texts and messages, as Transformers.js does.
 *
 * @param path  Hugging Face folder, .gguf file, or the folder of an adapter, whose configuration says where its model is
 * @throws FettleError when something there cannot be read
 */
export async function pipeline(
  task: 'text-generation',
  path: string,
  options: PipelineOptions = {},
): Promise<TextGenerationPipeline> {
  if (task !== 'text-generation')
    throw new FettleError({
      place: 'pipeline',
      found: `the task ${quoteValue(task)}`,
      expected: 'text-generation',
    })
  const { adapter, ...loading } = camelCaseOptions<PipelineSettings>(
    options,
    Object.keys(optionNames),
    'pipeline',
  )
  if (loading.dtype !== undefined && !dtypes.includes(loading.dtype))
    throw new FettleError({
      place: 'pipeline: dtype',
      found: quoteValue(loading.dtype),
      expected: dtypes.join(', '),
      cure: "Weights in 8 or 4 bits are quantization: 'int8' or 'nf4'.",
    })
  return createTextGeneration(await loadModel(await locate(path, adapter), loading))
}

async function locate(path: string, adapter: string | undefined): Promise<ModelPaths> {
  mustExist(path)
  if (adapter !== undefined) {
    mustExist(adapter)
    return { model: path, adapter }
  }
  if (!isAdapter(path)) return { model: path }
  const cure = `Give its path, and this folder with it: pipeline('text-generation', model, { adapter: '${path}' }).`
  return { model: await baseModelOf(path, cure), adapter: path }
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openUnloaded } from '../model/index.ts'
import { loadTokenizer, mustExist } from '../pipeline/index.ts'
import {
  findStopSet,
  formatGenerationConfig,
  parseGenerationConfig,
  readGenerationConfig,
} from '../tokenizer/index.ts'
import type { GenerationConfig } from '../tokenizer/index.ts'
import type { ExportSource } from './format.ts'
import type { ExportOptions } from './options.ts'

/** Opens what is to be exported: the model and the adapter on it, without loading weights, and their tokenizer. */
export async function openSource(options: ExportOptions): Promise<ExportSource> {
  const { model: path, adapter, quantization, doubleQuantization, engine, threads } = options
  mustExist(path, 'model')
  if (adapter !== undefined) mustExist(adapter, 'adapter')
  const paths = { model: path, adapter }
  const model = await openUnloaded(path, adapter, {
    quantization: quantization ?? null,
    doubleQuantization: doubleQuantization ?? false,
    ...(engine !== undefined && { engine }),
    ...(threads !== undefined && { threads }),
  })
  try {
    const tokenizer = await loadTokenizer(paths)
    const generationConfig = await generationConfigOf(path, adapter)
    return { paths, model, tokenizer, generationConfig, stopSet: findStopSet(tokenizer, generationConfig) }
  } catch (error) {
    await model.free()
    throw error
  }
}

/** The model's, and above it what the adapter's folder says. */
async function generationConfigOf(model: string, adapter: string | undefined): Promise<GenerationConfig> {
  const base = await readGenerationConfig(model)
  if (adapter === undefined || !existsSync(join(adapter, 'generation_config.json'))) return base
  const own = await readGenerationConfig(adapter)
  return parseGenerationConfig(
    { ...formatGenerationConfig(base), ...own.raw },
    join(adapter, 'generation_config.json'),
  )
}

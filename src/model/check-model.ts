import { join } from 'node:path'
import type { Problem } from '../error.ts'
import { parseGenerationConfig } from '../tokenizer/index.ts'
import { openModel } from './weights/stores/open-model.ts'

/**
 * Opens a model as loading does, without an engine and without its numbers.
 *
 * @returns what its files hold that is not read or not obeyed: the model's `notices`
 * @throws FettleError as `fromPretrained` does, with everything that ends loading
 */
export async function checkModel(path: string): Promise<readonly Problem[]> {
  const { notices, generationConfig } = await openModel(path)
  const { unread = [] } = parseGenerationConfig(generationConfig ?? {}, join(path, 'generation_config.json'))
  return [...notices, ...unread]
}

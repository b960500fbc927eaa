import { join } from 'node:path'
import { isGgufName } from '../../formats/index.ts'
import { writeGgufModel } from '../gguf/write-model.ts'
import { openSource } from '../open-source.ts'

/**
 * A model without its adapter as a GGUF file: what llama.cpp puts an adapter on. Written in float32 into a folder, unless it is one already.
 *
 * @returns its path
 */
export async function plainBase(model: string, folder: string): Promise<string> {
  if (isGgufName(model)) return model
  const source = await openSource({ model, format: 'gguf', output: folder })
  const name = 'base.gguf'
  try {
    const target = { folder, name, type: 'f32', types: ['f32'], maxShardBytes: Number.POSITIVE_INFINITY }
    await writeGgufModel(source, { ...target, onTensor() {} }, name)
  } finally {
    await source.model.free()
  }
  return join(folder, name)
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../../formats/foreign/index.ts'
import { isGgufName, readGguf, readJsonFile } from '../../formats/index.ts'
import { parseGenerationConfig, type GenerationConfig } from '../generation/generation-config.ts'

/**
 * Reads generation_config.json of a model folder, or what stands for it in a GGUF file. Token ids that are
 * missing there are taken from config.json; a folder without either has no end tokens of its own.
 */
export async function readGenerationConfig(path: string): Promise<GenerationConfig> {
  if (isGgufName(path)) return readFromGguf(path)
  const optional = async (name: string): Promise<JsonObject> => {
    const file = join(path, name)
    return existsSync(file) ? readJsonFile(file) : {}
  }
  const raw = await optional('generation_config.json')
  const { eos_token_id, bos_token_id, pad_token_id } = await optional('config.json')
  const place = join(path, 'eos_token_id' in raw ? 'generation_config.json' : 'config.json')
  return { ...parseGenerationConfig({ eos_token_id, bos_token_id, pad_token_id, ...raw }, place), raw }
}

function readFromGguf(path: string): GenerationConfig {
  const { metadata } = readGguf(path)
  const id = (name: string) => metadata.get(`tokenizer.ggml.${name}_token_id`)
  const raw = {
    // llama.cpp stops at the ends of text, of turn and of message.
    eos_token_id: [...new Set([id('eos'), id('eot'), id('eom')])].filter((value) => value !== undefined),
    bos_token_id: id('bos'),
    pad_token_id: id('padding'),
  }
  return parseGenerationConfig(raw, path)
}

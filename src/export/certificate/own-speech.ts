import { AutoTokenizer, readGenerationConfig, type Tokenizer } from '../../tokenizer/index.ts'
import { renderRequest } from './prompt-request.ts'
import type { Speech } from './runner.ts'

/** A template and a tokenizer in fettle. */
export function speechOf(tokenizer: Tokenizer, stopTokenIds: readonly number[]): Speech {
  const stops = new Set(stopTokenIds)
  return { render: (request) => renderRequest(request, tokenizer), isStop: (id) => stops.has(id) }
}

/**
 * How a folder or a GGUF file says that it is spoken to, read by fettle. Its stop tokens are those that runtimes read: eos_token_id of
 * generation_config.json, and not what else fettle finds out.
 */
export async function readSpeech(path: string): Promise<Speech> {
  const { eosTokenIds } = await readGenerationConfig(path)
  return speechOf(await AutoTokenizer.fromPretrained(path), eosTokenIds)
}

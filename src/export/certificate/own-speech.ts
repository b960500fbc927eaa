import { isGgufName } from '../../formats/index.ts'
import { AutoTokenizer, readGenerationConfig, type Tokenizer } from '../../tokenizer/index.ts'
import { renderRequest } from './prompt-request.ts'
import { endsByText } from '../gguf/tokenizer/index.ts'
import type { Speech } from './runner.ts'

/** A template and a tokenizer in fettle. */
export function speechOf(tokenizer: Tokenizer, stopTokenIds: readonly number[]): Speech {
  const stops = new Set(stopTokenIds)
  return { render: (request) => renderRequest(request, tokenizer), isStop: (id) => stops.has(id) }
}

/**
 * How a folder or a GGUF file says that it is spoken to, read by fettle. Its stop tokens are those that runtimes read, and not what else fettle
 * finds out: eos_token_id of generation_config.json; of a GGUF file what it names, and what llama.cpp knows by its text.
 */
export async function readSpeech(path: string): Promise<Speech> {
  const { eosTokenIds } = await readGenerationConfig(path)
  const tokenizer = await AutoTokenizer.fromPretrained(path)
  const isThere = (token: string) => tokenizer.convertTokensToIds(token) !== undefined
  const known = isGgufName(path) ? tokenizer.convertTokensToIds(endsByText(isThere)) : []
  return speechOf(tokenizer, [...eosTokenIds, ...known.filter((id) => id !== undefined)])
}

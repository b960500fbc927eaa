import { createHash } from 'node:crypto'
import { FettleError } from '../../../error.ts'
import type { JsonObject, Tokenizer } from '../../../tokenizer/index.ts'
import { preTokenizerNamed } from '../../../tokenizer/index.ts'
import { namesByHash, probeText } from './probe-hashes.ts'

/**
 * The name of a byte-level tokenizer's pre-tokenizer, `tokenizer.ggml.pre`: by llama.cpp's hash of the ids of a text, as its converter finds it;
 * else by the patterns themselves, which a tokenizer with other tokens still has, as Ollama does; else what the base file says.
 *
 * @throws FettleError where llama.cpp would cut texts otherwise
 */
export async function preTokenizerName(
  tokenizer: Tokenizer,
  json: JsonObject,
  ofBase: string | undefined,
): Promise<string> {
  const { inputIds } = await tokenizer.encode(probeText)
  const hash = createHash('sha256')
    .update(`[${[...inputIds].join(', ')}]`)
    .digest('hex')
  const name = namesByHash.get(hash.slice(0, 16)) ?? preTokenizerNamed(json) ?? ofBase
  if (name !== undefined) return name
  throw new FettleError({
    place: `${tokenizer.place}: pre_tokenizer`,
    found: 'patterns that llama.cpp has no name for',
    expected: 'a pre-tokenizer that llama.cpp knows: with another one it would read texts as other tokens',
    cure: 'Serve this model from safetensors or ONNX, or take the tokenizer of a model that llama.cpp knows.',
  })
}

import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { float32ToBfloat16 } from '../src/float16.ts'
import { writeSafetensors } from '../src/formats/index.ts'
import { describeModel, parametersOf } from '../src/model/index.ts'
import { createRandom } from '../src/random.ts'

/*
 * Writes a model of TinyLlama-1.1B's shape with random weights in bfloat16 (2.2 GB): what memory and speed need, without a
 * download. The tokenizer is that of assets/tiny-llama, whose tokens are the first of its vocabulary.
 */

const { values } = parseArgs({ options: { out: { type: 'string', default: 'build/random-1b' } } })

// https://huggingface.co/TinyLlama/TinyLlama-1.1B-Chat-v1.0/blob/main/config.json
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 32000,
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  tie_word_embeddings: false,
  initializer_range: 0.02,
  bos_token_id: 1,
  eos_token_id: 2,
  dtype: 'bfloat16',
}

/** Numbers that every matrix repeats, from another place on: a billion draws would take minutes. */
const noise = float32ToBfloat16(uniform(999_983, 0.02))

function uniform(count: number, deviation: number): Float32Array {
  const random = createRandom(1)
  return Float32Array.from({ length: count }, () => Math.sqrt(12) * deviation * (random() - 0.5))
}

async function* repeated(count: number, from: number): AsyncGenerator<Uint16Array> {
  let at = from % noise.length
  for (let left = count; left > 0;) {
    const piece = noise.subarray(at, Math.min(noise.length, at + left))
    yield piece
    left -= piece.length
    at = 0
  }
}

await mkdir(values.out, { recursive: true })
const parameters = parametersOf(describeModel(config, 'config').architecture)
await writeSafetensors(
  join(values.out, 'model.safetensors'),
  parameters.flatMap(({ kind, columns, parts }, i) =>
    parts.map(({ safetensors: { name }, rows }, j) => ({
      name,
      dtype: 'BF16' as const,
      shape: kind === 'vector' ? [rows] : [rows, columns],
      data: () =>
        kind !== 'vector'
          ? repeated(rows * columns, 7919 * (4 * i + j))
          : float32ToBfloat16(new Float32Array(rows).fill(1)),
    })),
  ),
)
for (const name of [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'generation_config.json',
])
  await cp(join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama', name), join(values.out, name))
await writeFile(join(values.out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
console.log(
  `${values.out}: a Llama with random weights; fettle bench --model ${values.out} --data docs.jsonl --only packed`,
)

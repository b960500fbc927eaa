import { cp, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { createRandom } from '../../src/random.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'

const tokenizers = join(import.meta.dirname, '..', 'fixtures', 'tokenizers')

/** ChatML without training marks. */
const chatml =
  "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"

/** A template that moves the system message into the last user message, as some Mistral templates do. */
const wandering =
  "{%- set system = messages[0]['content'] %}{%- for message in messages[1:] %}{{- '<|im_start|>' + message['role'] + '\\n' }}{%- if message['role'] == 'user' and loop.index0 == ((messages|length - 2) // 2) * 2 %}{{- system + '\\n' }}{%- endif %}{{- message['content'] + '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"

/** A folder with a model of random weights (2 layers, 600 tokens), a tokenizer with ChatML, and data. */
export async function makeWorkplace(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fettle-cli-'))
  const model = join(folder, 'model')
  await cp(join(tokenizers, 'bytebpe-qwen'), model, { recursive: true })
  const tokenizer = await AutoTokenizer.fromPretrained(model)
  const random = await AutoModelForCausalLM.fromConfig(
    {
      model_type: 'llama',
      architectures: ['LlamaForCausalLM'],
      vocab_size: tokenizer.length,
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: 128,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      tie_word_embeddings: true,
      initializer_range: 0.2,
      torch_dtype: 'float32',
      eos_token_id: tokenizer.eosTokenId,
    },
    { engine: 'reference', seed: 1 },
  )
  await random.save(model)
  await random.addAdapter({
    r: 2,
    targetModules: ['q_proj', 'v_proj'],
    baseModelNameOrPath: model,
  })
  const { trainable } = await internalsOf(random).training()
  // As if it had been trained: B is no longer zero.
  const number = createRandom(1)
  const values = Float32Array.from({ length: trainable.size }, () => number() - 0.5)
  trainable.engine.write(trainable.parameters, values)
  await random.saveAdapter(join(folder, 'adapter'))
  await writeFile(join(model, 'chat_template.jinja'), chatml)
  await cp(model, join(folder, 'wandering'), { recursive: true })
  await writeFile(join(folder, 'wandering', 'chat_template.jinja'), wandering)
  const rows = [
    [
      ['user', 'What is the sea?'],
      ['assistant', 'Much water.'],
    ],
    [
      ['system', 'Be kind.'],
      ['user', 'Hello'],
      ['assistant', 'Hi!'],
      ['user', 'Bye'],
      ['assistant', 'See you.'],
    ],
  ].map((turns) => ({ messages: turns.map(([role, content]) => ({ role, content })) }))
  await writeFile(join(folder, 'train.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await writeFile(join(folder, 'broken.jsonl'), `${JSON.stringify(rows[0])}\n{"messages": [\n`)
  return folder
}

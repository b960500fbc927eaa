import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Machine } from '../../src/doctor/index.ts'
import { writeSafetensors } from '../../src/formats/index.ts'
import { createRandom } from '../../src/random.ts'

export const fixtures = join(import.meta.dirname, '..', 'fixtures')
const scratch = mkdtempSync(join(tmpdir(), 'fettle-doctor-'))

/** A machine that nothing small is too large for. */
export const machine: Machine = {
  memoryBytes: 16e9,
  engine: 'native',
  isa: 'avx512bf16',
  bfloat16: true,
}

/** Files by name; objects are written as JSON, lists as JSON lines. */
export type Files = Record<string, string | Buffer | object | readonly unknown[]>

export function write(folder: string, files: Files): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    const isText = typeof content === 'string' || Buffer.isBuffer(content)
    const text = Array.isArray(content)
      ? content.map((row) => JSON.stringify(row)).join('\n')
      : JSON.stringify(content, null, 2)
    writeFileSync(path, isText ? content : text)
  }
  return folder
}

export const folderOf = (files: Files): string => write(mkdtempSync(join(scratch, 'case-')), files)

/** A data file; returns its path. */
export const dataOf = (rows: readonly unknown[], name = 'train.jsonl'): string =>
  join(folderOf({ [name]: rows }), name)

/** A run file; returns its path. */
export const runOf = (text: string): string => join(folderOf({ 'run.yaml': text }), 'run.yaml')

export const chat = (question: string, answer: string, ...more: object[]) => ({
  messages: [{ role: 'user', content: question }, { role: 'assistant', content: answer }, ...more],
})

/** Conversations that nothing is wrong with. */
export const goodRows = [chat('What is it?', 'It is a test.'), chat('Is it long?', 'No, it is short.')]

export const modelConfig = {
  model_type: 'llama',
  vocab_size: 600,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
  tie_word_embeddings: true,
  eos_token_id: 599,
  dtype: 'float32',
}

/** What differs from a model that nothing is wrong with. */
export interface ModelChanges {
  config?: object
  /** null: no file. */
  generation?: object | null
  tokenizer?: { name?: string; config?: object; template?: string | null }
  /** Rows of the embedding that are multiplied. */
  scaledRows?: Record<number, number>
  /** A head of its own, with these rows multiplied. */
  headRows?: Record<number, number>
  /** Rows of the embedding that are nearly those of others. */
  nearCopies?: Record<number, number>
}

/** <|endoftext|> 597 pads, <|im_start|> 598, <|im_end|> 599 ends turns; 600 rows, ChatML. */
export async function modelOf(changes: ModelChanges = {}): Promise<string> {
  const folder = mkdtempSync(join(scratch, 'model-'))
  const config: Record<string, unknown> = { ...modelConfig, ...changes.config }
  write(folder, { 'config.json': config })
  if (changes.generation !== null)
    write(folder, {
      'generation_config.json': changes.generation ?? { eos_token_id: 599, pad_token_id: 597 },
    })
  putTokenizer(folder, changes.tokenizer)
  const rows = Number(config['vocab_size'])
  const random = createRandom(1)
  const values = (shape: number[]) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.2 * (random() - 0.5))
  const layer = 'model.layers.0'
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [rows, 16],
    [`${layer}.input_layernorm.weight`]: [16],
    [`${layer}.self_attn.q_proj.weight`]: [16, 16],
    [`${layer}.self_attn.k_proj.weight`]: [16, 16],
    [`${layer}.self_attn.v_proj.weight`]: [16, 16],
    [`${layer}.self_attn.o_proj.weight`]: [16, 16],
    [`${layer}.post_attention_layernorm.weight`]: [16],
    [`${layer}.mlp.gate_proj.weight`]: [24, 16],
    [`${layer}.mlp.up_proj.weight`]: [24, 16],
    [`${layer}.mlp.down_proj.weight`]: [16, 24],
    'model.norm.weight': [16],
    ...(changes.headRows && { 'lm_head.weight': [rows, 16] }),
  }
  const scale = (data: Float32Array, factors: Record<number, number> = {}) => {
    for (const [row, factor] of Object.entries(factors))
      for (let i = 0; i < 16; i += 1) data[Number(row) * 16 + i] *= factor
  }
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    Object.entries(shapes).map(([name, shape]) => {
      const data = values(shape)
      if (name.includes('embed')) scale(data, changes.scaledRows)
      if (name.includes('head')) scale(data, changes.headRows)
      if (name.includes('embed'))
        for (const [row, other] of Object.entries(changes.nearCopies ?? {}))
          for (let i = 0; i < 16; i += 1) data[Number(row) * 16 + i] = data[other * 16 + i] + 1e-5 * (i % 2)
      return { name, dtype: 'F32' as const, shape, data }
    }),
  )
  return folder
}

/** The files of a tokenizer fixture, with other settings or another template. */
function putTokenizer(folder: string, changes: ModelChanges['tokenizer'] = {}): string {
  const source = join(fixtures, 'tokenizers', changes.name ?? 'bytebpe-qwen')
  mkdirSync(folder, { recursive: true })
  cpSync(join(source, 'tokenizer.json'), join(folder, 'tokenizer.json'))
  const config = JSON.parse(readFileSync(join(source, 'tokenizer_config.json'), 'utf8')) as object
  write(folder, { 'tokenizer_config.json': { ...config, ...changes.config } })
  const template =
    changes.template === undefined
      ? readFileSync(join(source, 'chat_template.jinja'), 'utf8')
      : changes.template
  if (template !== null) write(folder, { 'chat_template.jinja': template })
  return folder
}

/** A tokenizer alone. */
export const tokenizerOf = (): string => putTokenizer(mkdtempSync(join(scratch, 'tokenizer-')))

/** What differs from an adapter that nothing is wrong with. */
export interface AdapterChanges {
  config?: object
  tokenizer?: ModelChanges['tokenizer']
  tensors?: string[]
  files?: Files
}

/** An adapter on q_proj of a model. */
export async function adapterOf(base: string, changes: AdapterChanges = {}): Promise<string> {
  const folder = folderOf({
    'adapter_config.json': {
      peft_type: 'LORA',
      base_model_name_or_path: base,
      r: 4,
      lora_alpha: 8,
      target_modules: ['q_proj'],
      ...changes.config,
    },
    ...changes.files,
  })
  if (changes.tokenizer) putTokenizer(folder, changes.tokenizer)
  const names = changes.tensors ?? ['model.layers.0.self_attn.q_proj']
  await writeSafetensors(
    join(folder, 'adapter_model.safetensors'),
    names.flatMap((name) => [
      {
        name: `base_model.model.${name}.lora_A.weight`,
        dtype: 'F32' as const,
        shape: [4, 16],
        data: new Float32Array(64),
      },
      {
        name: `base_model.model.${name}.lora_B.weight`,
        dtype: 'F32' as const,
        shape: [16, 4],
        data: new Float32Array(64),
      },
    ]),
  )
  return folder
}

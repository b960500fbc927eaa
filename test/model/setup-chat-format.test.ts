import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chatFormats } from '../../src/chat/index.ts'
import { openWeightFiles, readTensorBytes, toFloat32 } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, setupChatFormat } from '../../src/model/index.ts'
import { AutoTokenizer, readGenerationConfig } from '../../src/tokenizer/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-format-'))
const tokenizers = join(import.meta.dirname, '..', 'fixtures', 'tokenizers')
const messages = [
  { role: 'user', content: 'hello' },
  { role: 'assistant', content: 'the answer' },
]

async function tinyModel(vocabSize: number, tied: boolean) {
  return AutoModelForCausalLM.fromConfig(
    {
      model_type: 'llama',
      vocab_size: vocabSize,
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      max_position_embeddings: 64,
      tie_word_embeddings: tied,
      eos_token_id: [1, 2],
      dtype: 'float32',
    },
    { engine: 'reference', dtype: 'float32' },
  )
}

async function plainTokenizer(name: string) {
  const tokenizer = await AutoTokenizer.fromPretrained(join(tokenizers, name))
  tokenizer.chatTemplate = undefined
  return tokenizer
}

const rowOf = async (model: AutoModelForCausalLM, id: number) => {
  const folder = mkdtempSync(join(scratch, 'model-'))
  await model.save(folder, { dtype: 'float32' })
  const info = (await openWeightFiles(folder)).get('model.embed_tokens.weight')
  if (!info) throw new Error('no embedding')
  const values = toFloat32(await readTensorBytes(info), info.dtype)
  const [rows, columns] = info.shape
  return { row: values.slice(id * columns, (id + 1) * columns), values, rows, columns }
}

describe('setupChatFormat', () => {
  it.each(Object.keys(chatFormats) as (keyof typeof chatFormats)[])(
    '%s: every turn ends in a stop token that is one token',
    async (name) => {
      const tokenizer = await plainTokenizer('spbpe-llama2')
      const model = await tinyModel(tokenizer.length, true)
      const { stopTokenIds } = await setupChatFormat(model, tokenizer, name)
      const { spans, inputIds } = await tokenizer.encodeChat(messages)
      expect(spans).toHaveLength(1)
      expect(spans[0].status).toBe('marked')
      expect(stopTokenIds).toContain(inputIds[spans[0].end - 1])
      expect(Math.max(...inputIds)).toBeLessThan(model.vocabSize)
    },
  )

  it('makes room for new tokens, as average ones, and keeps the configurations in step', async () => {
    const tokenizer = await plainTokenizer('spbpe-llama2')
    const length = tokenizer.length
    for (const tied of [true, false]) {
      const own = await plainTokenizer('spbpe-llama2')
      const model = await tinyModel(length, tied)
      const { newTokens, rows } = await setupChatFormat(model, own, 'chatml', { padToMultipleOf: 16 })
      expect(newTokens.map(({ token }) => token)).toEqual(['<|im_start|>', '<|im_end|>'])
      expect(rows).toEqual({ before: length, after: Math.ceil((length + 2) / 16) * 16 })
      const end = newTokens[1].id
      // </s> (2) pads here, so it no longer ends anything.
      expect(model.generationConfig.eosTokenIds).toEqual([end, 1])
      expect(model.config['eos_token_id']).toBe(end)
      expect(own.eosTokenId).toBe(end)
      const { row, values, columns } = await rowOf(model, end)
      const mean = Array.from({ length: columns }, (_, column) => {
        let sum = 0
        for (let i = 0; i < length; i += 1) sum += values[i * columns + column]
        return sum / length
      })
      row.forEach((value, column) => expect(value).toBeCloseTo(mean[column], 6))
    }
  })

  it('keeps spare rows, and gives those it uses the mean', async () => {
    const tokenizer = await plainTokenizer('spbpe-llama2')
    const model = await tinyModel(tokenizer.length + 50, true)
    const before = await rowOf(model, tokenizer.length)
    const { rows, newTokens } = await setupChatFormat(model, tokenizer)
    expect(rows.after).toBe(rows.before)
    const after = await rowOf(model, newTokens[0].id)
    expect([...after.row]).not.toEqual([...before.row])
    expect([...after.row]).toEqual([...(await rowOf(model, newTokens[1].id)).row])
  })

  it('reuses tokens that exist and writes files that agree', async () => {
    const tokenizer = await plainTokenizer('bytebpe-qwen')
    const model = await tinyModel(tokenizer.length, true)
    const { newTokens } = await setupChatFormat(model, tokenizer, 'chatml')
    expect(newTokens).toEqual([])
    const folder = mkdtempSync(join(scratch, 'saved-'))
    await model.save(folder)
    await tokenizer.save(folder)
    const loaded = await AutoTokenizer.fromPretrained(folder)
    expect(loaded.chatTemplate).toBe(chatFormats.chatml.template)
    const generation = await readGenerationConfig(folder)
    expect(generation.eosTokenIds[0]).toBe(loaded.eosTokenId)
    expect(generation.padTokenId).toBe(loaded.padTokenId)
  })

  it('does not replace a template unasked', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(join(tokenizers, 'bytebpe-qwen'))
    const model = await tinyModel(tokenizer.length, true)
    await expect(setupChatFormat(model, tokenizer)).rejects.toThrow('replaceTemplate: true')
    await setupChatFormat(model, tokenizer, 'gemma', { replaceTemplate: true })
    expect(tokenizer.applyChatTemplate(messages)).toContain('<start_of_turn>model')
  })
})

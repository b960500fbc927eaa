import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { readSafetensorsHeader } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, setupChatFormat } from '../../src/model/index.ts'
import { AutoTokenizer, ensurePadToken, type Tokenizer } from '../../src/tokenizer/index.ts'
import { trainSft, type EvalEvent, type TrainSftInput } from '../../src/train/index.ts'

const tokenizers = join(import.meta.dirname, '..', 'fixtures', 'tokenizers')
const engine = nativeProblem() === undefined ? 'native' : 'reference'

/** Answers of different lengths, so that batches have padding. */
const rows = [
  ['one', 'a'],
  ['two', 'the answer is two'],
  ['three', 'it is of'],
  ['four', 'and to the one in that is for it'],
].map(([question, answer]) => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
}))

async function tinyModel(vocabSize: number): Promise<AutoModelForCausalLM> {
  const config = {
    model_type: 'llama',
    vocab_size: vocabSize,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 128,
    tie_word_embeddings: true,
    initializer_range: 0.1,
    dtype: 'float32',
  }
  return AutoModelForCausalLM.fromConfig(config, { engine, dtype: 'float32', threads: 2 })
}

/** Trains on the rows and evaluates on them: what is asked is whether the end is learned at all. */
async function train(
  model: AutoModelForCausalLM,
  tokenizer: Tokenizer,
  options: Partial<TrainSftInput>,
): Promise<EvalEvent> {
  let last: EvalEvent | undefined
  const input: TrainSftInput = {
    model,
    tokenizer,
    data: [{ rows }],
    evalData: [{ rows }],
    outputDir: mkdtempSync(join(tmpdir(), 'fettle-pad-')),
    packing: false,
    perDeviceTrainBatchSize: 4,
    maxSteps: 80,
    learningRate: 1e-2,
    saveSteps: 0,
    evalSteps: 0,
    ...options,
  }
  for await (const event of trainSft(input)) if (event.type === 'eval') last = event
  if (!last) throw new Error('there was no evaluation')
  return last
}

/** Answers to all questions at once, so that the prompts are padded. */
async function answers(model: AutoModelForCausalLM, tokenizer: Tokenizer) {
  const prompts = rows.map(({ messages: [question] }) =>
    tokenizer.applyChatTemplate([question], { addGenerationPrompt: true }),
  )
  const { inputIds, attentionMask } = await tokenizer.encode(prompts, {
    addSpecialTokens: false,
    padding: 'longest',
    paddingSide: 'left',
  })
  return model.generate({ inputIds, attentionMask }, { maxNewTokens: 40 })
}

const template =
  "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %}{% generation %} {{ m['content'] + eos_token }}{% endgeneration %}{% endif %}{% endfor %}"

describe('pad strategies', () => {
  it.each(['unk', 'eos', 'new'])(
    '%s: the end of answers is learned, and generation stops',
    async (policy) => {
      const tokenizer = await AutoTokenizer.fromPretrained(join(tokenizers, 'spbpe-llama2'))
      tokenizer.chatTemplate = template
      const model = await tinyModel(tokenizer.length)
      const pad = ensurePadToken(tokenizer, policy, model.vocabSize)
      if (pad.newRows > 0) await model.resizeTokenEmbeddings(tokenizer.length)
      expect([pad.source, pad.newRows]).toEqual([policy, policy === 'new' ? 1 : 0])
      const { stop_probability, early_stop_probability } = await train(model, tokenizer, { lora: null })
      expect(stop_probability).toBeGreaterThan(0.95)
      expect(early_stop_probability).toBeLessThan(0.05)
      for (const ids of await answers(model, tokenizer)) {
        expect(ids.length).toBeLessThan(40)
        expect(ids.at(-1)).toBe(tokenizer.eosTokenId)
      }
    },
  )
})

it('an adapter with the rows of new tokens learns a new format, and is small', async () => {
  const tokenizer = await AutoTokenizer.fromPretrained(join(tokenizers, 'spbpe-llama2'))
  const model = await tinyModel(tokenizer.length)
  const { newTokens } = await setupChatFormat(model, tokenizer, 'chatml', { replaceTemplate: true })
  const outputDir = mkdtempSync(join(tmpdir(), 'fettle-pad-'))
  await model.addAdapter({ r: 8, loraAlpha: 16, trainableTokenIndices: newTokens.map(({ id }) => id) })
  const { stop_probability } = await train(model, tokenizer, { outputDir, maxSteps: 150 })
  expect(stop_probability).toBeGreaterThan(0.9)
  const generated = await answers(model, tokenizer)
  for (const ids of generated) expect(ids.at(-1)).toBe(newTokens[1].id)
  const { tensors } = await readSafetensorsHeader(join(outputDir, 'adapter_model.safetensors'))
  const rowTensors = [...tensors.values()].filter(({ name }) => name.includes('embed_tokens'))
  expect(rowTensors.map(({ shape }) => shape)).toEqual([[2, 32]])
})

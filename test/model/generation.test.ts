import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'

const tiny = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)
const model = await AutoModelForCausalLM.fromPretrained(tiny)
const prompts = (await tokenizer.encode(['In the middle of winter', 'Rosa', 'The town beside'])).inputIds
const settings = { maxNewTokens: 12 }
const generated = await model.generate({ inputIds: prompts }, settings)

describe('generate', () => {
  test('takes rows of different lengths, as it takes padded ones', async () => {
    const longest = Math.max(...prompts.map((prompt) => prompt.length))
    const padding = prompts.map((prompt) => Array.from({ length: longest - prompt.length }, () => 0))
    const padded = {
      inputIds: prompts.map((prompt, i) => [...padding[i], ...prompt]),
      attentionMask: prompts.map((prompt, i) => [...padding[i], ...prompt.map(() => 1)]),
    }
    expect(await model.generate(padded, settings)).toEqual(generated)
  })

  test('says why each row ended where it is asked', async () => {
    const stopTokenIds = [generated[0][3]]
    const { sequences, finishReasons } = await model.generate(
      { inputIds: [prompts[0], prompts[1]] },
      { maxNewTokens: 4, stopTokenIds, returnDictInGenerate: true },
    )
    expect(sequences[0]).toEqual(generated[0].slice(0, generated[0].indexOf(stopTokenIds[0]) + 1))
    expect(finishReasons).toEqual(['stop', sequences[1].includes(stopTokenIds[0]) ? 'stop' : 'length'])
  })

  test('ends each row at maxLength, its prompt counted', async () => {
    const maxLength = Math.max(...prompts.map((prompt) => prompt.length)) + 1
    const sequences = await model.generate({ inputIds: prompts }, { ...settings, maxLength })
    expect(sequences.map((tokens, i) => tokens.length + prompts[i].length)).toEqual([
      maxLength,
      maxLength,
      maxLength,
    ])
  })

  test('refuses a prompt that is longer than maxLength', async () => {
    const generation = model.generate({ inputIds: prompts }, { maxLength: 2 })
    await expect(generation).rejects.toThrow('at most 2, the room there is')
  })
})

describe('stream', () => {
  test('gives the tokens of generate, and their text', async () => {
    const tokens: number[][] = [[], [], []]
    const texts = ['', '', '']
    for await (const { row, tokenIds, text } of model.stream(
      { inputIds: prompts },
      { ...settings, tokenizer },
    )) {
      tokens[row].push(...tokenIds)
      texts[row] += text
    }
    expect(tokens).toEqual(generated)
    expect(texts).toEqual(generated.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true })))
  })

  test('gives tokens alone without a tokenizer', async () => {
    const { value } = await model.stream({ inputIds: prompts }, { maxNewTokens: 1 }).next()
    expect(value).toEqual({ row: 0, tokenIds: [generated[0][0]], finishReason: 'length' })
  })

  test('leaves the model free for the next call when its reader goes', async () => {
    for await (const piece of model.stream({ inputIds: prompts }, { maxNewTokens: 400, stopTokenIds: [] }))
      if (piece.row === 2) break
    expect(await model.generate({ inputIds: prompts }, settings)).toEqual(generated)
  })
})

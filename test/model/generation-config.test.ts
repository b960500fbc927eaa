import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { AutoTokenizer, parseGenerationConfig } from '../../src/tokenizer/index.ts'

interface Recorded {
  options: Record<string, unknown>
  prompt: number[]
  tokens: number[]
}

const fixture = new URL('../fixtures/generate/generation.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Recorded[]
const tiny = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
const tokenizer = await AutoTokenizer.fromPretrained(tiny)
const model = await AutoModelForCausalLM.fromPretrained(tiny, { dtype: 'float32' })
const ofFile = model.generationConfig.raw
const set = (options: Record<string, unknown>) => {
  model.generationConfig = parseGenerationConfig({ ...ofFile, ...options })
}
afterEach(() => set({}))

const cases = recorded.map((one) => ({
  name: `${JSON.stringify(one.options)} after ${one.prompt[1]}`,
  ...one,
}))

test.each(cases)('what the file says gives the tokens of Transformers: $name', async (golden) => {
  set(golden.options)
  const [tokens] = await model.generate({ inputIds: [golden.prompt] }, { tokenizer })
  expect(tokens).toEqual(golden.tokens)
})

test.each(cases)('guesses change nothing: $name', async ({ options, prompt, tokens }) => {
  set(options)
  const guessed = await model.generate({ inputIds: [prompt] }, { tokenizer, promptLookupNumTokens: 4 })
  expect(guessed).toEqual([tokens])
})

test('options go above the file', async () => {
  const [{ prompt }] = recorded
  const greedy = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 6 })
  set({ max_new_tokens: 3, do_sample: true, temperature: 5, suppress_tokens: [greedy[0][0]] })
  const options = { maxNewTokens: 6, doSample: false, suppressTokens: [] }
  expect(await model.generate({ inputIds: [prompt] }, options)).toEqual(greedy)
})

test.each([
  ['num_beams', 4, '1: fettle has no beam search'],
  ['penalty_alpha', 0.6, '0: fettle has no contrastive search'],
  ['typical_p', 0.9, '1: fettle draws by top_k, top_p and min_p'],
  ['sequence_bias', [[[1], 2]], 'null'],
])('%s is not obeyed, and named where it would matter', async (key, value, expected) => {
  set({ [key]: value })
  await expect(model.generate({ inputIds: [[1]] })).rejects.toThrow(
    `generation_config.json: ${key}: ${JSON.stringify(value).replaceAll(',', ', ')}; expected ${expected}`,
  )
})

test.each<[Record<string, unknown>, string]>([
  [
    { do_sample: true, temperature: -1 },
    'temperature: -1; expected a number above 0; do_sample: false takes the most likely token. Correct the file, or give temperature.',
  ],
  [{ do_sample: true, top_p: 2 }, 'top_p: 2; expected a number from 0 to 1. Correct the file, or give topP.'],
  [{ do_sample: true, min_p: -0.5 }, 'min_p: -0.5; expected a number from 0 to 1'],
  [{ repetition_penalty: 0 }, 'repetition_penalty: 0; expected a number above 0'],
  [
    { min_new_tokens: 9, max_new_tokens: 3 },
    'min_new_tokens: 9; expected at most the 3 new tokens that there may be',
  ],
])('a number of the file that nothing can be done with is named with the file: %j', async (options, says) => {
  model.generationConfig = parseGenerationConfig({ ...ofFile, ...options }, 'm/generation_config.json')
  await expect(model.generate({ inputIds: [[1]] })).rejects.toThrow(`m/generation_config.json: ${says}`)
})

test('what an option says instead, or what draws nothing, need not be right in the file', async () => {
  set({ do_sample: true, temperature: -1, top_p: 2 })
  const own = { temperature: 1, topP: 1, maxNewTokens: 1 }
  expect(await model.generate({ inputIds: [[1]] }, own)).toHaveLength(1)
  expect(await model.generate({ inputIds: [[1]] }, { doSample: false, maxNewTokens: 1 })).toHaveLength(1)
  await expect(model.generate({ inputIds: [[1]] }, { ...own, temperature: -2 })).rejects.toThrow(
    /^temperature: -2; /,
  )
})

test('lengths of the file that nothing fits into, and those that no model has', async () => {
  set({ max_length: 4 })
  const inputIds = [[1, 2, 3, 4, 5]]
  await expect(model.generate({ inputIds })).rejects.toThrow(
    'generation_config.json: max_length: 4, and a prompt of 5 tokens; expected more than the prompt has',
  )
  const [tokens] = await model.generate({ inputIds }, { maxNewTokens: 2 })
  expect(tokens.length).toBeLessThanOrEqual(2)
  set({ max_new_tokens: 1e9 })
  const many = await model.generate(
    { inputIds },
    { stopTokenIds: Array.from({ length: 2048 }, (_, id) => id) },
  )
  expect(many[0]).toHaveLength(1)
})

test('defaults that are written out ask for nothing', async () => {
  set({ num_beams: 1, num_beam_groups: 1, diversity_penalty: 0, typical_p: 1, top_k: null, min_length: 0 })
  expect(await model.generate({ inputIds: [[1]] }, { maxNewTokens: 2 })).toHaveLength(1)
})

test('values of another type are errors about their keys, all at once', () => {
  expect(() =>
    parseGenerationConfig({ temperature: 'hot', suppress_tokens: 3, bad_words_ids: [[]] }, 'g'),
  ).toThrow(
    /g: temperature: "hot"; expected a number.*\n.*suppress_tokens: 3; expected a list.*\n.*bad_words_ids/,
  )
})

describe('stop strings', () => {
  const [{ prompt }] = recorded

  test('a stream shows nothing of them, and no more than that', async () => {
    const read = async (stopStrings: string[]) => {
      let text = ''
      let tokens = 0
      let reason
      for await (const piece of model.stream(
        { inputIds: [prompt] },
        { tokenizer, stopStrings, maxNewTokens: 12 },
      )) {
        text += piece.text
        tokens += piece.tokenIds.length
        reason = piece.finishReason
      }
      return { text, tokens, reason }
    }
    const whole = await read([])
    expect(whole.text).toContain(' blower called Rosa')
    const cut = await read(['wer cal', 'never said'])
    expect(cut).toEqual({
      text: whole.text.slice(0, whole.text.indexOf('wer cal')),
      tokens: 4,
      reason: 'stop',
    })
    // What only began like one is shown in the end.
    expect(await read(['Rosa came to Kestrel P!'])).toEqual(whole)
  })

  test('need a tokenizer', async () => {
    await expect(model.generate({ inputIds: [prompt] }, { stopStrings: 'a' })).rejects.toThrow(
      'stopStrings: no tokenizer beside it; expected the tokenizer that reads the text of the answer',
    )
    await expect(model.generate({ inputIds: [prompt] }, { stopStrings: [''], tokenizer })).rejects.toThrow(
      'stopStrings: [""]; expected texts that are not empty',
    )
  })
})

test('the draws of a row are its own: in any batch, and unlike those of other rows with the same prompt', async () => {
  const [{ prompt }] = recorded
  const sample = async (batch: number) => {
    const answers: number[][] = []
    for (let firstRow = 0; firstRow < 34; firstRow += batch) {
      const inputIds = Array.from({ length: Math.min(batch, 34 - firstRow) }, () => prompt)
      const options = { doSample: true, topK: 0, seed: 7, firstRow, maxNewTokens: 12 }
      answers.push(...(await model.generate({ inputIds }, options)))
    }
    return answers
  }
  const together = await sample(34)
  expect(new Set(together.map(String)).size).toBe(34)
  for (const batch of [1, 8, 32]) expect(await sample(batch)).toEqual(together)
})

describe('weights that are no numbers', () => {
  test.each([
    {},
    { doSample: true },
    { doSample: true, topK: 0 },
    { repetitionPenalty: 1.2 },
    { suppressTokens: [3] },
  ])('no token is chosen by their logits: %j', async (options) => {
    const broken = await AutoModelForCausalLM.fromPretrained(tiny, { dtype: 'float32' })
    const { architecture, frozen, engine } = internalsOf(broken).state
    const { table } = architecture.embedding
    const tensor = frozen.get(table.key)
    if (!tensor) throw new Error('no embedding')
    // One row that no prompt reads: only the logit of its token is NaN.
    const values = (await engine.read(tensor)) as Float32Array
    values[5 * table.columns] = Number.NaN
    engine.write(tensor, values)
    await expect(
      broken.generate(
        {
          inputIds: [
            [1, 9],
            [1, 8],
          ],
        },
        { ...options, firstRow: 6 },
      ),
    ).rejects.toThrow('logits of row 6, token 1: NaN or infinite logits; expected finite numbers')
  })
})

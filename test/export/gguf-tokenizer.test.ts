import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { readSpeech } from '../../src/export/certificate/own-speech.ts'
import type { ExportSource } from '../../src/export/format.ts'
import { preTokenizerName } from '../../src/export/gguf/tokenizer/pre-tokenizer.ts'
import { endsByText, tokenizerEntries, unnamedStops } from '../../src/export/gguf/tokenizer/index.ts'
import { nameTurnEnds } from '../../src/export/gguf/tokenizer/special-tokens.ts'
import { readGguf, type GgufEntry } from '../../src/formats/index.ts'
import { AutoTokenizer, findStopSet, preTokenizerNamed, type JsonObject } from '../../src/tokenizer/index.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures')

/** What llama.cpp's converter made: test/fixtures/export/record_tokenizers.py. */
const golden = JSON.parse(readFileSync(join(fixtures, 'export', 'gguf-tokenizers.json'), 'utf8')) as Record<
  string,
  { count: number; architecture: string; entries: Record<string, unknown> }
>

async function entriesOf(name: string, count: number, architecture: string) {
  const folder = join(fixtures, 'tokenizers', name)
  const tokenizer = await AutoTokenizer.fromPretrained(folder)
  const source = {
    paths: { model: folder },
    tokenizer,
    model: { config: { raw: {} } },
    generationConfig: { eosTokenIds: [], raw: {} },
    stopSet: findStopSet(tokenizer),
  }
  // The name of a pre-tokenizer is tested below.
  const entries = await tokenizerEntries(source as unknown as ExportSource, architecture, count)
  return Object.fromEntries([...entries].map(([key, { value }]) => [key, value]))
}

/** What is told otherwise than the converter tells it: the pre-tokenizer's name, and scores by the order of merges. */
const otherwise = ['tokenizer.ggml.pre', 'tokenizer.ggml.scores']

it.each(Object.entries(golden))(
  '%s: the entries of llama.cpp’s converter',
  async (name, { count, architecture, entries }) => {
    // The converter does not fill such a vocabulary up.
    const rows = name.startsWith('spbpe') ? count - 3 : count
    const found = await entriesOf(name, rows, architecture)
    // What is special and has no name is a control token all the same.
    const kept = name === 'spbpe-llama2/with_added' ? [...otherwise, 'tokenizer.ggml.token_type'] : otherwise
    const without = (all: Record<string, unknown>) =>
      Object.fromEntries(
        Object.entries(all)
          .filter(([key]) => !kept.includes(key))
          .toSorted(),
      )
    expect(without(found)).toEqual(without(entries))
  },
)

test('Gemma 4: the entries of llama.cpp’s converter', async () => {
  const { metadata } = readGguf(join(fixtures, 'tokenizers', 'gguf', 'gemma4.gguf'))
  const tokens = metadata.get('tokenizer.ggml.tokens') as string[]
  const found = await entriesOf('spbpe-gemma4', tokens.length, 'gemma4')
  const expected = [...metadata].filter(([key]) => key.startsWith('tokenizer.'))
  expect(Object.entries(found).toSorted()).toEqual(expected.toSorted())
  // A file for another architecture has the scores of its merges.
  expect(await entriesOf('spbpe-gemma4', tokens.length, 'llama')).toMatchObject({
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.add_space_prefix': false,
  })
})

describe('where llama.cpp stops', () => {
  const stops = (...tokens: string[]) => ({
    ids: tokens.map((_, id) => id),
    tokens: tokens.map((token, id) => ({ id, token, sources: ['template' as const] })),
  })
  const eos = (id: number): [string, GgufEntry] => ['tokenizer.ggml.eos_token_id', { type: 'u32', value: id }]

  it.each([
    ['those of a vocabulary', ['<|im_end|>', '<|endoftext|>', 'a'], ['<|im_end|>', '<|endoftext|>']],
    [
      '<|end|> with <|return|> and <|call|> is none',
      ['<|end|>', '<|return|>', '<|call|>'],
      ['<|return|>', '<|call|>'],
    ],
    ['</s> with <|tool_response> is none', ['</s>', '<|tool_response>'], ['<|tool_response>']],
    ['else both are some', ['<|end|>', '<|return|>', '</s>'], ['<|end|>', '<|return|>', '</s>']],
  ])('%s', (_, vocabulary, expected) => {
    expect(endsByText((token) => vocabulary.includes(token)).toSorted()).toEqual(expected.toSorted())
  })

  it('by entries: eos, then two more of those that it does not know by their texts', () => {
    const entries = new Map([eos(0)])
    const stopSet = stops('<end>', '<|im_end|>', '<turn>', '<message>', '<third>')
    nameTurnEnds(entries, stopSet)
    expect([...entries].map(([key, { value }]) => [key, value])).toEqual([
      ['tokenizer.ggml.eos_token_id', 0],
      ['tokenizer.ggml.eot_token_id', 2],
      ['tokenizer.ggml.eom_token_id', 3],
    ])
    expect(unnamedStops(entries, stopSet)).toMatchObject([{ token: '<third>' }])
  })

  it('fettle stops, too, where it reads the file back for a certificate', async () => {
    const path = join(fixtures, 'tokenizers', 'gguf', 'gemma4.gguf')
    const tokenizer = await AutoTokenizer.fromPretrained(path)
    const { isStop } = await readSpeech(path)
    const ends = ['<turn|>', '<eos>', '<|turn>'].map((token) =>
      isStop(tokenizer.convertTokensToIds(token) ?? -1),
    )
    expect(ends).toEqual([true, true, false])
  })
})

test('what sentencepiece joins first has the higher score', async () => {
  const { count } = golden['spbpe-llama2']
  const found = await entriesOf('spbpe-llama2', count, 'llama')
  const tokens = found['tokenizer.ggml.tokens'] as string[]
  const scores = found['tokenizer.ggml.scores'] as number[]
  const { model } = JSON.parse(
    readFileSync(join(fixtures, 'tokenizers', 'spbpe-llama2', 'tokenizer.json'), 'utf8'),
  ) as {
    model: { merges: [string, string][] }
  }
  const made = [...new Set(model.merges.map(([left, right]) => left + right))]
  const ofMade = made.map((token) => scores[tokens.indexOf(token)])
  expect(ofMade.length).toBeGreaterThan(50)
  expect(ofMade).toEqual(ofMade.toSorted((a, b) => b - a))
})

test.each([
  ['bytebpe-gpt2', 'gpt-2'],
  ['bytebpe-qwen', 'qwen2'],
])('%s: its patterns are those of %s', async (name, expected) => {
  const folder = join(fixtures, 'tokenizers', name)
  const json = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as JsonObject
  expect(preTokenizerNamed(json)).toBe(expected)
  expect(await preTokenizerName(await AutoTokenizer.fromPretrained(folder), json, 'llama-bpe')).toBe(expected)
})

test('patterns without a name: those of the base file, or none', async () => {
  const folder = join(fixtures, 'tokenizers', 'bytebpe-qwen')
  const tokenizer = await AutoTokenizer.fromPretrained(folder)
  const json = { pre_tokenizer: { type: 'Split', pattern: { Regex: 'abc' }, behavior: 'Isolated' } }
  expect(await preTokenizerName(tokenizer, json, 'llama-bpe')).toBe('llama-bpe')
  await expect(preTokenizerName(tokenizer, json, undefined)).rejects.toThrow(
    'patterns that llama.cpp has no name for',
  )
})

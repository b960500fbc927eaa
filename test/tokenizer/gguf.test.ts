import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tokenizer as RustTokenizer } from 'tokenizers'
import { describe, expect, it, test } from 'vitest'
import { AutoTokenizer, readGenerationConfig } from '../../src/tokenizer/index.ts'
import { preTokenizers } from '../../src/tokenizer/node/gguf/pre-tokenizers.ts'
import { fixtures } from './golden.ts'

const folder = join(fixtures, 'gguf')
const scratch = mkdtempSync(join(tmpdir(), 'fettle-gguf-tokenizer-'))

/** Recorded with llama.cpp. */
const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Record<
  string,
  { text: string; ids: number[]; with_bos: number[] }[]
>

describe.each(Object.entries(golden))('%s.gguf', async (name, strings) => {
  const tokenizer = await AutoTokenizer.fromPretrained(join(folder, `${name}.gguf`))
  await tokenizer.save(join(scratch, name))
  const saved = await AutoTokenizer.fromPretrained(join(scratch, name))

  it.each(strings)('text $text', async ({ text, ids, with_bos }) => {
    for (const each of [tokenizer, saved]) {
      expect((await each.encode(text, { addSpecialTokens: false })).inputIds).toEqual(ids)
      expect((await each.encode(text)).inputIds).toEqual(with_bos)
    }
  })
})

test('names, templates and ends of text come along', async () => {
  const path = join(folder, 'llama.gguf')
  const tokenizer = await AutoTokenizer.fromPretrained(path)
  expect([tokenizer.bosToken, tokenizer.eosToken, tokenizer.unkToken, tokenizer.padToken]).toEqual([
    '<s>',
    '</s>',
    '<unk>',
    undefined,
  ])
  expect(Object.fromEntries(tokenizer.chatTemplates)).toEqual({
    default: '{{ bos_token }}',
    tool_use: 'tools',
  })
  expect(tokenizer.applyChatTemplate([], {})).toBe('<s>')
  expect(tokenizer.applyChatTemplate([], { tools: [] })).toBe('tools')
  expect(
    tokenizer.decode((await tokenizer.encode('Hello, 你好 😀')).inputIds, { skipSpecialTokens: true }),
  ).toBe('Hello, 你好 😀')
  expect((await readGenerationConfig(path)).eosTokenIds).toEqual([2])
  await tokenizer.save(join(scratch, 'templates'))
  const saved = await AutoTokenizer.fromPretrained(join(scratch, 'templates'))
  expect(saved.chatTemplates).toEqual(tokenizer.chatTemplates)
})

test('a GGUF file without a usable vocabulary says so', async () => {
  const basic = new URL('../fixtures/gguf/basic.gguf', import.meta.url).pathname
  await expect(AutoTokenizer.fromPretrained(basic)).rejects.toThrow(
    'tokenizer.ggml.model: nothing; expected gpt2, llama or gemma4',
  )
  const iquants = new URL('../fixtures/gguf/iquants.safetensors', import.meta.url).pathname
  await expect(AutoTokenizer.fromPretrained(iquants)).rejects.toThrow(
    'the file iquants.safetensors; expected a model folder',
  )
})

describe('every pre-tokenizer of the table cuts a text without losing any of it', () => {
  const text = "I'll pay $1,234.50 for Straße №7 — 你好 한국 don't\r\n\n  x=`a`+[1];\tÀ la carte 😀"
  it.each([...preTokenizers])('%s', (_, { splits }) => {
    const rust = RustTokenizer.fromString(
      JSON.stringify({
        version: '1.0',
        added_tokens: [],
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: splits.map((Regex) => ({
            type: 'Split',
            pattern: { Regex },
            behavior: 'Isolated',
            invert: false,
          })),
        },
        model: { type: 'BPE', vocab: {}, merges: [] },
      }),
    )
    const pieces =
      rust
        .getPreTokenizer()
        ?.preTokenizeString(text)
        .map(([piece]) => piece) ?? []
    expect(pieces.join('')).toBe(text)
    expect(pieces.length).toBeGreaterThan(15)
  })
})

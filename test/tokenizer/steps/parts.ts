import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Backend } from '../../../src/tokenizer/backend.ts'
import { isJsonObject, type JsonObject } from '../../../src/tokenizer/json.ts'
import { preTokenizers } from '../../../src/tokenizer/node/gguf/pre-tokenizers.ts'
import { makeBackend } from '../../../src/tokenizer/steps/make-backend.ts'
import { fixtures } from '../golden.ts'
import type { Lists } from '../oracle/rust.ts'

/** A tokenizer.json, or parts of one. */
export type Parts = Record<string, unknown>

/** The tokenizer.json of a fixture. */
export const read = (name: string): JsonObject =>
  JSON.parse(readFileSync(join(fixtures, name, 'tokenizer.json'), 'utf8')) as JsonObject
export const [qwen, gpt2, llama2, t5, bert] = [
  'bytebpe-qwen',
  'bytebpe-gpt2',
  'spbpe-llama2',
  'unigram-t5',
  'wordpiece-uncased',
].map(read)
export const modelOf = ({ model }: JsonObject): JsonObject => (isJsonObject(model) ? model : {})

export const regex = (Regex: string) => ({ pattern: { Regex } })
export const split = (pattern: object, behavior = 'Isolated', invert = false) => ({
  type: 'Split',
  ...pattern,
  behavior,
  invert,
})
export const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers })
export const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }

/** Each piece is one token: its characters show where a text was cut. */
export const pieces = (parts: Parts): Parts => ({
  version: '1.0',
  added_tokens: [],
  model: { type: 'WordLevel', vocab: { '<unk>': 0 }, unk_token: '<unk>' },
  ...parts,
})
/** Each byte is a token: they show what a normaliser made of a text, and of which characters. */
export const bytes = (parts: Parts): Parts =>
  pieces({ model: { ...modelOf(gpt2), merges: [] }, pre_tokenizer: byteLevel, ...parts })
export const normalizer = (type: string, options: object = {}): Parts =>
  bytes({ normalizer: { type, ...options } })
export const preTokenizer = (type: string, options: object = {}): Parts =>
  pieces({ pre_tokenizer: { type, ...options } })

/** The pattern of GPT-4o. */
export const o200k = preTokenizers.get('gpt-4o')?.splits[0] ?? ''

/** The backend of a tokenizer.json. */
export const backendOf = (parts: Parts): Backend => makeBackend(parts)

/** Everything that a backend says of some texts. */
export function lists(
  backend: Backend,
  texts: readonly string[],
  pairs: readonly string[] | undefined,
  addsSpecial: boolean,
): Lists[] {
  return texts.map((text, i) => {
    const encoding = backend.encode(text, pairs?.[i], addsSpecial)
    return {
      text,
      ids: [...encoding.ids()],
      typeIds: encoding.typeIds(),
      sequences: encoding.sequences(),
      offsets: encoding.offsets(),
    }
  })
}

/** Comparing numbers in place takes a hundredth of the time of `toEqual`, which shows the first lists that differ. */
export function expectSame(own: readonly Lists[], expected: readonly Lists[]): void {
  const different = own.findIndex((list, i) => !areSame(list, expected[i]))
  expect(own.length).toBe(expected.length)
  expect(own[different]).toEqual(expected[different])
}

function areSame(a: Lists, b: Lists): boolean {
  const isSame = <T>(x: readonly T[], y: readonly T[]) =>
    x.length === y.length && x.every((item, i) => item === y[i])
  return (
    a.text === b.text &&
    isSame(a.ids, b.ids) &&
    isSame(a.typeIds, b.typeIds) &&
    isSame(a.sequences, b.sequences) &&
    a.offsets.length === b.offsets.length &&
    a.offsets.every(([start, end], i) => start === b.offsets[i][0] && end === b.offsets[i][1])
  )
}

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AutoTokenizer as BrowserTokenizer } from '../../src/tokenizer/browser.ts'
import { AutoTokenizer, type Tokenizer, type TokenizerFileContents } from '../../src/tokenizer/index.ts'

/** Recorded with transformers; offsets count code points. */
interface GoldenEncoding {
  ids: number[]
  tokens: string[]
  offsets: [number, number][]
  attention_mask: number[]
  token_type_ids: number[]
  decoded: string
  decoded_skip_special: string
}

interface GoldenString {
  text: string
  with_special: GoldenEncoding
  without_special: GoldenEncoding
  split_special_ids: number[]
}

export interface GoldenBatch {
  padding_side: 'left' | 'right'
  truncation_side: 'left' | 'right'
  options: {
    padding?: 'longest' | 'max_length'
    truncation?: true | 'longest_first' | 'only_first' | 'only_second'
    max_length?: number
    pad_to_multiple_of?: number
  }
  input_ids: number[][]
  attention_mask: number[][]
  token_type_ids: number[][]
  texts?: string[]
  pairs?: string[]
}

export interface Golden {
  vocab_size: number
  special_tokens: Record<string, string>
  strings: GoldenString[]
  pairs: (GoldenEncoding & { text: string; pair: string })[]
  batch_texts: string[]
  batches: GoldenBatch[]
  pair_batches: GoldenBatch[]
  chat?: {
    messages: { role: string; content: string }[]
    text: string
    ids: number[]
    assistant_masks: number[]
    prompt_text: string
    prompt_ids: number[]
  }
  added: {
    tokens: {
      content: string
      lstrip?: boolean
      rstrip?: boolean
      single_word?: boolean
      normalized?: boolean
    }[]
    special: { content: string; lstrip?: boolean }[]
    newly_added: [number, number]
    vocab_size: number
    ids: Record<string, number>
    strings: Omit<GoldenString, 'split_special_ids'>[]
  }
}

export const tokenizerCases = [
  'bytebpe-qwen',
  'bytebpe-gpt2',
  'spbpe-llama2',
  'unigram-t5',
  'wordpiece-uncased',
] as const

export const fixtures = new URL('../fixtures/tokenizers/', import.meta.url).pathname

/** The files of a fixture, as a page would have fetched them. */
export function readContents(name: string): TokenizerFileContents {
  const read = (file: string) => readFileSync(join(fixtures, name, file), 'utf8')
  const contents: TokenizerFileContents = { 'tokenizer.json': read('tokenizer.json') }
  for (const file of ['tokenizer_config.json', 'chat_template.jinja'] as const)
    if (existsSync(join(fixtures, name, file))) contents[file] = read(file)
  return contents
}

/** The two ways to make a tokenizer: of a folder in Node, and of files in memory as browsers do. */
export const libraries: readonly (readonly [string, (name: string) => Promise<Tokenizer>])[] = [
  ['Node', (name) => AutoTokenizer.fromPretrained(join(fixtures, name))],
  ['a browser', async (name) => BrowserTokenizer.fromFiles(readContents(name), name)],
]

/** Each fixture with each library. */
export const cases = libraries.flatMap(([library, load]) =>
  tokenizerCases.map((name) => [name, library, load] as const),
)

export function readGolden(name: string): Golden {
  return JSON.parse(readFileSync(join(fixtures, name, 'golden.json'), 'utf8')) as Golden
}

/** Offsets in UTF-16, computed the slow way. */
export function toUtf16(text: string, offsets: readonly [number, number][]): [number, number][] {
  const characters = Array.from(text)
  const at = (count: number) => characters.slice(0, count).join('').length
  return offsets.map(([start, end]) => [at(start), at(end)])
}

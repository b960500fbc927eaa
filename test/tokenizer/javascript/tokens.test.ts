import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/random.ts'
import type { Backend } from '../../../src/tokenizer/backend.ts'
import { encodeTextsWithSpans } from '../../../src/tokenizer/encode-with-spans.ts'
import { makeJavaScriptBackend } from '../../../src/tokenizer/javascript/javascript-backend.ts'
import { makeRustBackend } from '../../../src/tokenizer/node/rust-backend.ts'
import { lists, read, type Parts } from './parts.ts'
import { randomTexts } from './random-text.ts'
import { variants } from './variants.ts'

const ids = (json: Parts): string[] =>
  (Array.isArray(json.added_tokens) ? json.added_tokens : []).map(
    ({ content }: { content: string }) => content,
  )

describe.each(variants)('%s', (_, json) => {
  const source = JSON.stringify(json)
  const [own, rust] = [makeJavaScriptBackend(source), makeRustBackend(source)]

  test('tokens and characters are those of the Rust library', async () => {
    const texts = randomTexts(600, ids(json))
    expect(await lists(own, texts, undefined, false)).toEqual(await lists(rust, texts, undefined, false))
    const [some, pairs] = [texts.slice(0, 100), texts.slice(100, 200)]
    expect(await lists(own, some, undefined, true)).toEqual(await lists(rust, some, undefined, true))
    expect(await lists(own, some, pairs, true)).toEqual(await lists(rust, some, pairs, true))
  })
})

test.each(['bytebpe-qwen', 'spbpe-llama2', 'wordpiece-uncased'])(
  '%s: learned tokens are those of the Rust library',
  async (name) => {
    const source = JSON.stringify(read(name))
    const [own, rust] = [makeJavaScriptBackend(source), makeRustBackend(source)]
    const random = createRandom(5)
    const items = randomTexts(600).map((text) => {
      const [start, from, to, end] = Array.from({ length: 4 }, () =>
        Math.floor(random() * (text.length + 1)),
      ).toSorted((a, b) => a - b)
      const ranges = [
        { start, end: from },
        { start: to, end },
      ]
      return {
        text,
        spans: [{ message: 0, start, end, status: 'proved' as const, ...(random() < 0.5 && { ranges }) }],
      }
    })
    const encode = (backend: Backend) => encodeTextsWithSpans({ backend, words: undefined }, items)
    expect(await encode(own)).toEqual(await encode(rust))
  },
)

import { describe, test } from 'vitest'
import { makeOracle } from '../oracle/rust.ts'
import { backendOf, expectSame, lists, type Parts } from './parts.ts'
import { randomTexts } from './random-text.ts'
import { variants } from './variants.ts'

const ids = (json: Parts): string[] =>
  (Array.isArray(json.added_tokens) ? json.added_tokens : []).map(
    ({ content }: { content: string }) => content,
  )

describe.each(variants)('%s', (_, json) => {
  const own = backendOf(json)
  const rust = makeOracle(JSON.stringify(json))

  test('tokens and characters are those of the Rust library', async () => {
    const texts = randomTexts(600, ids(json))
    expectSame(lists(own, texts, undefined, false), await rust.encode(texts, undefined, false))
    const [some, pairs] = [texts.slice(0, 100), texts.slice(100, 200)]
    expectSame(lists(own, some, undefined, true), await rust.encode(some, undefined, true))
    expectSame(lists(own, some, pairs, true), await rust.encode(some, pairs, true))
  })
})

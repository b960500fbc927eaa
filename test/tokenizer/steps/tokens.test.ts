import { describe, expect, test } from 'vitest'
import { makeOracle } from '../oracle/rust.ts'
import { backendOf, lists, type Parts } from './parts.ts'
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
    expect(lists(own, texts, undefined, false)).toEqual(await rust.encode(texts, undefined, false))
    const [some, pairs] = [texts.slice(0, 100), texts.slice(100, 200)]
    expect(lists(own, some, undefined, true)).toEqual(await rust.encode(some, undefined, true))
    expect(lists(own, some, pairs, true)).toEqual(await rust.encode(some, pairs, true))
  })
})

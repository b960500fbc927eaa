import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AutoTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts'
import { AutoTokenizer as BrowserTokenizer } from '../../src/tokenizer/browser.ts'
import { cases, readGolden, toUtf16, type Golden } from './golden.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-tokenizer-'))

async function expectAdded(tokenizer: Tokenizer, { added }: Golden) {
  expect(tokenizer.length).toBe(added.vocab_size)
  expect(Object.fromEntries([...tokenizer.addedTokens].map(([token, { id }]) => [token, id]))).toEqual(
    added.ids,
  )
  for (const { text, with_special, without_special } of added.strings)
    for (const [expected, addSpecialTokens] of [
      [with_special, true],
      [without_special, false],
    ] as const) {
      const { inputIds, offsets } = await tokenizer.encode(text, { addSpecialTokens })
      expect(inputIds).toEqual(expected.ids)
      expect(offsets).toEqual(toUtf16(text, expected.offsets))
      expect(tokenizer.decode(inputIds)).toBe(expected.decoded)
      expect(tokenizer.decode(inputIds, { skipSpecialTokens: true })).toBe(expected.decoded_skip_special)
    }
}

describe.each(cases)('%s in %s', (name, library, load) => {
  const golden = readGolden(name)

  test('tokens that transformers added', async () => {
    await expectAdded(await load(`${name}/with_added`), golden)
  })

  test('tokens that fettle adds, also after saving', async () => {
    const tokenizer = await load(name)
    const tokens = golden.added.tokens.map(({ content, lstrip, rstrip, single_word, normalized }) => ({
      content,
      ...(lstrip === undefined ? {} : { leftStrip: lstrip }),
      ...(rstrip === undefined ? {} : { rightStrip: rstrip }),
      ...(single_word === undefined ? {} : { singleWord: single_word }),
      ...(normalized === undefined ? {} : { normalized }),
    }))
    const special = golden.added.special.map(({ content, lstrip }) => ({
      content,
      leftStrip: lstrip ?? false,
    }))
    expect([tokenizer.addTokens(tokens), tokenizer.addSpecialTokens(special)]).toEqual(
      golden.added.newly_added,
    )
    await expectAdded(tokenizer, golden)
    const files = tokenizer.toFiles()
    await expectAdded(BrowserTokenizer.fromFiles(files), golden)
    await expectAdded(AutoTokenizer.fromFiles(files), golden)
    const folder = join(scratch, name)
    if (library === 'a browser') {
      await expect(tokenizer.save(folder)).rejects.toThrow('Take the files from tokenizer.toFiles().')
    } else {
      await tokenizer.save(folder)
      await expectAdded(await AutoTokenizer.fromPretrained(folder), golden)
      expect(readdirSync(folder).toSorted()).toEqual(Object.keys(files).toSorted())
    }
    expect(Object.keys(files).toSorted()).toEqual(
      [
        golden.chat === undefined ? [] : ['chat_template.jinja'],
        'tokenizer.json',
        'tokenizer_config.json',
      ].flat(),
    )
    expect((await tokenizer.encode('<tool> <|new|>', { splitSpecialTokens: true })).inputIds).not.toContain(
      tokenizer.convertTokensToIds('<|new|>'),
    )
  })
})

import { describe, expect, it, test } from 'vitest'
import type { EncodeOptions } from '../../src/tokenizer/index.ts'
import { cases, readGolden, toUtf16, type GoldenBatch } from './golden.ts'

describe.each(cases)('%s in %s', async (name, _, load) => {
  const golden = readGolden(name)
  const tokenizer = await load(name)

  test('sizes and named tokens', () => {
    expect(tokenizer.length).toBe(golden.vocab_size)
    expect(Object.fromEntries(tokenizer.namedTokens)).toEqual(golden.special_tokens)
    expect(tokenizer.padTokenId).toBe(tokenizer.convertTokensToIds(tokenizer.padToken ?? ''))
  })

  it.each(golden.strings)(
    'text $text',
    async ({ text, with_special, without_special, split_special_ids }) => {
      for (const [expected, addSpecialTokens] of [
        [with_special, true],
        [without_special, false],
      ] as const) {
        expect(await tokenizer.encode(text, { addSpecialTokens })).toEqual({
          inputIds: expected.ids,
          attentionMask: expected.attention_mask,
          tokenTypeIds: expected.token_type_ids,
          offsets: toUtf16(text, expected.offsets),
        })
        expect(tokenizer.convertIdsToTokens(expected.ids)).toEqual(expected.tokens)
        expect(tokenizer.decode(expected.ids)).toBe(expected.decoded)
        expect(tokenizer.decode(expected.ids, { skipSpecialTokens: true })).toBe(
          expected.decoded_skip_special,
        )
        const stream = tokenizer.createDecodeStream()
        const pieces = expected.ids.map((id) => stream.push(id))
        expect(pieces.join('') + stream.flush()).toBe(expected.decoded)
        if (!text.includes('\uFFFD')) expect(pieces.slice(0, -1).join('')).not.toContain('\uFFFD')
      }
      const split = await tokenizer.encode(text, { addSpecialTokens: false, splitSpecialTokens: true })
      expect(split.inputIds).toEqual(split_special_ids)
    },
  )

  it.each(golden.pairs)('pair $text | $pair', async (expected) => {
    const { text, pair } = expected
    const encoding = await tokenizer.encode(text, { pair })
    expect(encoding.inputIds).toEqual(expected.ids)
    expect(encoding.tokenTypeIds).toEqual(expected.token_type_ids)
    const inText = toUtf16(text, expected.offsets)
    const inPair = toUtf16(pair, expected.offsets)
    expect(
      encoding.offsets.every((offset, i) => [inText[i], inPair[i]].some((o) => o.join() === offset.join())),
    ).toBe(true)
  })

  const optionsOf = ({ options, padding_side, truncation_side }: GoldenBatch): EncodeOptions => ({
    paddingSide: padding_side,
    truncationSide: truncation_side,
    ...(options.padding === undefined ? {} : { padding: options.padding }),
    ...(options.truncation === undefined ? {} : { truncation: options.truncation }),
    ...(options.max_length === undefined ? {} : { maxLength: options.max_length }),
    ...(options.pad_to_multiple_of === undefined ? {} : { padToMultipleOf: options.pad_to_multiple_of }),
  })
  const lists = ({ input_ids, attention_mask, token_type_ids }: GoldenBatch) => ({
    inputIds: input_ids,
    attentionMask: attention_mask,
    tokenTypeIds: token_type_ids,
  })

  it.each(golden.batches)('batch $padding_side $truncation_side $options', async (batch) => {
    expect(await tokenizer.encode(golden.batch_texts, optionsOf(batch))).toMatchObject(lists(batch))
  })

  it.each(golden.pair_batches)('pairs $truncation_side $options', async (batch) => {
    const texts = batch.texts ?? golden.pairs.map(({ text }) => text)
    const pair = batch.pairs ?? golden.pairs.map((row) => row.pair)
    expect(await tokenizer.encode(texts, { pair, ...optionsOf(batch) })).toMatchObject(lists(batch))
  })
})

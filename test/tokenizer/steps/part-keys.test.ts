import { Tokenizer as RustTokenizer } from 'tokenizers'
import { describe, expect, it, test } from 'vitest'
import { FettleError } from '../../../src/error.ts'
import { makeBackend } from '../../../src/tokenizer/steps/make-backend.ts'
import { unreadKeys } from '../../../src/tokenizer/steps/part-keys.ts'
import { readSections } from '../../../src/tokenizer/settings/sections.ts'
import { pieces, type Parts } from './parts.ts'

/** A part of each type with all keys that the Rust library writes. */
const parts: Record<string, Parts[]> = {
  normalizer: [
    ...['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'Nmt', 'ByteLevel'].map((type) => ({
      type,
    })),
    { type: 'Strip', strip_left: true, strip_right: true },
    { type: 'Prepend', prepend: 'x' },
    { type: 'Replace', pattern: { String: 'a' }, content: 'b' },
    {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: 'x' }] },
  ],
  pre_tokenizer: [
    ...['BertPreTokenizer', 'Whitespace', 'WhitespaceSplit'].map((type) => ({ type })),
    { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    { type: 'Digits', individual_digits: true },
    { type: 'FixedLength', length: 3 },
    { type: 'Punctuation', behavior: 'Isolated' },
    { type: 'CharDelimiterSplit', delimiter: '-' },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Isolated', invert: false },
    { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }] },
  ],
  decoder: [
    ...['Fuse', 'ByteFallback'].map((type) => ({ type })),
    { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    { type: 'BPEDecoder', suffix: 'x' },
    { type: 'WordPiece', prefix: '##', cleanup: true },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    { type: 'CTC', pad_token: 'x', word_delimiter_token: '|', cleanup: true },
    { type: 'Strip', content: ' ', start: 1, stop: 1 },
    { type: 'Replace', pattern: { String: 'a' }, content: 'b' },
    { type: 'Sequence', decoders: [{ type: 'BPEDecoder', suffix: 'x' }] },
  ],
  post_processor: [
    { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: 'x', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { x: { id: 'x', ids: [0], tokens: ['x'] } },
    },
    { type: 'BertProcessing', sep: ['a', 1], cls: ['a', 1] },
    { type: 'RobertaProcessing', sep: ['x', 1], cls: ['y', 2], trim_offsets: true, add_prefix_space: true },
    { type: 'Sequence', processors: [{ type: 'BertProcessing', sep: ['a', 1], cls: ['a', 1] }] },
  ],
  model: [
    {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: { a: 0 },
      merges: [],
    },
    { type: 'Unigram', unk_id: 0, vocab: [['a', 0]], byte_fallback: false },
    {
      type: 'WordPiece',
      vocab: { a: 0 },
      unk_token: 'a',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
    },
    { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' },
  ],
  added_tokens: [
    {
      id: 1,
      content: '<x>',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    },
  ],
  padding: [
    {
      strategy: 'BatchLongest',
      direction: 'Right',
      pad_to_multiple_of: null,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: 'x',
    },
  ],
  truncation: [{ direction: 'Right', max_length: 5, strategy: 'LongestFirst', stride: 0 }],
}

/** An object with each of its keys, and those of what it holds, gone, null and odd in turn, and with one more. */
function* variants(object: Parts): Generator<[what: string, variant: Parts]> {
  yield ['with zzz', { ...object, zzz: 1 }]
  for (const [key, value] of Object.entries(object)) {
    if (key === 'type') continue
    const { [key]: _, ...rest } = object
    yield [`without ${key}`, rest]
    for (const odd of [null, 7, 'x', -1, true])
      yield [`${key} ${JSON.stringify(odd)}`, { ...object, [key]: odd }]
    if (Array.isArray(value))
      for (const [i, entry] of (value as unknown[]).entries())
        if (typeof entry === 'object' && entry !== null && !Array.isArray(entry))
          for (const [what, variant] of variants(entry as Parts))
            yield [`${key}[${i}] ${what}`, { ...object, [key]: value.with(i, variant) }]
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [what, variant] of variants(value as Parts))
        yield [`${key} ${what}`, { ...object, [key]: variant }]
  }
}

const cases = Object.entries(parts).flatMap(([kind, all]) =>
  all.flatMap((part) =>
    [...variants(part)].map(([what, variant]) => ({
      what: `${kind} ${String(part.type ?? '')} ${what}`,
      file: pieces({ [kind]: kind === 'added_tokens' ? [variant] : variant }),
    })),
  ),
)

/** The Rust library takes a template whose token is nowhere, and ends the process with it; and for another type what lacks keys. */
const refusedHere =
  /special_tokens without x$|^post_processor RobertaProcessing .*(trim_offsets|add_prefix_space)(?! true)/

/** Of a pre-tokenizer this decides nothing. */
const acceptedHere = /^pre_tokenizer ByteLevel without trim_offsets$/

function isTaken(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof FettleError || !(error instanceof TypeError)) return false
    throw error
  }
}

describe('parts of tokenizer.json with keys gone, null, odd and more', () => {
  it.each(cases)('$what', ({ what, file }) => {
    const rust = isTaken(() => RustTokenizer.fromString(JSON.stringify(file)))
    const own = isTaken(() => [makeBackend(file), readSections(file, '')])
    expect({ what, isTaken: own }).toEqual({
      what,
      isTaken: (rust || acceptedHere.test(what)) && !refusedHere.test(what),
    })
    if (!own) return
    const unread = unreadKeys(file).length + readSections(file, '').notices.length
    expect(unread).toBe(what.endsWith('zzz') && !what.includes('vocab') ? 1 : 0)
  })

  test('where they stand', () => {
    const file = pieces({
      normalizer: {
        type: 'Sequence',
        normalizers: [{ type: 'NFC' }, { type: 'Prepend', prepend: 'x', a: 1 }],
      },
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ Sequence: { id: 'A', type_id: 0, b: 1 } }],
        pair: [],
        special_tokens: { x: { id: 'x', ids: [0], tokens: ['x'], c: 1 } },
      },
      added_tokens: [{ content: 'x', d: 1 }],
    })
    expect(unreadKeys(file)).toEqual([
      'normalizer.normalizers[1].a',
      'post_processor.single[0].Sequence.b',
      'post_processor.special_tokens.x.c',
      'added_tokens[0].d',
    ])
  })
})

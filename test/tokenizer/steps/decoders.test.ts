import { expect, test } from 'vitest'
import { createRandom } from '../../../src/random.ts'
import { makeOracle } from '../oracle/rust.ts'
import { backendOf, byteLevel, llama2, pieces } from './parts.ts'

/** Parts of the fixtures' decoders and others, each with tokens that it has something to do with. */
const decoders: readonly (readonly [string, unknown, readonly string[]])[] = [
  ['ByteLevel', byteLevel, ['Ġ', 'Ċ', 'ä', '½', 'ł', 'Ġthe', 'ðŁĺ', 'Ģ', '<|x|>', '你', 'ï»¿']],
  [
    'ByteFallback',
    { type: 'ByteFallback' },
    ['<0xE4>', '<0xBD>', '<0xA0>', '<0xef>', '<0xBB>', '<0xBF>', '<0x0A>', 'a', '<0xZZ>'],
  ],
  ['Metaspace', { type: 'Metaspace', replacement: '▁' }, ['▁a', '▁', 'b▁c', '▁▁']],
  [
    'Metaspace never',
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' },
    ['▁a', '▁', 'b▁c', '▁▁'],
  ],
  [
    'WordPiece',
    { type: 'WordPiece', prefix: '##', cleanup: true },
    ['##a', 'do', 'not', "'", 's', "n't", '.', '!', '##.'],
  ],
  ['WordPiece as it is', { type: 'WordPiece', prefix: '##', cleanup: false }, ['##a', 'do', '.']],
  ['BPEDecoder', { type: 'BPEDecoder', suffix: '</w>' }, ['a</w>', 'b', '</w>c</w>']],
  ['Strip', { type: 'Strip', content: ' ', start: 2, stop: 1 }, ['   a  ', 'b', ' c ']],
  ['Replace', { type: 'Replace', pattern: { Regex: String.raw`\s+` }, content: '$&' }, ['a  b', ' ', 'c']],
  [
    'CTC',
    { type: 'CTC', pad_token: '<pad>', word_delimiter_token: '|', cleanup: true },
    ['<pad>', 'a', 'b', '|', 'a|', '<pad>c', " 's", ' .'],
  ],
  [
    'CTC as it is',
    { type: 'CTC', pad_token: '<pad>', word_delimiter_token: '|', cleanup: false },
    ['<pad>', 'a', '|', ' .'],
  ],
  [
    'Replace with empty matches',
    { type: 'Replace', pattern: { Regex: 'a*' }, content: '-' },
    ['b', 'ab', 'aa', ''],
  ],
  ['several', llama2.decoder, ['▁a', '<0xE4>', '<0xBD>', '<0xA0>', ' ', '▁', 'b']],
  ['none', null, ['a', 'b']],
]

test.each(decoders)('decoder %s', (_, decoder, tokens) => {
  const json = pieces({ decoder })
  const [own, rust] = [backendOf(json), makeOracle(JSON.stringify(json))]
  const random = createRandom(7)
  for (let i = 0; i < 500; i++) {
    const some = Array.from(
      { length: 1 + Math.floor(random() * 6) },
      () => tokens[Math.floor(random() * tokens.length)],
    )
    expect([some, own.decode(some)]).toEqual([some, rust.decode(some)])
  }
})

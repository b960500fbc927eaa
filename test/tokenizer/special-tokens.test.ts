import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { writeFileAtomic } from '../../src/formats/index.ts'
import {
  AutoTokenizer,
  ensurePadToken,
  findStopSet,
  formatGenerationConfig,
  parseGenerationConfig,
  readGenerationConfig,
} from '../../src/tokenizer/index.ts'
import { fixtures } from './golden.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-special-'))
const qwen = join(fixtures, 'bytebpe-qwen')

/** The Qwen fixture (<|endoftext|> 597, <|im_start|> 598, <|im_end|> 599) with other names and tokens. */
async function tokenizerWith(config: Record<string, unknown>, more: string[] = []) {
  const folder = mkdtempSync(join(scratch, 'case-'))
  await writeFileAtomic(join(folder, 'tokenizer.json'), readFileSync(join(qwen, 'tokenizer.json')))
  await writeFileAtomic(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ ...config, additional_special_tokens: more }),
  )
  return AutoTokenizer.fromPretrained(folder)
}

describe('pad token', () => {
  const reserved = ['<|reserved_special_token_0|>', '<|reserved_special_token_1|>']
  it.each([
    ['one that is there', { pad_token: '<|endoftext|>' }, [], 'auto', ['<|endoftext|>', 597, 'existing', 0]],
    [
      'eos, already chosen',
      { eos_token: '<|im_end|>', pad_token: '<|im_end|>' },
      [],
      'auto',
      ['<|im_end|>', 599, 'existing', 0],
    ],
    ['the last reserved one', {}, reserved, 'auto', ['<|reserved_special_token_1|>', 601, 'reserved', 0]],
    [
      'one made for padding',
      {},
      [...reserved, '<|finetune_right_pad_id|>'],
      'auto',
      ['<|finetune_right_pad_id|>', 602, 'reserved', 0],
    ],
    [
      'not a reserved one in use',
      { eos_token: reserved[1] },
      reserved,
      'auto',
      ['<|reserved_special_token_0|>', 601, 'reserved', 0],
    ],
    ['unk', { unk_token: '<|endoftext|>' }, [], 'auto', ['<|endoftext|>', 597, 'unk', 0]],
    ['a new one', {}, [], 'auto', ['<pad>', 600, 'new', 1]],
    ['a new one, asked for', { pad_token: '<|endoftext|>' }, [], 'new', ['<pad>', 600, 'new', 1]],
    ['eos, asked for', { eos_token: '<|im_end|>' }, [], 'eos', ['<|im_end|>', 599, 'eos', 0]],
    ['by name', {}, [], '<|im_start|>', ['<|im_start|>', 598, 'named', 0]],
    ['by a new name', {}, [], '<filler>', ['<filler>', 600, 'named', 1]],
  ] as const)('%s', async (_, config, more, policy, [token, id, source, newRows]) => {
    const tokenizer = await tokenizerWith(config, [...more])
    expect(ensurePadToken(tokenizer, policy)).toEqual({ token, id, source, newRows })
    expect([tokenizer.padToken, tokenizer.padTokenId]).toEqual([token, id])
    const { attentionMask } = await tokenizer.encode(['a', 'a b'], { padding: true })
    expect(attentionMask[0].at(-1)).toBe(0)
  })

  test('an embedding with spare rows needs none', async () => {
    expect(ensurePadToken(await tokenizerWith({}), 'auto', 640).newRows).toBe(0)
  })

  test.each(['unk', 'eos', 'reserved'])('%s that is not there', async (policy) => {
    const tokenizer = await tokenizerWith({})
    expect(() => ensurePadToken(tokenizer, policy)).toThrow(`no ${policy} token; expected one`)
  })
})

describe('stop set', () => {
  const turns = (end: string) =>
    `{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% if m.role == 'assistant' %}${end}{% else %}<|im_end|>\n{% endif %}{% endfor %}`
  it.each([
    ['the template ends turns with eos', { eos_token: '<|im_end|>' }, turns('<|im_end|>\n'), [], [599]],
    [
      'the template ends turns with another token',
      { eos_token: '<|endoftext|>' },
      turns('<|im_end|>\n'),
      [],
      [599, 597],
    ],
    ['the eos list has more', { eos_token: '<|im_end|>' }, turns('<|im_end|>'), [599, 597], [599, 597]],
    [
      'pad is not a stop token',
      { eos_token: '<|im_end|>', pad_token: '<|endoftext|>' },
      turns('<|im_end|>'),
      [],
      [599],
    ],
    [
      'unless it is eos as well',
      { eos_token: '<|im_end|>', pad_token: '<|im_end|>' },
      turns('<|im_end|>'),
      [],
      [599],
    ],
    [
      'eos after the end of turn',
      { eos_token: '<|endoftext|>' },
      turns('<|im_end|>\n<|endoftext|>'),
      [],
      [599, 597],
    ],
    ['the next header is no end', { eos_token: '<|endoftext|>' }, turns(''), [], [597]],
    ['no template', { eos_token: '<|im_end|>' }, undefined, [], [599]],
    ['a template that fails', { eos_token: '<|im_end|>' }, "{{ raise_exception('no') }}", [], [599]],
    ['an id beyond the vocabulary', { eos_token: '<|im_end|>' }, undefined, [9999], [599]],
  ] as const)('%s', async (_, config, template, eosTokenIds, expected) => {
    const tokenizer = await tokenizerWith(config)
    tokenizer.chatTemplate = template
    expect(findStopSet(tokenizer, { eosTokenIds: [...eosTokenIds], raw: {} }).ids).toEqual(expected)
  })

  test('says where each token came from', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(qwen)
    expect(findStopSet(tokenizer, { eosTokenIds: [599, 597], raw: {} }).tokens).toEqual([
      { id: 599, token: '<|im_end|>', sources: ['template', 'tokenizer', 'generation_config'] },
      { id: 597, token: '<|endoftext|>', sources: ['generation_config'] },
    ])
  })
})

describe('generation config', () => {
  const write = async (files: Record<string, unknown>) => {
    const folder = mkdtempSync(join(scratch, 'generation-'))
    for (const [name, value] of Object.entries(files))
      await writeFileAtomic(join(folder, name), JSON.stringify(value))
    return folder
  }
  it.each<[string, Record<string, unknown>, object]>([
    ['nothing', {}, { eosTokenIds: [] }],
    [
      'everything',
      {
        'generation_config.json': {
          eos_token_id: [1, 2],
          pad_token_id: 0,
          do_sample: true,
          top_p: 0.9,
          temperature: 0.7,
        },
      },
      { eosTokenIds: [1, 2], padTokenId: 0, doSample: true, topP: 0.9, temperature: 0.7 },
    ],
    [
      'ids of config.json',
      {
        'generation_config.json': { top_k: 5 },
        'config.json': { eos_token_id: 2, bos_token_id: 1, top_p: 3 },
      },
      { eosTokenIds: [2], bosTokenId: 1, topK: 5 },
    ],
    [
      'generation_config wins',
      { 'generation_config.json': { eos_token_id: 3 }, 'config.json': { eos_token_id: 2 } },
      { eosTokenIds: [3] },
    ],
  ])('%s', async (_, files, expected) => {
    const { raw, place, ...config } = await readGenerationConfig(await write(files))
    expect(config).toEqual(expected)
    expect(place).toMatch(/config\.json$/)
    expect(raw).toEqual(files['generation_config.json'] ?? {})
  })

  it.each<[string, Record<string, unknown>, object, Record<string, unknown>]>([
    ['as read', { top_k: 5, eos_token_id: [2], odd: 1 }, {}, { top_k: 5, eos_token_id: [2], odd: 1 }],
    ['null as read', { eos_token_id: null }, {}, { eos_token_id: null }],
    ['one end token', { eos_token_id: [2, 3] }, { eosTokenIds: [4] }, { eos_token_id: 4 }],
    ['several', { eos_token_id: 2 }, { eosTokenIds: [2, 4] }, { eos_token_id: [2, 4] }],
    ['none any more', { eos_token_id: 2, a: 1 }, { eosTokenIds: [] }, { a: 1 }],
    [
      'other fields',
      { temperature: 1, do_sample: false },
      { padTokenId: 0, doSample: true, temperature: undefined },
      { pad_token_id: 0, do_sample: true },
    ],
  ])('written back: %s', (_, raw, changes, expected) => {
    const config = Object.assign(parseGenerationConfig(raw, 'generation_config.json'), changes)
    expect(formatGenerationConfig(config)).toEqual(expected)
  })

  test('an end token that is no id is refused', () => {
    expect(() => parseGenerationConfig({ eos_token_id: '</s>' }, 'g.json')).toThrow(
      'g.json: eos_token_id: "</s>"; expected the id of a token, or a list of ids',
    )
  })
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  createDataReport,
  prepareExamples,
  type EncodedExample,
  type PreferenceKind,
} from '../../src/data/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'

const root = join(import.meta.dirname, '../..')
const tokenizer = await AutoTokenizer.fromPretrained(join(root, 'assets/tiny-llama'))
const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })

async function read(
  rows: Record<string, unknown>[],
  preferences: PreferenceKind,
  options: Parameters<typeof prepareExamples>[2] = {},
): Promise<EncodedExample[]> {
  const found: EncodedExample[] = []
  for await (const example of prepareExamples([{ rows, name: 'rows' }], tokenizer, {
    ...options,
    preferences,
  }))
    found.push(example)
  return found
}

const learnedText = ({ inputIds, mask }: EncodedExample) =>
  tokenizer.decode(inputIds.filter((_, i) => mask[i] === 1))
const said = (examples: EncodedExample[]) =>
  examples.map((example) => [example.origin.part, tokenizer.decode(example.inputIds), learnedText(example)])

describe('pairs', () => {
  it.each<[string, Record<string, unknown>, string, string]>([
    ['texts', { prompt: 'The sky is', chosen: ' blue', rejected: ' red' }, ' blue</s>', ' red</s>'],
    [
      'texts with a common beginning',
      { chosen: 'The sky is blue', rejected: 'The sky is red' },
      ' blue</s>',
      ' red</s>',
    ],
  ])('%s', async (_, row, chosen, rejected) => {
    const [first, second] = await read([row], 'pairs')
    const eos = tokenizer.eosToken ?? ''
    expect([first.origin.part, second.origin.part]).toEqual(['chosen', 'rejected'])
    expect(learnedText(first)).toBe(chosen.replace('</s>', eos))
    expect(learnedText(second)).toBe(rejected.replace('</s>', eos))
  })

  it('takes messages with the prompt or without it to be the same, and learns the answer only', async () => {
    const prompt = [user('Name a tree.'), assistant('Oak.'), user('Another.')]
    const [chosen, rejected] = [[assistant('Elm.')], [assistant('No.')]]
    const explicit = await read([{ prompt, chosen, rejected }], 'pairs')
    const implicit = await read(
      [{ chosen: [...prompt, ...chosen], rejected: [...prompt, ...rejected] }],
      'pairs',
    )
    expect(said(implicit)).toEqual(said(explicit))
    expect(explicit.map(({ spans }) => spans.map(({ message, status }) => [message, status]))).toEqual([
      [[3, 'proved']],
      [[3, 'proved']],
    ])
  })

  it('takes tokens by the names of TRL', async () => {
    const [chosen, rejected] = await read(
      [{ prompt_ids: [5, 6], chosen_ids: [7, 2], rejected_ids: [8, 9, 2] }],
      'pairs',
    )
    expect([[...chosen.inputIds], [...chosen.mask]]).toEqual([
      [5, 6, 7, 2],
      [0, 0, 1, 1],
    ])
    expect([[...rejected.inputIds], [...rejected.mask]]).toEqual([
      [5, 6, 8, 9, 2],
      [0, 0, 1, 1, 1],
    ])
  })

  it('reads columns under other names', async () => {
    const rows = [{ question: 'The sky is', good: ' blue', bad: ' red' }]
    const found: EncodedExample[] = []
    const columns = { prompt: 'question', chosen: 'good', rejected: 'bad' }
    for await (const example of prepareExamples([{ rows, columns }], tokenizer, { preferences: 'pairs' }))
      found.push(example)
    expect(found.map(({ origin }) => origin.part)).toEqual(['chosen', 'rejected'])
  })
})

describe('answers', () => {
  it('takes thumbs that an application wrote', async () => {
    const rows = [
      { messages: [user('Name a tree.'), assistant('Oak.')], label: true },
      { prompt: [user('Name a tree.')], completion: [assistant('A rock.')], label: false },
    ]
    const found = await read(rows, 'answers')
    expect(found.map(({ origin }) => origin.part)).toEqual(['desirable', 'undesirable'])
    expect(found.map(learnedText)).toEqual([
      expect.stringContaining('Oak.'),
      expect.stringContaining('A rock.'),
    ])
  })

  it('makes two answers of a pair, all chosen ones first', async () => {
    const pair = (word: string) => ({ prompt: 'a', chosen: ` ${word}`, rejected: ' no' })
    const found = await read([pair('one'), pair('two')], 'answers')
    expect(found.map(({ origin }) => [origin.row ?? origin.line, origin.part])).toEqual([
      [0, 'desirable'],
      [1, 'desirable'],
      [0, 'undesirable'],
      [1, 'undesirable'],
    ])
  })
})

describe('what cannot be learned', () => {
  it.each<[string, PreferenceKind, Record<string, unknown>, string]>([
    [
      'a label that is no boolean',
      'answers',
      { prompt: 'a', completion: ' b', label: 1 },
      'label is the number 1',
    ],
    [
      'a label that is a text',
      'answers',
      { prompt: 'a', completion: ' b', label: 'true' },
      'label is the string "true"',
    ],
    ['no label', 'answers', { messages: [user('a'), assistant('b')] }, 'no label'],
    ['no rejected', 'pairs', { prompt: 'a', chosen: ' b' }, 'columns prompt, chosen'],
    [
      'a text and messages',
      'pairs',
      { chosen: 'a', rejected: [user('b')] },
      'chosen is the string "a", rejected a list',
    ],
    [
      'tokens that are none',
      'pairs',
      { prompt_ids: [1], chosen_ids: 'x', rejected_ids: [2] },
      'chosen_ids is the string "x"',
    ],
  ])('%s', async (_, kind, row, found) => {
    const good = { prompt: 'a', chosen: ' b', rejected: ' c', completion: ' b', label: true }
    await expect(read([good, row], kind)).rejects.toMatchObject({
      problems: [{ place: expect.stringMatching(/^rows#1/), found: expect.stringContaining(found) }],
    })
    const report = createDataReport()
    await read([good, row], kind, { skipInvalid: true, report })
    expect(report.invalidRows).toBe(1)
  })
})

const page = readFileSync(join(root, 'docs/preferences.md'), 'utf8')
it.each(
  [...page.matchAll(/```json (pairs|answers)\n([\s\S]*?)```/g)].map(([, kind, rows]) => ({ kind, rows })),
)('docs/preferences.md: $kind', async ({ kind, rows }) => {
  for (const line of rows.trim().split('\n'))
    await read([JSON.parse(line) as Record<string, unknown>], kind as PreferenceKind)
})

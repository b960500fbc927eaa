import { describe, expect, test } from 'vitest'
import { createDataReport, type ConversationOptions } from '../../src/data/index.ts'
import { conversationsOf, errorOf } from './rows.ts'

const user = { role: 'user', content: 'a' }
const answer = { role: 'assistant', content: 'b' }
const messages = [user, answer]
const origin = { file: 'train.jsonl', line: 1 }

const alpaca = { instruction: 'Translate.', input: 'cat', output: 'Katze' }

describe('columns that are read', () => {
  test('Alpaca’s history is earlier turns', async () => {
    const history = [
      ['Hi', 'Hello'],
      ['Ok?', 'Yes'],
    ]
    const [conversation] = await conversationsOf([{ ...alpaca, history, system: 'You are terse.' }])
    expect(conversation).toEqual({
      kind: 'messages',
      messages: [
        { role: 'system', content: 'You are terse.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
        { role: 'user', content: 'Ok?' },
        { role: 'assistant', content: 'Yes' },
        { role: 'user', content: 'Translate.\n\ncat' },
        { role: 'assistant', content: 'Katze' },
      ],
      origin,
    })
  })

  test('chat_template_kwargs are the row’s variables', async () => {
    const variables = { enable_thinking: false }
    expect(await conversationsOf([{ messages, chat_template_kwargs: variables }])).toEqual([
      { kind: 'messages', messages, variables, origin },
    ])
  })
})

describe('columns that nobody reads are named once', () => {
  test.each<[string, Record<string, unknown>[], string[], ConversationOptions?]>([
    ['none', [{ messages, tools: [] }], []],
    [
      'one',
      [
        { messages, id: 1 },
        { messages, id: 2 },
      ],
      ['train.jsonl: the column id is not read'],
    ],
    [
      'new ones later',
      [
        { messages, id: 1, source: 'x' },
        { messages, id: 1, lang: 'de' },
      ],
      ['train.jsonl: the columns id, source are not read', 'train.jsonl: the column lang is not read'],
    ],
    ['empty ones', [{ messages, id: null, images: [], history: [] }], []],
    [
      'messages beside conversations',
      [{ messages, conversations: messages }],
      ['train.jsonl: the column conversations is not read'],
    ],
    [
      'what chats have, beside plain text',
      [{ prompt: 'a', completion: 'b', system: 's' }],
      ['train.jsonl: the column system is not read'],
    ],
    ['a class beside a text', [{ text: 'a', label: 1 }], ['train.jsonl: the column label is not read']],
    [
      'true marks',
      [{ messages, weight: 1, train: true }],
      ['train.jsonl: the columns weight, train are not read'],
    ],
  ])('%s', async (_, rows, notes, options) => {
    const report = createDataReport()
    await conversationsOf(rows, { ...options, report })
    expect(report.notes).toEqual(notes)
  })
})

describe('columns that change what a row means are refused', () => {
  test.each<[Record<string, unknown>, string]>([
    [{ messages, images: ['a.png'] }, 'a column images, and fettle trains on text'],
    [{ messages, history: [['a', 'b']] }, 'a column history beside no instruction'],
    [{ prompt: 'a', completion: 'b', history: [['a', 'b']] }, 'a column history'],
    [{ messages, weight: 0 }, 'a column weight, by which other tools decide how much of a row is learned'],
    [{ messages, loss: false }, 'a column loss'],
    [{ messages, mask: 'User' }, 'a column mask'],
    [
      { prompt: 'a', completion: 'b', label: false },
      'label is false, which marks a completion that is not wanted',
    ],
    [{ messages: [{ role: 'system', content: 'x' }, ...messages], system: 'y' }, 'another system message'],
    [{ messages, chat_template_kwargs: 'x' }, 'chat_template_kwargs is the string "x"'],
    [{ ...alpaca, history: 'x' }, 'history is the string "x"; expected pairs of question and answer'],
    [{ ...alpaca, history: [['a']] }, 'history[0] is a list of other things; expected a pair of texts'],
  ])('%j', async (row, says) => {
    expect(await errorOf(conversationsOf([row]))).toContain(says)
  })
})

describe('what is wrong with the columns is said truly', () => {
  const first = { messages }
  test.each<[Record<string, unknown>[], string]>([
    [[{ messages: null }], 'train.jsonl:1: messages is null; expected a list of messages.'],
    [
      [{ prompt: 'a', completion: null }],
      'train.jsonl:1: completion is null; expected a text, or a list of messages',
    ],
    [[{ input_ids: null }], 'train.jsonl:1: input_ids is null; expected a list of whole numbers.'],
    [[{ prompt: 'a', response: 'b' }], 'Say what they are with columns: { completion: response }.'],
    [[{ instruction: 'a', response: 'b' }], 'columns: { output: response }.'],
    [[{ question: 'a', answer: 'b', id: 1 }], 'columns: { input: question, output: answer }.'],
    [[{ id: 1, body: 'b' }], 'train.jsonl:1: columns id, body; expected messages'],
    [[{ id: 1, body: 'b' }], 'Say what they are with columns (docs/data.md).'],
    [
      [first, { text: 'x' }],
      'train.jsonl:2: no messages among the columns text; expected messages, as in the first row.',
    ],
    [
      [{ text: 'x' }, first],
      'train.jsonl:2: no text among the columns messages; expected text, as in the first row. Put rows of another format into a file of their own.',
    ],
    [[first, { messages: null }], 'train.jsonl:2: messages is null; expected a list of messages.'],
  ])('%j', async (rows, says) => {
    expect(await errorOf(conversationsOf(rows))).toContain(says)
  })

  test('every cure names columns that are there, and works', async () => {
    for (const row of [
      { prompt: 'a', response: 'b' },
      { instruction: 'a', response: 'b' },
      { frage: 'a', antwort: 'b' },
    ]) {
      const message = await errorOf(conversationsOf([row]))
      const [, pairs] = /columns: \{ (.*?) \}/.exec(message) ?? []
      const columns = Object.fromEntries(pairs.split(', ').map((pair) => pair.split(': ')))
      expect(await conversationsOf([row], { columns })).toHaveLength(1)
    }
  })
})

test('half of a character is refused, wherever it stands', async () => {
  const rows: [Record<string, unknown>, string][] = [
    [
      { messages: [user, { role: 'assistant', content: 'bad \ud83d end' }] },
      'messages[1].content at character 5',
    ],
    [{ messages, tools: [{ name: 'f', description: '\udc00' }] }, 'tools[0].description at character 1'],
    [{ prompt: 'a', completion: '\ud83d' }, 'completion at character 1'],
    [{ text: '😀 \ud83d' }, 'text at character 4'],
    [
      {
        messages: [
          user,
          { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: '{"a": "\\ud83d"}' } }] },
        ],
      },
      'messages[1].tool_calls[0].function.arguments.a at character 1',
    ],
  ]
  for (const [row, place] of rows)
    expect(await errorOf(conversationsOf([row]))).toMatch(
      new RegExp(
        `train.jsonl:1: \\\\u\\w+, half of a character, in ${place.replaceAll(/[[\]]/g, '\\$&')}; expected whole`,
      ),
    )
})

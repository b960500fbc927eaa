import { describe, expect, test } from 'vitest'
import { JsonFloat } from '../../src/formats/json/index.ts'
import { detectFormat } from '../../src/data/conversations/detect-format.ts'
import { conversationsOf, errorOf } from './rows.ts'

const user = { role: 'user', content: 'Hi' }
const assistant = { role: 'assistant', content: 'Hello' }
const origin = { file: 'train.jsonl', line: 1 }

describe('the columns tell the format', () => {
  test.each([
    ['messages', { messages: [user] }],
    ['messages', { conversations: [user] }],
    ['sharegpt', { conversations: [{ from: 'human', value: 'Hi' }] }],
    ['sharegpt', { messages: [{ from: 'human', value: 'Hi' }] }],
    ['prompt_completion', { prompt: 'a', completion: 'b' }],
    ['instruct', { instruction: 'a', input: '', output: 'b' }],
    ['instruct', { input: 'a', output: 'b' }],
    ['text', { text: 'a', messages: null }],
    ['tokens', { input_ids: [1], text: 'a' }],
  ] as const)('%s: %j', (format, value) => {
    expect(detectFormat({ value, origin })).toBe(format)
  })

  test.each([
    [
      { question: 'a', answer: 'b' },
      'columns question, answer; expected messages, conversations, prompt and completion, instruction and output, text or input_ids. Say what they are with columns: { input: question, output: answer }.',
    ],
    [{}, 'no columns; expected messages'],
  ])('or fettle says what it saw: %j', async (value, message) => {
    expect(await errorOf(conversationsOf([value]))).toContain(`train.jsonl:1: ${message}`)
  })
})

describe('rows become conversations', () => {
  const call = { type: 'function', function: { name: 'now', arguments: {} } }
  test.each([
    ['messages', { messages: [user, assistant] }, {}, [user, assistant]],
    [
      'tool calls without content',
      { messages: [user, { role: 'assistant', content: null, tool_calls: [call] }] },
      {},
      [user, { role: 'assistant', content: null, tool_calls: [call] }],
    ],
    [
      'fields that only the template knows',
      { messages: [{ ...user, name: 'Ann' }, assistant] },
      {},
      [{ ...user, name: 'Ann' }, assistant],
    ],
    [
      'parts of text',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }, assistant] },
      {},
      [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }, assistant],
    ],
    [
      "OpenAI's weight",
      { messages: [user, { ...assistant, weight: 0 }, user, { ...assistant, weight: 1 }] },
      {},
      [user, { ...assistant, train: false }, user, assistant],
    ],
    [
      'train flags',
      { messages: [user, { ...assistant, train: false }] },
      {},
      [user, { ...assistant, train: false }],
    ],
    [
      'mapped roles',
      { messages: [user, { role: 'bot', content: 'Hello' }] },
      { roles: { bot: 'assistant' } },
      [user, assistant],
    ],
    [
      'roles mapped to themselves',
      { messages: [user, { role: 'ipython', content: '1' }] },
      { roles: { ipython: 'ipython' } },
      [user, { role: 'ipython', content: '1' }],
    ],
    [
      'ShareGPT',
      {
        conversations: [
          { from: 'system', value: 'S' },
          { from: 'human', value: 'Hi' },
          { from: 'gpt', value: 'Hello' },
        ],
      },
      {},
      [{ role: 'system', content: 'S' }, user, assistant],
    ],
    [
      'ShareGPT with a system column',
      {
        system: 'S',
        conversations: [
          { from: 'human', value: 'Hi' },
          { from: 'gpt', value: 'Hello' },
        ],
      },
      {},
      [{ role: 'system', content: 'S' }, user, assistant],
    ],
    [
      'ShareGPT function calls',
      {
        conversations: [
          { from: 'human', value: 'Hi' },
          { from: 'function_call', value: '{"name":"now","arguments":{}}' },
          { from: 'observation', value: '12' },
        ],
      },
      {},
      [user, { role: 'assistant', content: '', tool_calls: [call] }, { role: 'tool', content: '12' }],
    ],
    [
      'Alpaca',
      { instruction: 'Add', input: '1 2', output: '3' },
      {},
      [
        { role: 'user', content: 'Add\n\n1 2' },
        { role: 'assistant', content: '3' },
      ],
    ],
    ['Alpaca without input', { instruction: 'Hi', input: '', output: 'Hello' }, {}, [user, assistant]],
    [
      'named columns',
      { question: 'Hi', answer: 'Hello', id: 7 },
      { columns: { input: 'question', output: 'answer' } },
      [user, assistant],
    ],
    [
      'numbers in a template of columns, as JSON writes them',
      { a: new JsonFloat(2), b: new JsonFloat(1e16), answer: 'Hello' },
      { columns: { input: '{a} or {b}', output: 'answer' } },
      [{ role: 'user', content: '2.0 or 1e+16' }, assistant],
    ],
    [
      'a column under another name',
      { chat: [user, assistant] },
      { columns: { messages: 'chat' } },
      [user, assistant],
    ],
    [
      'prompt and completion as messages',
      { prompt: [user, assistant, user], completion: [assistant] },
      {},
      [{ ...user, train: false }, { ...assistant, train: false }, { ...user, train: false }, assistant],
    ],
    [
      'the same, learning prompts',
      { prompt: [user], completion: [assistant] },
      { trainOnInput: true },
      [user, assistant],
    ],
  ] as const)('%s', async (_, value, options, messages) => {
    expect(await conversationsOf([value], options)).toEqual([{ kind: 'messages', messages, origin }])
  })

  test.each([
    ['a list', [call]],
    ['its JSON text', JSON.stringify([call])],
  ])('with tools as %s', async (_, tools) => {
    expect(await conversationsOf([{ messages: [user, assistant], tools }])).toEqual([
      { kind: 'messages', messages: [user, assistant], tools: [call], origin },
    ])
  })

  test('plain prompt and completion, and text, stay plain', async () => {
    expect(await conversationsOf([{ prompt: 'a', completion: 'b' }])).toEqual([
      { kind: 'completion', prompt: 'a', completion: 'b', origin },
    ])
    expect(await conversationsOf([{ text: 'a' }])).toEqual([{ kind: 'text', text: 'a', origin }])
  })
})

describe('pre-tokenised rows', () => {
  const input_ids = [5, 6, 7, 8]
  test.each([
    ['all is learned', { input_ids }, {}, input_ids, [1, 1, 1, 1]],
    ['labels', { input_ids, labels: [-100, -100, 7, 8] }, {}, input_ids, [0, 0, 1, 1]],
    [
      'padding on the right',
      { input_ids, attention_mask: [1, 1, 1, 0], labels: [-100, 6, 7, -100] },
      {},
      [5, 6, 7],
      [0, 1, 1],
    ],
    ['padding on the left', { input_ids, attention_mask: [0, 1, 1, 1] }, {}, [6, 7, 8], [1, 1, 1]],
    ['a completion mask', { input_ids, completion_mask: [0, 1, 1, 1] }, {}, input_ids, [0, 1, 1, 1]],
    [
      'two masks must agree',
      { input_ids, completion_mask: [0, 1, 1, 1], assistant_masks: [1, 1, 0, 1] },
      {},
      input_ids,
      [0, 1, 0, 1],
    ],
    [
      'a mask, learning prompts',
      { input_ids, completion_mask: [0, 1, 1, 1] },
      { trainOnInput: true },
      input_ids,
      [1, 1, 1, 1],
    ],
    [
      'labels, learning prompts',
      { input_ids, labels: [-100, 6, 7, 8] },
      { trainOnInput: true },
      input_ids,
      [0, 1, 1, 1],
    ],
  ] as const)('%s', async (_, value, options, inputIds, mask) => {
    expect(await conversationsOf([value], options)).toEqual([
      { kind: 'tokens', inputIds, mask: Uint8Array.from(mask), origin },
    ])
  })
})

describe('errors name the line, what was found, what was expected and a cure', () => {
  test.each([
    [
      'unknown role',
      { messages: [user, { role: 'bot', content: 'a' }] },
      {},
      "train.jsonl:1: role 'bot'; expected system, user, assistant or tool. Map it with roles: { bot: assistant }.",
    ],
    [
      'ShareGPT role in messages',
      { messages: [{ role: 'human', content: 'a' }] },
      {},
      "train.jsonl:1: role 'human'; expected system, user, assistant or tool. Map it with roles: { human: user }.",
    ],
    [
      'role that is no name',
      { conversations: [{ from: 'The Bot', value: 'a' }] },
      {},
      `train.jsonl:1: role 'The Bot'; expected system, user, assistant or tool. Map it with roles: { "The Bot": assistant }.`,
    ],
    [
      'no role',
      { messages: [user, { content: 'a' }] },
      {},
      'train.jsonl:1: messages[1]: role is nothing; expected the name of a role.',
    ],
    [
      'no messages',
      { messages: [] },
      {},
      'train.jsonl:1: messages is an empty list; expected a list of messages.',
    ],
    [
      'messages as text',
      { messages: 'Hi' },
      {},
      'train.jsonl:1: messages is the string "Hi"; expected a list of messages.',
    ],
    [
      'message as text',
      { messages: [user, 'Hi'] },
      { format: 'messages' },
      'train.jsonl:1: messages[1]: the string "Hi"; expected an object with role and content.',
    ],
    [
      'number as content',
      { messages: [{ role: 'user', content: 7 }] },
      {},
      'train.jsonl:1: messages[0]: content is the number 7; expected a text.',
    ],
    [
      'no content',
      { messages: [user, { role: 'assistant' }] },
      {},
      'train.jsonl:1: messages[1]: content is nothing; expected a text. Only an assistant message with tool_calls may go without content.',
    ],
    [
      'image',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      {},
      'train.jsonl:1: messages[0]: content with a part of type the string "image_url"; expected parts of type text.',
    ],
    [
      'part',
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      {},
      'train.jsonl:1: messages[0]: content with a part whose text is nothing; expected parts of type text.',
    ],
    [
      'tool calls',
      { messages: [{ role: 'assistant', content: '', tool_calls: {} }] },
      {},
      'train.jsonl:1: messages[0]: tool_calls is an object; expected a list.',
    ],
    [
      'weight',
      { messages: [{ ...assistant, weight: 0.5 }] },
      {},
      'train.jsonl:1: messages[0]: weight is the number 0.5; expected 0 or 1.',
    ],
    [
      'tools',
      { messages: [user], tools: '{' },
      {},
      'train.jsonl:1: tools is the string "{"; expected a list of functions, or its JSON text.',
    ],
    [
      'empty completion',
      { prompt: 'a', completion: '' },
      {},
      'train.jsonl:1: completion is empty; expected a text.',
    ],
    ['empty text', { text: '' }, {}, 'train.jsonl:1: text is empty; expected a text.'],
    [
      'no question',
      { instruction: '', input: '', output: 'a' },
      { format: 'instruct' },
      'train.jsonl:1: neither instruction nor input; expected a text in one of them.',
    ],
    [
      'misspelled column',
      { qestion: 'a' },
      { columns: { text: 'question' } },
      'train.jsonl:1: no column question; expected qestion. Did you mean columns: { text: qestion }?',
    ],
    [
      'unknown column name',
      { text: 'a' },
      { columns: { outptu: 'a' } },
      'columns.outptu: a column that fettle does not read; expected messages, conversations, prompt, completion, instruction, input, output, history, system, tools, functions, chat_template_kwargs, text, input_ids, labels, attention_mask, completion_mask, assistant_masks, chosen, rejected, label, prompt_ids, chosen_ids, rejected_ids, completion_ids, KL_completion_ids, margin. Did you mean output?',
    ],
    [
      'shifted labels',
      { input_ids: [5, 6, 7], labels: [6, 7, -100] },
      {},
      'train.jsonl:1: labels[0] is 6; expected -100 or the same token as in input_ids: fettle shifts the labels itself.',
    ],
    [
      'short mask',
      { input_ids: [5, 6], attention_mask: [1] },
      {},
      'train.jsonl:1: attention_mask of 1; expected 2, as many as input_ids.',
    ],
    [
      'hole in the mask',
      { input_ids: [5, 6, 7], attention_mask: [1, 0, 1] },
      {},
      'train.jsonl:1: attention_mask[1] is 0 between tokens; expected zeros at the ends only, as padding makes them.',
    ],
    [
      'fraction',
      { input_ids: [5, 6.5] },
      {},
      'train.jsonl:1: input_ids[1] is the number 6.5; expected a whole number.',
    ],
  ])('%s', async (_, value, options, message) => {
    expect(await errorOf(conversationsOf([value], options as Parameters<typeof conversationsOf>[1]))).toBe(
      message,
    )
  })

  test('in the line where it is', async () => {
    const rows = Array.from({ length: 40 }, () => ({ messages: [user, assistant] }))
    expect(
      await errorOf(
        conversationsOf([...rows, { messages: [{ role: 'bot', content: '' }] }] as Record<string, unknown>[]),
      ),
    ).toMatch(/^train\.jsonl:41: role 'bot'/)
  })
})

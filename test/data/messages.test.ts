import { describe, expect, test } from 'vitest'
import { keysOf, parseJson } from '../../src/formats/json/index.ts'
import type { Conversation, ConversationOptions } from '../../src/data/index.ts'
import { conversationsOf, errorOf } from './rows.ts'

const user = { role: 'user', content: 'w?' }
const done = { role: 'assistant', content: 'd' }
const bern = { name: 'get_weather', arguments: { city: 'Bern' } }
const chur = { name: 'get_weather', arguments: { city: 'Chur' } }
const call = (...calls: unknown[]) => ({
  role: 'assistant',
  content: '',
  tool_calls: calls.map((fn) => ({ type: 'function', function: fn })),
})
const tool = (content: string) => ({ role: 'tool', content })

async function messagesOf(value: Record<string, unknown>, options: ConversationOptions = {}) {
  const [conversation] = await conversationsOf([value], options)
  return conversation.kind === 'messages' ? conversation.messages : []
}

const errorFor = (messages: unknown, options: ConversationOptions = {}) =>
  errorOf(conversationsOf([{ messages }], options))

describe('shapes that people have', () => {
  test.each<[string, Record<string, unknown>, ConversationOptions]>([
    ['role and content in conversations', { conversations: [user, done] }, {}],
    [
      'from and content',
      {
        messages: [
          { from: 'human', content: 'w?' },
          { from: 'gpt', content: 'd' },
        ],
      },
      {},
    ],
    [
      'role and value',
      {
        messages: [
          { role: 'user', value: 'w?' },
          { role: 'assistant', value: 'd' },
        ],
      },
      {},
    ],
    ['JSON text', { messages: JSON.stringify([user, done]) }, {}],
    ['a list of JSON texts', { conversations: [JSON.stringify(user), JSON.stringify(done)] }, {}],
    ['one of each', { conversations: [user, { from: 'gpt', value: 'd' }] }, {}],
    [
      'keys that are named',
      {
        messages: [
          { speaker: 'Q', text: 'w?' },
          { speaker: 'A', text: 'd' },
        ],
      },
      { messageKeys: { role: 'speaker', content: 'text' }, roles: { Q: 'user', A: 'assistant' } },
    ],
  ])('%s', async (_, value, options) => {
    expect(await messagesOf(value, options)).toEqual([user, done])
  })

  test('the order of keys is the file’s', async () => {
    const row = parseJson('{"messages":[{"content":"w?","id":7,"role":"user"}]}', 'x') as Record<
      string,
      unknown
    >
    const [message] = await messagesOf(row)
    expect(keysOf(message)).toEqual(['content', 'id', 'role'])
  })

  test.each([
    [
      [{ speaker: 'Q', text: 'w?' }],
      'messages[0]: a message with speaker, text; expected role and content, or from and value. Say what they are with message_keys: { role: speaker, content: text }.',
    ],
    [[{ a: 'Q', b: 'w?' }], 'Say what they are with message_keys (docs/data.md).'],
    [[{ role: 'user', content: { t: 3 } }], 'content is an object; expected a text. Write it as a text'],
  ])('%j is refused', async (messages, says) => {
    expect(await errorFor(messages)).toContain(says)
  })
})

describe('roles', () => {
  test.each([
    [
      ['User', 'Assistant'],
      "roles 'User', 'Assistant'; expected system, user, assistant or tool. Map them with roles: { User: user, Assistant: assistant }.",
    ],
    [
      ['user', 'narrator'],
      "role 'narrator'; expected system, user, assistant or tool. Say which of these each is with `roles` (docs/data.md).",
    ],
    [['user', 'tool_result'], 'Map it with roles: { tool_result: tool }.'],
    [['user', 'ipython'], 'Map it with roles: { ipython: tool }.'],
    [['user', 'model'], 'Map it with roles: { model: assistant }.'],
  ])('%j', async (names, says) => {
    expect(await errorFor(names.map((role) => ({ role, content: 'a' })))).toContain(says)
  })

  test('what a tool says is never taken for an answer', async () => {
    for (const role of ['function', 'tool_response'])
      expect(await messagesOf({ messages: [user, { role, name: 'f', content: '3' }] })).toEqual([
        user,
        { role: 'tool', name: 'f', content: '3' },
      ])
  })
})

describe('calls', () => {
  const json = JSON.stringify
  test.each<[string, Record<string, unknown>, unknown[]]>([
    [
      'function_call',
      {
        conversations: [
          { from: 'human', value: 'w?' },
          { from: 'function_call', value: json(bern) },
          { from: 'observation', value: '3' },
        ],
      },
      [user, call(bern), tool('3')],
    ],
    [
      'parallel ones in a list',
      {
        conversations: [
          { from: 'human', value: 'w?' },
          { from: 'function_call', value: json([bern, chur]) },
        ],
      },
      [user, call(bern, chur)],
    ],
    [
      'parallel ones in a row',
      {
        messages: [
          user,
          { role: 'tool_call', content: json(bern) },
          { role: 'tool_call', content: json(chur) },
          { role: 'tool_response', content: '3' },
        ],
      },
      [user, call(bern, chur), tool('3')],
    ],
    [
      'behind what the assistant says',
      { messages: [user, done, { role: 'tool_call', content: json(bern) }] },
      [user, { ...call(bern), content: 'd' }],
    ],
    ['as an object', { messages: [user, { role: 'tool_call', content: bern }] }, [user, call(bern)]],
    [
      'OpenAI’s first form',
      { messages: [user, { role: 'assistant', content: null, function_call: bern }] },
      [user, { ...call(bern), content: null }],
    ],
    [
      'as JSON text',
      { messages: [user, { ...call(bern), tool_calls: json(call(bern).tool_calls) }] },
      [user, call(bern)],
    ],
  ])('%s', async (_, value, messages) => {
    expect(await messagesOf(value)).toEqual(messages)
  })

  test('do not change the program’s rows', async () => {
    const messages = [user, done, { role: 'tool_call', content: json(bern) }]
    await messagesOf({ messages })
    expect(done).toEqual({ role: 'assistant', content: 'd' })
  })

  test('keep integers of any size', async () => {
    const value = '{"name": "f", "arguments": {"id": 1234567890123456789, "x": 1.0}}'
    const [, answer] = await messagesOf({ messages: [user, { role: 'tool_call', content: value }] })
    expect(answer.tool_calls).toMatchObject([
      { function: { arguments: { id: 1234567890123456789n, x: { value: 1 } } } },
    ])
  })

  test.each([
    [
      "{'name': 'f'}",
      'messages[1]: tool_call: not JSON: a single quote (column 2); expected a name in double quotes or }. JSON has names and texts in double quotes.',
    ],
    ['[]', 'tool_call with an empty list; expected a call in it'],
    [
      '{"arguments": {}}',
      'tool_call is a call without name; expected {"name": …, "arguments": …}, or a list of such',
    ],
    ['"f"', 'tool_call is the string "f"'],
  ])('%s is refused, and never for a role', async (content, says) => {
    const message = await errorFor([user, { role: 'tool_call', content }])
    expect(message).toContain(says)
    expect(message).not.toContain('roles')
  })

  test('a role that is mapped is what it is mapped to', async () => {
    const roles = { tool_call: 'assistant' }
    expect(await messagesOf({ messages: [user, { role: 'tool_call', content: 'x' }] }, { roles })).toEqual([
      user,
      { role: 'assistant', content: 'x' },
    ])
  })
})

describe('marks of what is learned', () => {
  test.each<[Record<string, unknown>, boolean | undefined, ConversationOptions?]>([
    [{}, undefined],
    [{ train: null, weight: null }, undefined],
    [{ train: false }, false],
    [{ training: true }, true],
    [{ loss: false }, false],
    [{ loss: 1 }, true],
    [{ weight: 0 }, false],
    [{ weight: 1 }, undefined],
    [{ weight: 0, loss: false }, false],
    [{ learn: false }, false, { messageKeys: { train: 'learn' } }],
    [{ mask: 0 }, false, { messageKeys: { train: 'mask' } }],
  ])('%j: %s', async (mark, train, options) => {
    const answers = [
      { role: 'assistant', content: 'd', ...mark },
      { role: 'tool_call', content: JSON.stringify(bern), ...mark },
    ]
    for (const answer of answers) {
      const [, read] = await messagesOf({ messages: [user, answer] }, options)
      expect(read.train).toBe(train)
      expect(Object.keys(read).filter((key) => key in mark && key !== 'train')).toEqual([])
    }
  })

  test('floats are numbers', async () => {
    const row = parseJson('{"messages":[{"role":"assistant","content":"d","weight":0.0}]}', 'x')
    expect(await messagesOf(row as Record<string, unknown>)).toEqual([{ ...done, train: false }])
  })

  test.each<[Record<string, unknown>, string]>([
    [{ train: 'no' }, 'train is the string "no"; expected true or false'],
    [{ train: 0 }, 'train is the number 0; expected true or false'],
    [{ loss: 0.5 }, 'loss is the number 0.5; expected true or false'],
    [{ weight: 0.5 }, 'weight is the number 0.5; expected 0 or 1'],
    [{ weight: true }, 'weight is the boolean true; expected 0 or 1'],
    [{ weight: 0, train: true }, 'the opposite; expected one of them'],
    [
      { mask: true },
      'mask, by which other tools decide what is learned; expected train: true or false, or weight: 0 or 1',
    ],
    [{ train_detail: [] }, 'train_detail, by which other tools'],
    [{ content: [{ type: 'text', text: 'a', weight: 0 }] }, 'a part of the content with weight'],
  ])('%j is refused', async (mark, says) => {
    expect(await errorFor([user, { ...done, ...mark }])).toContain(says)
    if (!('content' in mark))
      expect(await errorFor([user, { role: 'tool_call', content: JSON.stringify(bern), ...mark }])).toContain(
        says,
      )
  })

  test('a loss on a question is refused: other tools ignore it', async () => {
    expect(await errorFor([{ ...user, loss: true }])).toContain('loss is true on a message from user')
  })
})

describe('tools', () => {
  const fn = { name: 'f', parameters: {} }
  const framed = { type: 'function', function: fn }
  const toolsOf = async (value: Record<string, unknown>) => {
    const [conversation] = await conversationsOf([{ messages: [user, done], ...value }])
    return (conversation as Extract<Conversation, { kind: 'messages' }>).tools
  }

  test.each<[string, Record<string, unknown>, unknown[] | undefined]>([
    ['a list', { tools: [framed] }, [framed]],
    ['JSON text', { tools: JSON.stringify([framed]) }, [framed]],
    ['a list of JSON texts', { tools: [JSON.stringify(framed)] }, [framed]],
    ['bare ones, as they are', { tools: [fn] }, [fn]],
    ['functions', { functions: [fn] }, [framed]],
    ['functions as JSON text', { functions: JSON.stringify([fn]), tools: null }, [framed]],
    ['none', { tools: [] }, undefined],
    ['an empty text', { tools: '' }, undefined],
  ])('%s', async (_, value, tools) => {
    expect(await toolsOf(value)).toEqual(tools)
  })

  test.each<[Record<string, unknown>, string]>([
    [
      { tools: "[{'name': 'f'}]" },
      'It is not JSON: a single quote (column 3). JSON has names and texts in double quotes.',
    ],
    [{ tools: ["{'name': 'f'}"] }, 'tools[0]: not JSON: a single quote'],
    [{ tools: [7] }, 'tools[0] is the number 7; expected a function'],
    [{ tools: framed }, 'tools is an object; expected a list of functions'],
    [{ tools: [framed], functions: [fn] }, 'both tools and functions'],
  ])('%j is refused', async (value, says) => {
    expect(await errorOf(conversationsOf([{ messages: [user, done], ...value }]))).toContain(says)
  })
})

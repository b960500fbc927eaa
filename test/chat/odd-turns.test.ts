import { describe, expect, it, test } from 'vitest'
import { findStopTokens, fitMessages, parseChatTemplate, renderWithSpans } from '../../src/chat/index.ts'
import type { LearnedSpan, Message } from '../../src/chat/index.ts'
import { JsonFloat } from '../../src/formats/json/index.ts'
import { loadTemplate, pinnedNow, recorded } from './fixtures.ts'

const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string, more: object = {}): Message => ({ role: 'assistant', content, ...more })
const tool = (content: string): Message => ({ role: 'tool', content })
const call = { type: 'function', function: { name: 'look', arguments: { x: 1 } } }
const look = { tool_calls: [call] }

/** A loop over messages with a branch for each role. */
const loop = (branches: Record<string, string>, prompt = '', before = '') =>
  `${before}{% for m in messages %}${Object.entries(branches)
    .map(([role, body], i) => `{% ${i === 0 ? 'if' : 'elif'} m.role == '${role}' %}${body}`)
    .join('')}{% endif %}{% endfor %}{% if add_generation_prompt %}${prompt}{% endif %}`

/** Structures that published templates have, each reduced to what makes it hard. */
const templates = {
  // DeepSeek R1, QwQ: the prompt opens thinking, and the answers are shown without theirs.
  opensThinking: loop(
    {
      user: '<|user|>{{ m.content }}',
      assistant: "<|bot|>{{ m.content.split('</think>') | last }}</s>",
    },
    '<|bot|><think>\n',
  ),
  // DeepSeek V3.2: the prompt skips thinking with two tags, the text has one of them.
  skipsThinking: loop(
    {
      user: '<|user|>{{ m.content }}',
      assistant:
        "{% if messages[loop.index0 - 1].role == 'user' %}<|bot|>{% endif %}</think>{{ m.content }}</s>",
      tool: '\n\n<result>{{ m.content }}</result>{% if loop.last and add_generation_prompt %}\n\n<think></think>{% else %}\n\n{% endif %}',
    },
    "{% if messages[-1].role == 'user' %}<|bot|><think></think>{% endif %}",
  ),
  // Command R7B: what the answer is follows the speaker, and the prompt offers another kind.
  namesParts: loop(
    {
      user: '<|turn|><|user|>{{ m.content }}<|end_of_turn|>',
      assistant: '<|turn|><|bot|><|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|><|end_of_turn|>',
    },
    '<|turn|><|bot|><|START_THINKING|><|END_THINKING|>',
  ),
  // The same, and the text always ends with a prompt.
  alwaysPrompts: `${loop({
    user: '<|turn|><|user|>{{ m.content }}<|end_of_turn|>',
    assistant: '<|turn|><|bot|><|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|><|end_of_turn|>',
  })}<|turn|><|bot|><|START_THINKING|>`,
  // Kimi K3: parts and turns are closed with tokens that also open and part them.
  closesParts: loop(
    {
      user: '<|open|>message role="user"<|sep|>{{ m.content }}<|close|>message<|sep|><|finish|>',
      assistant:
        '<|open|>message role="assistant"<|sep|><|open|>response<|sep|>{{ m.content }}<|close|>response<|sep|><|close|>message<|sep|><|finish|>',
    },
    '<|open|>message role="assistant"<|sep|>',
  ),
  // Mistral: tools stand before the last question, so that no prompt is a beginning of the text.
  movesTools: loop({
    user: '{% if m == (messages | selectattr("role", "equalto", "user") | list)[-1] %}[TOOLS]t[/TOOLS]{% endif %}[INST] {{ m.content }}[/INST]',
    assistant:
      '{% if m.tool_calls %}[TOOL_CALLS]{{ m.tool_calls | tojson }}{% else %} {{ m.content }}{% endif %}</s>',
    tool: '[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]',
  }),
  // Apriel: a last answer is left open, and of no messages nothing is made.
  leavesOpen: loop(
    {
      user: '<|begin_user|>\n{{ m.content }}',
      assistant: '\n<|begin_assistant|>\n{{ m.content }}{% if not loop.last %}\n<|end|>\n{% endif %}',
    },
    "{% if messages and messages[-1].role != 'assistant' %}\n<|begin_assistant|>\n{% endif %}",
    '{% if messages %}<|begin_system|>\nBe brief.\n{% endif %}',
  ),
  // GigaChat: no prompt behind an answer, and the speaker's name is text.
  promptsOnce: loop(
    {
      user: 'user<|role|>\n{{ m.content }}<|end_of_turn|>\n\n',
      assistant: 'assistant<|role|>\n{{ m.content }}<|end_of_turn|>\n\n',
    },
    "{% if messages[-1].role == 'user' %}assistant<|role|>\n{% endif %}",
  ),
  // GLM 4: the next speaker ends a turn.
  endsByNext: loop(
    {
      user: '<|user|>\n{{ m.content }}',
      assistant:
        '<|assistant|>\n<think></think>{{ m.content }}{% for c in m.tool_calls %}<tool_call>{{ c.function.name }}</tool_call>{% endfor %}',
      tool: '<|observation|>\n{{ m.content }}',
    },
    '<|assistant|>\n<think>',
  ),
  // gpt-oss: a channel between the prompt and the answer.
  channels: loop(
    {
      user: '<|start|>user<|message|>{{ m.content }}<|end|>',
      assistant:
        '<|start|>assistant<|channel|>final<|message|>{{ m.content }}{% if loop.last %}<|return|>{% else %}<|end|>{% endif %}',
    },
    '<|start|>assistant',
  ),
  // A template that leaves out what is empty.
  omitsEmpty: loop(
    {
      user: '<|user|>{{ m.content }}</s>',
      assistant: '{% if m.content %}<|bot|>{{ m.content }}</s>{% endif %}',
    },
    '<|bot|>',
  ),
  // Solar Open: tool calls end with a token of their own.
  endsCalls: loop(
    {
      user: '<|begin|>user<|content|>{{ m.content }}<|end|>',
      assistant:
        '<|begin|>assistant{% if m.tool_calls %}<|tool_calls|>{{ m.tool_calls[0].function.name }}<|calls|>{% else %}<|content|>{{ m.content }}<|end|>{% endif %}',
      tool: '<|begin|>tool<|content|>{{ m.content }}<|end|>',
    },
    '<|begin|>assistant',
  ),
  // Hermes: refuses conversations without tools.
  needsTools: loop(
    {
      user: '<|im_start|>user\n{{ m.content }}<|im_end|>\n',
      assistant: '<|im_start|>assistant\n{{ m.content }}<|im_end|>\n',
    },
    '<|im_start|>assistant\n',
    '{% for t in tools %}{{ t.function.name }}{% endfor %}',
  ),
} satisfies Record<string, string>

type Name = keyof typeof templates
const tools: Partial<Record<Name, unknown[]>> = {
  needsTools: [{ type: 'function', function: { name: 'look' } }],
}

function learn(name: Name, messages: Message[]) {
  const { rendered, spans } = renderWithSpans(
    parseChatTemplate(templates[name]),
    { messages, tools: tools[name] },
    { bosToken: '<s>', eosToken: '</s>', specialTokens: ['<|open|>', '<|close|>', '<|sep|>', '<|finish|>'] },
  )
  return spans.map(({ message, status, start, end }) => [message, status, rendered.text.slice(start, end)])
}

const twice = [user('q'), assistant('a'), user('r'), assistant('b')]
const unanswered = [user('q'), assistant(''), user('r'), assistant('b')]
const unansweredLast = [user('q'), assistant('a'), user('r'), assistant('')]

describe('turns whose prompt is not simply a beginning of the text', () => {
  it.each<[Name, string, Message[], [number, LearnedSpan['status'], string][]]>([
    [
      'opensThinking',
      'an answer without its thinking',
      twice,
      [
        [1, 'aligned', 'a</s>'],
        [3, 'aligned', 'b</s>'],
      ],
    ],
    [
      'opensThinking',
      'an empty answer',
      unanswered,
      [
        [1, 'aligned', '</s>'],
        [3, 'aligned', 'b</s>'],
      ],
    ],
    [
      'opensThinking',
      'an empty answer at the end',
      unansweredLast,
      [
        [1, 'aligned', 'a</s>'],
        [3, 'aligned', '</s>'],
      ],
    ],
    [
      'skipsThinking',
      'what the prompt supplies is not learned',
      twice,
      [
        [1, 'aligned', 'a</s>'],
        [3, 'aligned', 'b</s>'],
      ],
    ],
    [
      'skipsThinking',
      'behind a tool the prompt names nobody',
      [user('q'), assistant('a'), tool('t'), assistant('b')],
      [
        [1, 'aligned', 'a</s>'],
        [3, 'aligned', 'b</s>'],
      ],
    ],
    [
      'namesParts',
      'the kind of answer is learned',
      twice,
      [
        [1, 'aligned', '<|START_RESPONSE|>a<|END_RESPONSE|><|end_of_turn|>'],
        [3, 'aligned', '<|START_RESPONSE|>b<|END_RESPONSE|><|end_of_turn|>'],
      ],
    ],
    [
      'alwaysPrompts',
      'the prompt at the end of the text is nobody’s turn',
      unansweredLast,
      [
        [1, 'aligned', '<|START_RESPONSE|>a<|END_RESPONSE|><|end_of_turn|>'],
        [3, 'aligned', '<|START_RESPONSE|><|END_RESPONSE|><|end_of_turn|>'],
      ],
    ],
    [
      'closesParts',
      'the last of many closing tokens ends the turn',
      twice,
      [
        [1, 'proved', '<|open|>response<|sep|>a<|close|>response<|sep|><|close|>message<|sep|><|finish|>'],
        [3, 'proved', '<|open|>response<|sep|>b<|close|>response<|sep|><|close|>message<|sep|><|finish|>'],
      ],
    ],
    [
      'closesParts',
      'an empty answer opens a part',
      unanswered,
      [
        [1, 'proved', '<|open|>response<|sep|><|close|>response<|sep|><|close|>message<|sep|><|finish|>'],
        [3, 'proved', '<|open|>response<|sep|>b<|close|>response<|sep|><|close|>message<|sep|><|finish|>'],
      ],
    ],
    [
      'movesTools',
      'an answer behind a tool’s, before the last question',
      [user('q'), assistant('', look), tool('t'), assistant('a'), user('r'), assistant('b')],
      [
        [1, 'aligned', `[TOOL_CALLS]${JSON.stringify([call]).replaceAll(/([,:])/g, '$1 ')}</s>`],
        [3, 'aligned', ' a</s>'],
        [5, 'proved', ' b</s>'],
      ],
    ],
    [
      'leavesOpen',
      'the second of two answers does not begin in the first',
      [user('q'), assistant('a'), assistant('b'), user('r'), assistant('c')],
      [
        [1, 'proved', 'a<|end|>'],
        [2, 'aligned', 'b<|end|>'],
        [4, 'no-stop', 'c'],
      ],
    ],
    [
      'leavesOpen',
      'a conversation that begins with an answer is not learned from its very beginning',
      [assistant('a'), user('r'), assistant('b')],
      [
        [0, 'aligned', 'a<|end|>'],
        [2, 'no-stop', 'b'],
      ],
    ],
    [
      'promptsOnce',
      'the name of the speaker of a second answer is not learned',
      [user('q'), assistant('a'), assistant('b')],
      [
        [1, 'proved', 'a<|end_of_turn|>'],
        [2, 'aligned', 'b<|end_of_turn|>'],
      ],
    ],
    [
      'endsByNext',
      'no stop token',
      twice,
      [
        [1, 'no-stop', '</think>a'],
        [3, 'no-stop', '</think>b'],
      ],
    ],
    [
      'endsByNext',
      'what closes a tool call belongs to the turn',
      [user('q'), assistant('', look), tool('t'), assistant('b')],
      [
        [1, 'no-stop', '</think><tool_call>look</tool_call>'],
        [3, 'no-stop', '</think>b'],
      ],
    ],
    [
      'endsByNext',
      'an empty answer says that it has no stop token',
      unanswered,
      [
        [1, 'no-stop', '</think>'],
        [3, 'no-stop', '</think>b'],
      ],
    ],
    [
      'channels',
      'an empty answer behind its channel',
      unanswered,
      [
        [1, 'proved', '<|channel|>final<|message|><|end|>'],
        [3, 'proved', '<|channel|>final<|message|>b<|return|>'],
      ],
    ],
    [
      'channels',
      'an empty answer at the end',
      unansweredLast,
      [
        [1, 'proved', '<|channel|>final<|message|>a<|end|>'],
        [3, 'proved', '<|channel|>final<|message|><|return|>'],
      ],
    ],
    ['omitsEmpty', 'a message for which nothing is written', unanswered, [[3, 'proved', 'b</s>']]],
    [
      'endsCalls',
      'tool calls end with their own token',
      [user('q'), assistant('', look), tool('t'), assistant('b')],
      [
        [1, 'proved', '<|tool_calls|>look<|calls|>'],
        [3, 'proved', '<|content|>b<|end|>'],
      ],
    ],
    [
      'needsTools',
      'a template that refuses conversations without tools',
      twice,
      [
        [1, 'proved', 'a<|im_end|>'],
        [3, 'proved', 'b<|im_end|>'],
      ],
    ],
  ])('%s: %s', (name, _, messages, expected) => {
    expect(learn(name, messages)).toEqual(expected)
  })

  it('finds the stop tokens of a template that needs tools, and the last of several closing ones', () => {
    const stops = (name: Name, specialTokens: string[]) =>
      findStopTokens(parseChatTemplate(templates[name]), { bosToken: '<s>', eosToken: '</s>', specialTokens })
    expect(stops('needsTools', [])).toEqual(['<|im_end|>'])
    expect(stops('closesParts', ['<|open|>', '<|close|>', '<|sep|>', '<|finish|>'])).toEqual(['<|finish|>'])
    expect(stops('endsCalls', [])).toEqual(['<|end|>', '<|calls|>'])
  })
})

/*
 * An oracle for published templates: whatever an answer says, the learned text around it is the same. Answers say what
 * the template itself writes, or nothing at all.
 */
describe('answers that say what templates write', () => {
  const names = Object.keys(recorded)
  const stand = '\uE000\uE001\uE002'
  const said = [
    'assistant',
    'user',
    'model',
    'a',
    '.',
    'é 😀👍🏽 日本語 e\u0301',
    'x <|im_end|> y',
    '</s>',
    '[/INST] z',
    '<|im_start|>assistant',
    '### Response:',
    '<start_of_turn>model',
    '<|message|>',
  ]

  function learnedOf(name: string, first: string, second: string): string[] | undefined {
    const { bos_token, eos_token } = recorded[name] ?? { bos_token: '', eos_token: '' }
    const plain = [user('Q1'), assistant(first), user('Q2'), assistant(second)]
    // LLaVA's template reads lists of parts only.
    const parts = plain.map(({ role, content }) => ({
      role,
      content: [{ type: 'text', text: String(content) }],
    }))
    const messages = name.includes('llava_next') ? parts : plain
    try {
      const { rendered, spans } = renderWithSpans(
        loadTemplate(name),
        { messages, now: pinnedNow },
        { bosToken: bos_token, eosToken: eos_token, specialTokens: [] },
      )
      return [1, 3].map((message) => {
        const span = spans.find((found) => found.message === message)
        return span === undefined
          ? 'no span'
          : `${span.status} ${(span.ranges ?? [span]).map(({ start, end }) => rendered.text.slice(start, end)).join('|')}`
      })
    } catch {
      return undefined
    }
  }

  it.each(names)('%s', (name) => {
    const around = learnedOf(name, stand, stand)
    if (around === undefined) throw new Error(`${name} refuses a plain conversation`)
    expect(around.map((text) => text.split(stand).length - 1)).toEqual([1, 1])
    for (const text of said)
      expect(learnedOf(name, text, text), text).toEqual(
        around.map((learned) => learned.replace(stand, () => text)),
      )
  })

  it.each(names)('%s, when nothing is said', (name) => {
    const around = learnedOf(name, stand, stand) ?? []
    const nothing = [learnedOf(name, '', stand)?.[0], learnedOf(name, stand, '')?.[1]]
    expect(nothing.map((learned) => learned === undefined || learned !== 'no span')).toEqual([true, true])
    const plain = (learned: string | undefined) =>
      learned?.replace(/^\S+ /, '').replace(/<think>\n*<\/think>|\s/g, '')
    expect(nothing.map(plain)).toEqual(around.map((learned) => plain(learned.replace(stand, ''))))
  })
})

test.each([
  ['null', null, 'messages[1].tool_calls[0]: null; expected a call with name and arguments'],
  ['a function without name', { function: { arguments: {} } }, 'a function without name'],
  ['a function that is a text', { function: 'look' }, 'function is the string "look"; expected an object'],
  ['a list', { name: 'f', arguments: [1] }, 'arguments are a list; expected an object, or its JSON text'],
  ['a number', { function: { name: 'f', arguments: 5n } }, 'arguments are the number 5; expected an object'],
  [
    'a call that is a float',
    new JsonFloat(1),
    '[0]: the number 1.0; expected a call with name and arguments',
  ],
])('what is no call is refused: %s', (_, odd, says) => {
  const template = parseChatTemplate('{% for m in messages %}{{ m.tool_calls | tojson }}{% endfor %}')
  const given = { messages: [user('Look'), assistant('', { tool_calls: [odd] })] }
  expect(() => fitMessages(template, given)).toThrow(says)
})

test.each(['1.0', '5', '[1]', 'null'])(
  'JSON that is no object is refused as arguments where the template takes an object: %s',
  (text) => {
    const template = parseChatTemplate(
      '{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}',
    )
    const call = { type: 'function', function: { name: 'f', arguments: text } }
    const given = { messages: [user('Look'), assistant('', { tool_calls: [call] })] }
    expect(() => fitMessages(template, given)).toThrow('arguments that are JSON, but no object')
  },
)

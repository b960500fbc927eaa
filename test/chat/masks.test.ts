import { describe, expect, it } from 'vitest'
import {
  checkSpans,
  findStopTokens,
  parseChatTemplate,
  renderWithSpans,
  splitPerTurn,
} from '../../src/chat/index.ts'
import type { LearnedSpan, MaskPolicy, Message, Rendered } from '../../src/chat/index.ts'
import { loadTemplate } from './fixtures.ts'

const chatml = parseChatTemplate(
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
)
const tokens = { bosToken: '<s>', eosToken: '<|im_end|>', specialTokens: ['<|im_start|>', '<|im_end|>'] }

function chat(...contents: string[]): Message[] {
  return contents.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }))
}

/** The learned parts, as text. */
function learned({ rendered, spans }: { rendered: Rendered; spans: LearnedSpan[] }): string[] {
  return spans.flatMap((span) =>
    (span.ranges ?? [span]).map(({ start, end }) => rendered.text.slice(start, end)),
  )
}

function mask(
  template: string,
  messages: Message[],
  policy: MaskPolicy = {},
  eosToken = '</s>',
): ReturnType<typeof renderWithSpans> {
  return renderWithSpans(parseChatTemplate(template), { messages }, { bosToken: '<s>', eosToken, policy })
}

describe('borders', () => {
  it.each<[string, string, Message[], string[], LearnedSpan['status'][]]>([
    [
      'an eos once at the end, outside the loop',
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}{{ eos_token }}{% if add_generation_prompt %}assistant: {% endif %}",
      chat('a', 'b'),
      ['b\n</s>'],
      ['aligned'],
    ],
    [
      'no stop token at all',
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
      chat('a', 'b'),
      ['b'],
      ['no-stop'],
    ],
    [
      'merged consecutive answers: only the last one stops',
      "{% for m in messages %}{% if m.role == 'user' %}U:{{ m.content }}\nA:{% else %}{{ m.content }}{% if loop.last or loop.nextitem.role == 'user' %}</s>{% else %} {% endif %}{% endif %}{% endfor %}",
      [...chat('q', 'one'), { role: 'assistant', content: 'two' }],
      ['one', 'two</s>'],
      ['no-stop', 'inferred'],
    ],
    [
      'a dropped system message',
      "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
      [{ role: 'system', content: 'S' }, ...chat('q', 'r')],
      ['r</s>'],
      ['proved'],
    ],
    [
      'a stop token that the answer quotes',
      '{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}',
      chat('q', 'say </s> now', 'x', 'y'),
      ['say </s> now</s>', 'y</s>'],
      ['proved', 'proved'],
    ],
    [
      'an answer that says nothing learns to stop',
      '{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}',
      chat('q', ''),
      ['</s>'],
      ['proved'],
    ],
    [
      'an answer that the template does not show',
      "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}</s>{% endif %}{% endfor %}",
      chat('q', 'r'),
      [],
      [],
    ],
    [
      'a generation block that holds the header too is used as it is',
      "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}<a>{{ m.content }}</s>{% endgeneration %}{% else %}<u>{{ m.content }}{% endif %}{% endfor %}",
      chat('q', 'r'),
      ['<a>r</s>'],
      ['marked'],
    ],
    [
      'a generation block inside a macro',
      "{% macro turn(m) %}<a>{% generation %}{{ m.content }}</s>{% endgeneration %}{% endmacro %}{% for m in messages %}{% if m.role == 'assistant' %}{{ turn(m) }}{% else %}<u>{{ m.content }}{% endif %}{% endfor %}",
      chat('q', 'r', 'q2', 'r2'),
      ['r</s>', 'r2</s>'],
      ['marked', 'marked'],
    ],
    [
      'a generation block without the stop token',
      "{% for m in messages %}{% if m.role == 'assistant' %}<a>{% generation %}{{ m.content }}{% endgeneration %}</s>{% else %}<u>{{ m.content }}{% endif %}{% endfor %}",
      chat('q', 'r'),
      ['r'],
      ['no-stop'],
    ],
    [
      'a template that cannot show a prompt',
      "{% if messages[-1].role != 'assistant' %}{{ raise_exception('no') }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}",
      chat('q', 'r'),
      ['r</s>'],
      ['inferred'],
    ],
    [
      'another message inside the turn is punched out',
      "{% for m in messages %}{% if m.role == 'user' %}U:{{ m.content }} A:{% else %}{{ m.content }} [{{ messages[0].content }}] {{ m.extra }}</s>{% endif %}{% endfor %}",
      [
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'r', extra: 's' },
      ],
      ['r [', '] s</s>'],
      ['proved'],
    ],
  ])('%s', (_, template, messages, expected, statuses) => {
    const result = mask(template, messages)
    expect(learned(result)).toEqual(expected)
    expect(result.spans.map(({ status }) => status)).toEqual(statuses)
  })
})

describe('policies', () => {
  const messages = chat('q1', 'r1', 'q2', 'r2')
  it.each<[string, MaskPolicy, Message[], string[]]>([
    ['all answers', {}, messages, ['r1<|im_end|>', 'r2<|im_end|>']],
    ['the last one', { learn: 'last' }, messages, ['r2<|im_end|>']],
    [
      'with the header',
      { includeHeader: true, learn: 'last' },
      messages,
      ['<|im_start|>assistant\nr2<|im_end|>'],
    ],
    ['with the newline', { includeTrailingNewline: true, learn: 'last' }, messages, ['r2<|im_end|>\n']],
    [
      'everything',
      { trainOnInput: true },
      chat('q', 'r'),
      ['<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nr<|im_end|>\n'],
    ],
    [
      'one never',
      {},
      [{ role: 'user', content: 'q' }, { role: 'assistant', content: 'a', train: false }, ...chat('q', 'r')],
      ['r<|im_end|>'],
    ],
    [
      'one always',
      { learn: 'last' },
      [
        { role: 'user', content: 'q', train: true },
        { role: 'assistant', content: 'r' },
      ],
      ['q<|im_end|>', 'r<|im_end|>'],
    ],
    [
      'inline thinking left out',
      { thinking: false },
      chat('q', '<think>\nhm\n</think>\n\nr'),
      ['r<|im_end|>'],
    ],
  ])('%s', (_, policy, given, expected) => {
    expect(learned(renderWithSpans(chatml, { messages: given }, { ...tokens, policy }))).toEqual(expected)
  })

  const calling: Message[] = [
    { role: 'user', content: 'q' },
    {
      role: 'assistant',
      content: 'Let me see.',
      reasoning_content: 'hm',
      tool_calls: [{ type: 'function', function: { name: 'f', arguments: { x: 1 } } }],
    },
    { role: 'tool', content: '5' },
    { role: 'assistant', content: 'It is 5.' },
  ]
  it.each<[string, MaskPolicy, string[]]>([
    [
      'with thinking and calls',
      {},
      [
        '<think>\nhm\n</think>\n\nLet me see.\n<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call><|im_end|>',
        '<think>\n\n</think>\n\nIt is 5.<|im_end|>',
      ],
    ],
    [
      'without tool calls',
      { toolCalls: false },
      ['<think>\nhm\n</think>\n\nLet me see.', '<|im_end|>', '<think>\n\n</think>\n\nIt is 5.<|im_end|>'],
    ],
    [
      'without thinking',
      { thinking: false },
      [
        'Let me see.\n<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call><|im_end|>',
        'It is 5.<|im_end|>',
      ],
    ],
  ])('Qwen3 %s', (_, policy, expected) => {
    const result = renderWithSpans(loadTemplate('trl/qwen3'), { messages: calling }, { ...tokens, policy })
    expect(learned(result)).toEqual(expected)
    expect(result.spans.map(({ status }) => status)).toEqual(['proved', 'proved'])
  })
})

it('learns each answer as it is served when the conversation is split', () => {
  const messages = chat('q1', '<think>\nt1\n</think>\n\nr1', 'q2', '<think>\nt2\n</think>\n\nr2')
  const template = loadTemplate('trl/qwen3')
  const parts = splitPerTurn(messages).map(({ messages: part, learn }) =>
    learned(renderWithSpans(template, { messages: part }, { ...tokens, policy: { learn } })),
  )
  expect(parts).toEqual([
    ['<think>\nt1\n</think>\n\nr1<|im_end|>'],
    ['<think>\nt2\n</think>\n\nr2<|im_end|>'],
  ])
  expect(learned(renderWithSpans(template, { messages }, tokens))).toEqual([
    'r1<|im_end|>',
    '<think>\nt2\n</think>\n\nr2<|im_end|>',
  ])
})

it.each<[string, string[]]>([
  ['trl/qwen3', ['<|im_end|>']],
  ['trl/llama3', ['<|eot_id|>']],
  ['trl/gemma', ['<end_of_turn>']],
  ['trl/phi3', ['<|end|>', '<|endoftext|>']],
  ['trl/gptoss', ['<|return|>', '<|call|>']],
  ['chujiezheng/zephyr', ['</s>']],
  ['chujiezheng/amberchat', []],
])('finds the stop tokens of %s', (name, expected) => {
  const eosToken = name === 'trl/phi3' ? '<|endoftext|>' : '</s>'
  expect(findStopTokens(loadTemplate(name), { bosToken: '<s>', eosToken })).toEqual(expected)
})

describe('doubtful spans', () => {
  const template = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
  it('stop the run with the turn', () => {
    const { rendered, spans } = mask(template, chat('a', 'b'))
    expect(() => checkSpans(spans, { text: rendered.text, place: 'train.jsonl:4' })).toThrow(
      /^train\.jsonl:4: message 1: no stop token .*⟦.*b⟧/,
    )
  })
  it('pass when the policy accepts them', () => {
    const { rendered, spans } = mask(template, chat('a', 'b'))
    expect(() =>
      checkSpans(spans, { text: rendered.text, place: 'x', policy: { accept: ['no-stop'] } }),
    ).not.toThrow()
  })
})

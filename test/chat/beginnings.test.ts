import { describe, expect, test } from 'vitest'
import { parseChatTemplate, type Message } from '../../src/chat/index.ts'
import { FettleError } from '../../src/error.ts'
import { adoptValue, compileTemplate, GrowingList, Watch } from '../../src/jinja/index.ts'
import { createRandom } from '../../src/random.ts'
import { loadTemplate, pinnedNow, recorded } from './fixtures.ts'

const roles = ['user', 'assistant', 'user', 'assistant', 'tool', 'assistant']
const messages = Array.from({ length: 17 }, (_, i): Message => ({
  role: roles[i % roles.length],
  content: `${i % 3 === 0 ? '<think>a</think>' : ''} say ${i} `,
}))
const alternating = messages.map((message, i): Message => ({
  ...message,
  role: i % 2 === 0 ? 'user' : 'assistant',
}))

const attempt = (render: () => object): object | string => {
  try {
    const { text, segments, generationSpans } = render() as ReturnType<
      ReturnType<typeof parseChatTemplate>['render']
    >
    return { text, segments, generationSpans }
  } catch (error) {
    if (error instanceof FettleError) return error.message
    throw error
  }
}

/** Each beginning by itself, and found in the render of all. */
function compare(
  template: ReturnType<typeof parseChatTemplate>,
  conversation: readonly Message[],
  more: object = {},
) {
  const options = { ...more, now: pinnedNow }
  const beginning = template.prepare({ ...options, messages: conversation })
  for (const addGenerationPrompt of [true, false])
    for (let count = 0; count <= conversation.length; count += 1) {
      const given = { ...options, messages: conversation.slice(0, count), addGenerationPrompt }
      const found = attempt(() => beginning(count, addGenerationPrompt))
      const expected = attempt(() => template.render(given))
      // Several times as fast as toEqual, which says what differs.
      if (JSON.stringify(found) !== JSON.stringify(expected))
        expect([count, found]).toEqual([count, expected])
    }
}

describe('beginnings of a long conversation are what each renders by itself', () => {
  test.each(Object.entries(recorded))('%s', (name, { bos_token, eos_token }) => {
    for (const conversation of [messages, alternating])
      compare(loadTemplate(name), conversation, { bosToken: bos_token, eosToken: eos_token })
  })
})

const before = [
  "{% set ns = namespace(a='n', l='') %}",
  "{% set x = 'x' %}",
  '{% set rest = messages %}',
  '{% set rest = messages[1:] %}',
  "{% set it = messages | map(attribute='role') %}",
  '{% macro f(y) %}{{ y }}{{ x }}{{ ns.a }}{% endmacro %}',
  '{% if messages %}M{% endif %}',
  '{{ messages[0].role }}',
  '{{ messages | length }}',
  '{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}',
  '{% for m in messages %}{% if loop.first %}{{ m.role }}{% endif %}{% endfor %}',
  '{% for m in messages[::-1] %}{% set ns.a = loop.index0 ~ m.role %}{% endfor %}',
]
const inside = [
  '{{ m.content }}',
  '{{ m.content | trim }}',
  '{{ loop.index0 }}',
  '{% if loop.last %}L{% endif %}',
  "{% if m.role == 'tool' and loop.last %}L{% endif %}",
  '{% if loop.first %}F{% endif %}',
  '{{ messages[loop.index0 + 1].role }}',
  "{% if m.role == 'tool' %}{{ messages[loop.index0 + 1].role }}{% endif %}",
  '{{ messages[loop.index0 - 1].role }}',
  '{% set ns.a = m.role %}',
  '{{ ns.a }}',
  "{% set x = 'inner' %}{{ x }}",
  '{{ f(m.role) }}',
  '{% generation %}{{ m.content }}{% endgeneration %}',
  '{{ loop.length }}',
  '{{ loop.nextitem.role }}',
  '{% if loop.changed(m.role) %}C{% endif %}',
  '{% set ns.l = loop %}',
  '{% if loop.index0 == 12 %}{% break %}{% endif %}',
  '{% if loop.index0 == 3 %}{% continue %}{% endif %}',
  '{{ it | first }}',
  '{% for n in messages %}{% if loop.index0 < 2 %}{{ n.role }}{% endif %}{% endfor %}',
  "{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}",
]
const behind = [
  '{% if add_generation_prompt %}<a>{% endif %}',
  '{{ ns.a }}',
  "{% set ns.a = 'z' %}{{ ns.a }}",
  "{{ x }}{% set x = 'late' %}{{ x }}",
  '{{ it | first }}',
  '{{ it | list | length }}',
  '{{ ns.l.index0 }}',
  '{{ ns.l.last }}',
  "{{ ns.l.changed('q') }}",
  '{{ messages | length }}',
  '{{ messages[-1].role }}',
  '{% for m in rest %}{{ m.role }}{{ loop.last }}{% endfor %}',
  "{{ f('t') }}",
  '{% generation %}end{% endgeneration %}',
  "{% if messages[-1].role == 'tool' %}{{ raise_exception('ends in a tool') }}{% endif %}",
  '{% set all = messages %}{{ all[2:] | length }}',
]

function randomTemplate(seed: number): string {
  const random = createRandom(seed)
  const some = (pieces: readonly string[], most: number): string =>
    Array.from(
      { length: Math.floor(random() * (most + 1)) },
      () => pieces[Math.floor(random() * pieces.length)],
    ).join('')
  const loop = (list: string): string => `{% for m in ${list} %}${some(inside, 4)}{% else %}none{% endfor %}`
  const list = [
    'messages',
    'messages',
    'messages[1:]',
    'rest',
    'messages[:4]',
    "(messages if messages else 'ab')",
  ]
  const body = loop(list[Math.floor(random() * list.length)]) + some(behind, 3)
  const wrapped = random() < 0.3 ? `{% if messages %}${body}{% else %}empty{% endif %}` : body
  return before[0] + before[1] + before[4] + before[5] + some(before, 3) + wrapped + some(behind, 2)
}

test.each(Array.from({ length: 10 }, (_, part) => part))('random templates %#', (part) => {
  for (let i = 0; i < 15; i += 1) {
    const source = randomTemplate(1000 * part + i)
    try {
      compare(parseChatTemplate(source), messages)
    } catch (error) {
      throw new Error(source, { cause: error })
    }
  }
})

test('one render of the whole finds the beginnings of a plain template', () => {
  const template = compileTemplate(
    "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}",
  )
  const watch = new Watch(() => messages.map((message) => adoptValue(message)), messages.length)
  const lookUp = (name: string) =>
    name === 'messages' ? new GrowingList(watch) : name === 'add_generation_prompt' ? true : undefined
  const found = template.renderBeginnings(watch, lookUp, () => true)
  expect([...found.keys()]).toEqual(Array.from({ length: messages.length + 1 }, (_, count) => count))
  expect(found.get(2)?.text).toBe('<user><think>a</think> say 0 <assistant> say 1 <a>')
})

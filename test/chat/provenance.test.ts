import { expect, it } from 'vitest'
import { parseChatTemplate } from '../../src/chat/index.ts'
import type { Message } from '../../src/chat/index.ts'

/** A small seeded generator (mulberry32), so that a failure repeats. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Filters and methods that keep, drop, move or change characters; `x` is a text of a message. */
const transformations: readonly string[] = [
  'x',
  'x | trim',
  'x.strip()',
  'x.lstrip()',
  'x.rstrip()',
  'x | upper',
  'x | lower',
  'x | upper | lower',
  'x.title()',
  'x | capitalize',
  'x | title',
  'x[1:]',
  'x[:-1]',
  'x[::-1]',
  'x[::2]',
  'x[2:5]',
  'x[0]',
  "x.split(' ')[-1]",
  "x.split(' ')[0]",
  "x.split() | join('+')",
  "x.rsplit(' ', 1) | join('')",
  "x.replace(' ', '__')",
  "x | replace(' ', y)",
  'x | list | join',
  'x | reverse',
  'x ~ y',
  'x + y',
  "x + '#' + y",
  "'<' ~ x ~ '>'",
  "'%s/%s' % (x, y)",
  "'{}={}'.format(x, y)",
  'x | tojson',
  '[x, y] | tojson',
  "{'k': x} | tojson(indent=2)",
  '[x, y] | string',
  'x | string',
  'x.center(30)',
  'x.ljust(20)',
  'x * 2',
  '[x, y] | join',
  "[x, y] | join('|')",
  '[x, y] | sort | first',
  '[x, y] | map("upper") | join',
  "x.partition(' ') | join",
  'x.splitlines() | last',
  'x | indent',
  'x | first',
  'x | last',
  "x.removeprefix('a')",
  'x | default(y)',
  '(x if x else y)',
  'x or y',
  'x.zfill(20)',
  'y.join([x, x])',
  'm | tojson',
  'm.content',
  "m['content']",
  "m.get('content')",
  "m.items() | map('last') | join",
  'm.extra | string',
  'm.extra.n',
  'm.extra.deep[0] ~ m.extra.deep[-1]',
  'm.extra | tojson(sort_keys=true)',
  'm.extra.items() | list | string',
  '[[x]] | sum(start=[]) | first',
  "[{'a': x}] | map(attribute='a') | first",
  '[x, y] | unique | join',
  '[x, y] | select | join',
  '[x, y] | reverse | join',
  'dict(a=x).values() | join',
  "x.rpartition(' ') | join('|')",
  'namespace(v=x).v',
  'x | safe',
  "('<' | safe) + x",
  'x + (y | safe)',
  '(x | safe) ~ y',
  'x | safe | upper',
  '[x | safe] | join',
  "'%s%s' % (x, y)",
  "'{1}{0}{a}'.format(x, y, a=x)",
  'x.rjust(20)',
  'x.split() | reverse | join',
  '{x: y} | dictsort | first | join',
  'loop.cycle(x, y)',
]

const wrappers: readonly ((expression: string) => string)[] = [
  (expression) => `{{ ${expression} }}`,
  (expression) => `{% set v = ${expression} %}{{ v }}`,
  (expression) => `{% set v %}.{{ ${expression} }}.{% endset %}{{ v }}`,
  (expression) => `{% filter upper %}{{ ${expression} }}{% endfilter %}`,
  (expression) => `{{ show(${expression}) }}`,
  (expression) => `{% call around() %}{{ ${expression} }}{% endcall %}`,
  (expression) => `{% generation %}{{ ${expression} }}{% endgeneration %}`,
  (expression) => `{% set ns.v = ${expression} %}{{ ns.v }}`,
  (expression) => `{% if ${expression} %}{{ ${expression} }}{% endif %}`,
]

// Each message has letters of its own, in both cases; the template uses none of them.
const alphabets = ['αβγδεζ', 'жзийкл', 'աբգդեզ', 'ⴀⴁⴂⴃⴄⴅ']

function ownerOf(character: string): number | undefined {
  const index = alphabets.findIndex(
    (alphabet) => alphabet.includes(character) || alphabet.toUpperCase().includes(character),
  )
  return index === -1 ? undefined : index
}

it('knows who wrote each character of 1200 random templates', () => {
  const random = makeRandom(20_260_711)
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] ?? items[0] ?? (undefined as never)
  let owned = 0
  for (let round = 0; round < 1200; round += 1) {
    const messages: Message[] = alphabets.map((alphabet, index) => {
      const word = (): string =>
        Array.from({ length: 1 + random(5) }, () => alphabet.charAt(random(alphabet.length))).join('')
      const text = (): string => Array.from({ length: 1 + random(4) }, word).join(' ')
      return { role: `<${index}>`, content: text(), extra: { n: word(), deep: [word(), text()] } }
    })
    const parts = Array.from({ length: 1 + random(4) }, () => pick(wrappers)(pick(transformations)))
    const source =
      '{% macro show(v) %}[{{ v }}]{% endmacro %}{% macro around() %}({{ caller() }}){% endmacro %}{% set ns = namespace() %}' +
      `{% for m in messages %}{% set x = m.content %}{% set y = messages[loop.index0 - 1].content %}${parts.join(' ')}{% endfor %}`
    const { text, segments } = parseChatTemplate(source).render({ messages })
    let end = 0
    const wrong: string[] = []
    for (const segment of segments) {
      if (segment.start !== end || segment.end <= segment.start) wrong.push(`a gap at ${end}`)
      end = segment.end
      for (const character of text.slice(segment.start, segment.end)) {
        const owner = ownerOf(character)
        if (owner === undefined) continue
        owned += 1
        const isField = /^(?:content|extra)/.test(segment.field ?? '')
        if (segment.message !== owner || !isField)
          wrong.push(`${character} of ${owner} given to ${segment.message}`)
      }
    }
    expect({ source, text, wrong }).toEqual({ source, text, wrong: [] })
    expect(end).toBe(text.length)
  }
  expect(owned).toBeGreaterThan(40_000)
})

it('names the field inside the message', () => {
  const call = {
    type: 'function',
    function: { name: 'f', arguments: { city: 'Paris', n: 5, on: true, no: null } },
  }
  const template = parseChatTemplate(
    '{% for m in messages %}{{ m.role }}:{{ m.content[0].text | trim }}|{{ m.tool_calls[0].function.name }}{{ m.tool_calls[0].function.arguments | tojson }}{% for k, v in m.tool_calls[0].function.arguments.items() %};{{ k }}={{ v }}{% endfor %}{% endfor %}',
  )
  const { text, segments } = template.render({
    messages: [{ role: 'assistant', content: [{ type: 'text', text: ' hi ' }], tool_calls: [call] }],
  })
  const shown = segments.map(({ start, end, field }) => `${text.slice(start, end)}<${field ?? ''}`)
  const root = 'tool_calls.0.function'
  expect(shown).toEqual([
    'assistant<role',
    ':<',
    'hi<content.0.text',
    '|<',
    `f<${root}.name`,
    `{<${root}.arguments`,
    `"city"<${root}.arguments.city`,
    `: <${root}.arguments`,
    `"Paris"<${root}.arguments.city`,
    `, <${root}.arguments`,
    `"n"<${root}.arguments.n`,
    `: <${root}.arguments`,
    `5<${root}.arguments.n`,
    `, <${root}.arguments`,
    `"on"<${root}.arguments.on`,
    `: <${root}.arguments`,
    `true<${root}.arguments.on`,
    `, <${root}.arguments`,
    `"no"<${root}.arguments.no`,
    `: <${root}.arguments`,
    `null<${root}.arguments.no`,
    `}<${root}.arguments`,
    ';<',
    `city<${root}.arguments.city`,
    '=<',
    `Paris<${root}.arguments.city`,
    ';<',
    `n<${root}.arguments.n`,
    '=<',
    `5<${root}.arguments.n`,
    ';<',
    `on<${root}.arguments.on`,
    '=<',
    `True<${root}.arguments.on`,
    ';<',
    `no<${root}.arguments.no`,
    '=<',
    `None<${root}.arguments.no`,
  ])
})

it('does not show the train flag to the template', () => {
  const template = parseChatTemplate('{{ messages[0] | tojson }}{{ messages[0].train is defined }}')
  expect(template.render({ messages: [{ role: 'user', content: 'x', train: false }] }).text).toBe(
    '{"role": "user", "content": "x"}False',
  )
})

import { describe, expect, it } from 'vitest'
import { FettleError } from '../../src/error.ts'
import { render } from './render.ts'

const messages = [{ role: 'user', content: 'x'.repeat(1000) }]

describe('hostile templates end with an error, soon', () => {
  it.each([
    [
      'a loop in a loop in a loop',
      '{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}',
    ],
    ['a range too long', '{% for a in range(100001) %}{% endfor %}'],
    [
      'a text that doubles',
      "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    ],
    [
      'a text that doubles inside a message',
      '{% set ns = namespace(x=messages[0].content) %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
    ],
    ['a text times a number', "{{ 'a' * 9999999999 }}"],
    ['a message times a number', '{{ messages[0].content * 99999999 }}'],
    ['a list times a number', '{{ [1] * 9999999999 }}'],
    [
      'a list that doubles',
      '{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    ],
    [
      'a list inside itself many times',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}',
    ],
    [
      'a comparison of such lists',
      '{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}',
    ],
    [
      'JSON of such a list',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}',
    ],
    ['a macro without end', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'],
    ['a wide column', "{{ 'x'.center(9999999999) }}"],
    ['a deep indent', '{{ [[[[1]]]] | tojson(indent=999999999) }}'],
    ['a wide indent', "{{ 'x' | indent(9999999999, true) }}"],
    ['a large power', '{{ 9 ** (9 ** 9) }}'],
    [
      'a large power of itself',
      '{% set ns = namespace(x=10) %}{% for i in range(100) %}{% set ns.x = ns.x * ns.x %}{% endfor %}',
    ],
    [
      'an endless replacement',
      "{% set ns = namespace(x='aa') %}{% for i in range(100) %}{% set ns.x = ns.x.replace('a', 'aaaa') %}{% endfor %}",
    ],
    ['zeros without measure', "{{ '1'.zfill(9999999999) }}"],
    [
      'a long search again and again',
      "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{% if x in x %}{% endif %}{% endfor %}",
    ],
    [
      'a long text measured again and again',
      "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{% set n = x | length %}{% endfor %}",
    ],
    ...['title()', 'islower()', "strip('a')"].map((call): [string, string] => [
      `${call} of a long text again and again`,
      `{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{% set n = x.${call} %}{% endfor %}`,
    ]),
    [
      'constants without measure',
      `{{ ('a' * 16000000)[1:] | upper | length${" + ('a' * 16000000)[1:] | upper | length".repeat(300)} }}`,
    ],
    ['brackets', `{{ ${'['.repeat(100_000)} }}`],
    ['parentheses', `{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`],
    ['nots', `{{ ${'not '.repeat(50_000)} 1 }}`],
    ['minus signs', `{{ ${'- '.repeat(50_000)} 1 }}`],
    ['ifs', '{% if 1 %}'.repeat(20_000)],
    ['dots', `{{ messages${'.x'.repeat(100_000)} }}`],
    ['a source without measure', 'x'.repeat(2_000_000)],
  ])('%s', (_, source) => {
    const started = performance.now()
    expect(() => render(source, { messages })).toThrow(FettleError)
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})

it.each([
  ['at once', '{{ namespace(_a=1) }}'],
  ['later', '{% set ns = namespace() %}{% set ns.__class__ = 1 %}'],
])('refuses a namespace name that begins with an underscore, as transformers does: %s', (_, source) => {
  expect(() => render(source, { messages })).toThrow(/SecurityError/)
})

it.each([
  [
    'constructor',
    '{{ messages.constructor }}{{ messages[0].constructor }}{{ "".constructor }}{{ constructor }}',
  ],
  [
    'prototype',
    '{{ messages.__proto__ }}{{ messages[0]["__proto__"] }}{{ "x"["__proto__"] }}{{ __proto__ }}',
  ],
  ['globals', '{{ process }}{{ globalThis }}{{ require }}{{ this }}{{ toString }}{{ hasOwnProperty }}'],
  ['class', '{{ messages.__class__ }}{{ "".__class__ }}{{ messages[0].__class__ }}'],
])('nothing of JavaScript is to be seen: %s', (_, source) => {
  expect(render(source, { messages })).toBe('')
})

it.each([
  ['constructor', '{{ messages.constructor("return 1")() }}'],
  ['class', '{{ "".__class__.__mro__ }}'],
  ['mutation', '{{ messages.append(1) }}'],
  ['function', '{{ range.constructor("return 1")() }}'],
])('nothing of JavaScript can be called: %s', (_, source) => {
  expect(() => render(source, { messages })).toThrow(FettleError)
})

it('keeps a message key named __proto__ a plain key', () => {
  const message = JSON.parse('{"role": "user", "content": "x", "__proto__": {"polluted": true}}')
  const text = render('{{ messages[0] | tojson }}', { messages: [message] })
  expect(text).toContain('"__proto__": {"polluted": true}')
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})

describe('errors say where', () => {
  it.each<[string, string, RegExp]>([
    ['an unknown tag', 'line\n  {% nope %}', /^chat template:2:6: unknown tag 'nope'/],
    [
      'a missing end',
      'a\n{% if x %}\nb',
      /^chat template:2:9: a block without its end; expected \{% elif %\} or/,
    ],
    ['a missing bracket', '{{ (1 }}', /^chat template:1:\d+: /],
    ['an open tag', 'a\nb {{ x', /^chat template:2:3: a tag without its end; expected \}\}/],
    ['an open comment', '\n\n{# x', /^chat template:3:1: a comment without its end/],
    ['an unknown filter', '{{ x | nope }}', /^chat template:1:8: no filter named 'nope'/],
    ['an unknown test', '{{ x is nope }}', /^chat template:1:9: no test named 'nope'/],
    [
      'an undefined attribute',
      'a\n{{ messages[0].a.b }}',
      /^chat template:2:18: UndefinedError: 'dict object' has no attribute 'a'/,
    ],
    ['an undefined name', '\r\n{{ a.b }}', /^chat template:2:6: UndefinedError: 'a' is undefined/],
    [
      'adding a number',
      "{{ 'a' +\n 1 }}",
      /^chat template:1:8: TypeError: can only concatenate str \(not "int"\) to str/,
    ],
    [
      'what the template raises',
      "{% for m in messages %}\n  {{ raise_exception('Roles must alternate!') }}{% endfor %}",
      /^chat template:2:6: Roles must alternate!/,
    ],
    ['a loop control outside', '{% break %}', /^chat template:1:4: 'break' outside a loop/],
  ])('%s', (_, source, message) => {
    expect(() => render(source, { messages })).toThrow(message)
  })
})

import { describe, expect, it } from 'vitest'
import { leftOutNames } from '../../src/jinja/left-out.ts'
import { expectLeftOut } from './left-out.ts'
import { render } from './render.ts'

describe.each([
  ['filter', (name: string) => `{{ 'x' | ${name} }}`],
  ['filter', (name: string) => `{{ ['x'] | map('${name}') | list }}`],
  ['filter', (name: string) => `{% filter ${name} %}x{% endfilter %}`],
  ['test', (name: string) => `{{ 'x' is ${name} }}`],
  ['test', (name: string) => `{{ ['x'] | select('${name}') | list }}`],
  ['function', (name: string) => `{{ ${name}(1) }}`],
  ['tag', (name: string) => `{% ${name} x %}`],
  ['str attribute', (name: string) => `{{ 'x'.${name}() }}`],
  ['dict attribute', (name: string) => `{{ {}.${name}() }}`],
])('what is left out says what to write instead: %s', (kind, write) => {
  it.each(leftOutNames(kind).map((name) => [write(name), name]))('%s', (source, name) => {
    expectLeftOut(source, {}, new RegExp(`the ${kind} '${name}'`))
  })
})

describe('so do forms', () => {
  it.each([
    ['{% for x in [1] recursive %}{% endfor %}', /recursive loop.*a macro that calls itself/],
    ['{% for x in [1] %}{{ loop([1]) }}{% endfor %}', /recursive loop.*a macro that calls itself/],
    ['{% for x in [1] %}{{ loop.depth }}{% endfor %}', /'depth'.*a macro that calls itself/],
    ['{% macro m() %}{{ varargs }}{% endmacro %}', /any number of arguments.*a list/],
    ['{% macro m() %}{{ kwargs }}{% endmacro %}', /any number of arguments.*a list/],
    ["{{ '%.2f' % 1.5 }}", /value \| round\(2\)/],
    ["{{ '%5d' | format(1) }}", /value\.rjust\(5\)/],
    ["{{ '%x' % 255 }}", /another letter than d, r or s/],
    ["{{ '%(a)s' % {'a': 1} }}", /'\{name\}'\.format\(name=value\)/],
    ["{{ '%s' | format(a=1) }}", /'\{name\}'\.format\(name=value\)/],
    ["{{ '{:>5}'.format('x') }}", /value\.rjust\(5\)/],
    ["{{ '{:.{}f}'.format(1.5, 2) }}", /value \| round\(2\)/],
    ["{{ '{!r}'.format('x') }}", /'\{\}'\.format\(value\.name\)/],
    ["{{ '{0.a}'.format({'a': 1}) }}", /'\{\}'\.format\(value\.name\)/],
    ["{{ '{0[a]}'.format({'a': 1}) }}", /'\{\}'\.format\(value\.name\)/],
    ['{{ (-8) ** 0.5 }}', /a complex number/],
    ['{{ 9007199254740993 + 1 }}', /beyond 2\^53/],
    ['{{ 10 ** 20 }}', /beyond 2\^53/],
    ["{{ {'a': 1}.keys() - ['a'] }}", /arithmetic of sets.*a loop with `in`/],
    ['{{ [1][0, 1] }}', /value\[first\]\[second\]/],
    ["{{ '<b>' + ('x' | safe) }}", /Leave out `\| safe`/],
    ["{{ ('x' | safe).upper() }}", /Leave out `\| safe`/],
    ["{{ ('x' | safe)[0] }}", /Leave out `\| safe`/],
    ["{{ ('x' | safe)[1:] }}", /Leave out `\| safe`/],
    ["{{ 'ff' | int(0, 16) }}", /the argument 'base'/],
    ["{{ 'ff' | int(base=16) }}", /the argument 'base'/],
    ["{{ 'abc'.find('c', 1) }}", /the argument 'start'.*value\[start:end\]/],
    ['{{ [1].index(1, 0) }}', /the argument 'start'/],
    ['{{ [1] | map("string") }}', /printing a value that is no data.*value \| list/],
    ['{{ range(3) }}', /printing a value that is no data.*value \| list/],
    ["{{ 'x'.upper }}", /printing a value that is no data.*Call the function/],
    ['{{ namespace(a=1) }}', /printing a value that is no data.*name an attribute/],
    ['{% for x in [1] %}{{ loop }}{% endfor %}', /printing a value that is no data.*name an attribute/],
    ['{{ {namespace(): 1} }}', /a key that is no data.*a text or a number/],
    ['{{ 15 | round(-1) }}', /rounding to tens/],
    ["{{ strftime_now('%V') }}", /strftime_now\('%Y-%m-%d'\)/],
  ])('%s', (source, says) => expectLeftOut(source, {}, says))
})

it('complains of a filter in a branch only where it is reached, as of unknown ones', () => {
  expect(render("{% if false %}{{ 'x' | urlize }}{% endif %}ok")).toBe('ok')
})

describe('an unknown name is told from one that is left out', () => {
  it.each([
    ["{{ 'x' | uper }}", /no filter named 'uper'\. Did you mean upper\?$/],
    ["{{ 'x' is definde }}", /no test named 'definde'\. Did you mean defined\?$/],
    ['{% fro x in y %}{% endfor %}', /unknown tag 'fro'\. Did you mean for\?$/],
    ['{% if x %}{% esle %}{% endif %}', /unknown tag 'esle'.*Did you mean else\?$/],
    ["{{ ['x'] | map('uper') | list }}", /no filter named 'uper'\. Did you mean upper\?$/],
    ["{{ 'x' | quite_another_name }}", /no filter named 'quite_another_name'\.$/],
  ])('%s', (source, says) => expect(() => render(source)).toThrow(says))
})

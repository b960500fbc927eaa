/**
 * Templates that call one builtin again and again with a large value, until the budget ends. What is tried stands here by the
 * builtin's name; test/jinja/budget.test.ts sees to it that none is missing.
 */

const million = 1_000_000
const characters = 16_000_000

/** What builtins are tried on. */
export const inputs: Readonly<Record<string, () => unknown>> = {
  letters: () => 'aB'.repeat(characters / 2),
  words: () => 'ab c'.repeat(characters / 4),
  spaces: () => ' '.repeat(characters),
  lines: () => '\n'.repeat(characters),
  signs: () => `"\\'{%\u0001<&`.repeat(characters / 8),
  greek: () => 'Σσ'.repeat(characters / 2),
  faces: () => '😀'.repeat(characters / 2),
  digits: () => '12'.repeat(characters / 2),
  numbers: () => Array.from({ length: million }, (_, i) => i),
  texts: () => Array.from({ length: million }, (_, i) => `t${i}`),
  alike: () => Array.from({ length: 1000 }, () => 'x'.repeat(16_000)),
  objects: () => Array.from({ length: million / 4 }, (_, i) => ({ a: i })),
  nested: () => Array.from({ length: 1000 }, () => Array.from({ length: 1000 }, (_, i) => i)),
  object: () => Object.fromEntries(Array.from({ length: million / 4 }, (_, i) => [`k${i}`, i])),
  number: () => 12.5,
}

/** The inputs for texts, for lists, and for everything. */
const text = ['letters', 'words', 'spaces', 'lines', 'signs', 'greek', 'faces', 'digits']
const list = ['numbers', 'texts', 'alike', 'objects', 'nested', 'object', 'letters', 'faces']
const any = ['letters', 'faces', 'numbers', 'alike', 'nested', 'object', 'number']

/** Expressions of `x`, a large value, and the inputs that they are tried on. */
type Cases = Readonly<Record<string, readonly [expressions: readonly string[], inputs: readonly string[]]>>

export const filterCases: Cases = {
  abs: [['x | abs'], ['number']],
  capitalize: [['x | capitalize'], text],
  count: [['x | count'], any],
  d: [['x | d(1, true)'], any],
  default: [['x | default(1, true)'], any],
  dictsort: [['x | dictsort', "x | dictsort(by='value')"], ['object']],
  first: [['x | first'], list],
  float: [['x | float'], text.concat('number')],
  format: [['x | format(1, 2, 3)', "'%s%s' | format(x, x)", "'%r' | format(x)"], text.concat(list)],
  indent: [['x | indent', 'x | indent(4, true, true)', "'a\\nb' | indent(x)"], text],
  int: [['x | int'], text.concat('number')],
  items: [['x | items | list'], ['object']],
  join: [['x | join', "x | join(', ')", 'x | join(y)', "x | map(attribute='a') | join('-')"], list],
  last: [['x | last'], list],
  length: [['x | length'], any],
  list: [['x | list'], list],
  lower: [['x | lower'], text],
  map: [["x | map('upper') | list", "x | map(attribute='a') | list", "x | map('string') | list"], list],
  max: [['x | max', "x | max(attribute='a')"], list],
  min: [['x | min', "x | min(attribute='a')"], list],
  reject: [["x | reject('none') | list", "x | reject('equalto', x) | list"], list],
  rejectattr: [["x | rejectattr('a', 'none') | list", "x | rejectattr('a') | list"], list],
  replace: [
    [
      "x | replace('a', 'b')",
      "x | replace('', '-')",
      "x | replace(' ', 'xyz', 1000)",
      "'ab' | replace('a', x)",
      "x | replace(x, 'a')",
    ],
    text,
  ],
  reverse: [['x | reverse | list', 'x | reverse'], list],
  round: [['x | round', "x | round(2, 'floor')"], ['number']],
  safe: [['x | safe'], any],
  select: [["x | select('none') | list", "x | select('in', x) | list"], list],
  selectattr: [["x | selectattr('a', 'none') | list", "x | selectattr('a') | list"], list],
  sort: [['x | sort', "x | sort(attribute='a')", 'x | sort(true, true)'], list],
  string: [['x | string'], any],
  sum: [['x | sum', "x | sum(attribute='a')", 'x | sum(start=[])'], list],
  title: [['x | title'], text],
  tojson: [
    ['x | tojson', 'x | tojson(ensure_ascii=true)', 'x | tojson(indent=2)', 'x | tojson(sort_keys=true)'],
    [...text, ...list, 'number'],
  ],
  trim: [['x | trim', "x | trim('aB')", 'x | trim(y)'], text],
  unique: [['x | unique | list', "x | unique(attribute='a') | list"], list],
  upper: [['x | upper'], text],
}

const compared = (sign: string): Cases[string] => [[`x is ${sign}(y)`, `x is ${sign}(1)`], any]

export const testCases: Cases = {
  ...Object.fromEntries(
    ['eq', 'equalto', 'ge', 'greaterthan', 'gt', 'le', 'lessthan', 'lt', 'ne'].map((name) => [
      name,
      compared(name),
    ]),
  ),
  // The signs are names of tests for select and reject only.
  ...Object.fromEntries(
    ['!=', '<', '<=', '==', '>', '>='].map((sign): [string, Cases[string]] => [
      sign,
      [[`x | select('${sign}', y) | list`, `[x] | select('${sign}', y) | list`], any],
    ]),
  ),
  boolean: [['x is boolean'], any],
  defined: [['x is defined'], any],
  divisibleby: [['x is divisibleby(2)'], ['number']],
  even: [['x is even'], ['number']],
  false: [['x is false'], any],
  float: [['x is float'], any],
  in: [['x is in(y)', "'zz' is in(x)", '-1 is in(x)', '[1] is in(x)'], any],
  integer: [['x is integer'], any],
  iterable: [['x is iterable'], any],
  lower: [['x is lower'], text],
  mapping: [['x is mapping'], any],
  none: [['x is none'], any],
  number: [['x is number'], any],
  odd: [['x is odd'], ['number']],
  sameas: [['x is sameas(y)'], any],
  sequence: [['x is sequence'], any],
  string: [['x is string'], any],
  true: [['x is true'], any],
  undefined: [['x is undefined'], any],
  upper: [['x is upper'], text],
}

export const stringMethodCases: Cases = {
  capitalize: [['x.capitalize()'], text],
  center: [['x.center(16000100)', "'a'.center(16000000, '😀')"], text],
  count: [["x.count('a')", "x.count('')", "x.count(' ')", 'x.count(y)'], text],
  endswith: [["x.endswith('a')", 'x.endswith(y)'], text],
  find: [["x.find('zz')", 'x.find(y)', "x.find('B')"], text],
  format: [['x.format(1, 2)', "'{}{}'.format(x, x)", "'{0}{0}'.format(x)"], any],
  index: [["x.index('')", 'x.index(y)'], text],
  isalnum: [['x.isalnum()'], text],
  isalpha: [['x.isalpha()'], text],
  isdecimal: [['x.isdecimal()'], text],
  isdigit: [['x.isdigit()'], text],
  islower: [['x.islower()'], text],
  isnumeric: [['x.isnumeric()'], text],
  isspace: [['x.isspace()'], text],
  isupper: [['x.isupper()'], text],
  join: [["'-'.join(x)", 'y.join(x)', "'-'.join([x, x])"], list],
  ljust: [['x.ljust(16000100)'], text],
  lower: [['x.lower()'], text],
  lstrip: [['x.lstrip()', "x.lstrip('aB')", 'x.lstrip(y)'], text],
  partition: [["x.partition('B')", 'x.partition(y)', "x.partition('zz')"], text],
  removeprefix: [["x.removeprefix('a')", 'x.removeprefix(y)'], text],
  removesuffix: [["x.removesuffix('B')", 'x.removesuffix(y)'], text],
  replace: [["x.replace('a', 'b')", "x.replace('', '-')", "x.replace(' ', '')", "x.replace(x, 'a')"], text],
  rfind: [["x.rfind('zz')", 'x.rfind(y)', "x.rfind('a')"], text],
  rindex: [["x.rindex('')", 'x.rindex(y)'], text],
  rjust: [['x.rjust(16000100)'], text],
  rpartition: [["x.rpartition('B')", "x.rpartition('zz')"], text],
  rsplit: [['x.rsplit()', "x.rsplit('a')", "x.rsplit(' ', 3)", 'x.rsplit(none, 3)'], text],
  rstrip: [['x.rstrip()', "x.rstrip('aB')", 'x.rstrip(y)'], text],
  split: [
    ['x.split()', "x.split('a')", "x.split(' ', 3)", 'x.split(none, 3)', 'x.split(y)', "x.split('zz')"],
    text,
  ],
  splitlines: [['x.splitlines()', 'x.splitlines(true)'], text],
  startswith: [["x.startswith('a')", 'x.startswith(y)'], text],
  strip: [['x.strip()', "x.strip('aB')", 'x.strip(y)'], text],
  title: [['x.title()'], text],
  upper: [['x.upper()'], text],
  zfill: [['x.zfill(16000100)', "'1'.zfill(16000000)"], text],
}

export const otherCases: Cases = {
  'dict.get': [["x.get('k1')", 'x.get(y, 1)'], ['object']],
  'dict.items': [['x.items()', 'x.items() | list'], ['object']],
  'dict.keys': [['x.keys()', "'zz' in x.keys()"], ['object']],
  'dict.values': [['x.values()', '-1 in x.values()'], ['object']],
  'list.count': [['x.count(-1)', 'x.count(y)', "x.count('t')", 'x.count(x[0])'], list],
  'list.index': [['x.index(x[-1])'], list],
  dict: [
    ['dict(x)', 'dict(a=x)', 'dict(x | map("list"))'],
    ['object', 'nested', 'number'],
  ],
  namespace: [
    ['namespace(x)', 'namespace(a=x)'],
    ['object', 'number'],
  ],
  range: [['range(100000)', 'range(1, 99999)'], ['number']],
  strftime_now: [['strftime_now(x)', "strftime_now('%c')", "strftime_now('%c' * 1000000)"], text],
  '+': [['x + x', 'x + y', "x + 'a'", "'a' + x", 'x + [1]'], any],
  '-': [['x - 1'], ['number']],
  '*': [["'ab' * 1000000", 'x * 2', 'x[:1000] * 10000', '[x] * 100000'], any],
  '/': [['x / 3', 'x // 3', 'x % 3', 'x ** 3', '-x'], ['number']],
  '%': [["'%s' % x", 'x % 1', "'%r' % [x]", "'%s%s' % (x, x)"], any.concat('signs')],
  '~': [['x ~ x', "x ~ 'a'"], any],
  '==': [['x == y', 'x != y', 'x == 1', '[x] == [y]'], any],
  '<': [['x < y', 'x >= y', '[x] < [y]', 'x < x'], any],
  in: [["'zz' in x", 'x in y', '-1 in x', "'t' not in x"], any],
  'and or not': [['x and y', 'x or y', 'not x'], any],
  item: [['x[0]', 'x[-1]', 'x[8000000]', 'x[500000]', 'x["k1"]', "x['a']"], any],
  slice: [['x[1:]', 'x[:-1]', 'x[::-1]', 'x[::2]', 'x[1:100]'], any],
  attribute: [['x.a', 'x.k1'], any],
  'dict literal': [['{x: 1}', "{'a': x, 'b': [x, x]}"], any],
  'list literal': [['[x, x, (x, x)]'], any],
  conditional: [['1 if x else 2'], any],
  output: [['(x ~ "")', '[x, 1] | string'], any],
}

/** Statements of `x` that are repeated. */
export const statementCases: Readonly<
  Record<string, readonly [statements: readonly string[], inputs: readonly string[]]>
> = {
  output: [['{{ x }}', '{{ x }}{{ y }}', '{{ [x] }}'], any],
  for: [
    [
      '{% for a in x %}{% endfor %}',
      '{% for a in x %}{{ a }}{% endfor %}',
      '{% for a in x if a %}{{ loop.index }}{% endfor %}',
      '{% for a, b in x.items() %}{{ a }}{% endfor %}',
    ],
    list,
  ],
  set: [['{% set z = x %}', '{% set z %}{{ x }}{% endset %}', '{% set a, b = x[:2] %}'], any],
  namespace: [
    ['{% set ns.x = x %}{{ ns.x }}', '{% set ns.x = (ns.x ~ x)[-16000000:] %}'],
    ['letters', 'faces', 'words'],
  ],
  macro: [['{{ m(x) }}', '{% call(u) m(x) %}{{ u }}{% endcall %}'], any],
  filter: [['{% filter upper %}{{ x }}{% endfilter %}'], ['letters', 'greek']],
  generation: [['{% generation %}{{ x }}{% endgeneration %}'], ['letters', 'faces']],
  if: [['{% if x %}{% elif y %}{% endif %}', '{% if x == y and x in y %}{% endif %}'], any],
}

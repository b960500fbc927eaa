import { Fault } from './fault.ts'
import { makeDict } from './keys.ts'
import { MAX_RANGE } from './limits.ts'
import { indexArgument } from './numbers.ts'
import { toText } from './print.ts'
import { strftime } from './strftime.ts'
import { plain } from './text.ts'
import {
  bare,
  isStr,
  iterate,
  keyValue,
  Namespace,
  orElse,
  PyDict,
  PyFunction,
  PyObjectValue,
  PyRange,
  typeName,
  type Named,
  type PyObject,
  type Value,
} from './values.ts'

function range(positional: readonly Value[], named: Named): Value {
  if (named.size > 0) throw new Fault('TypeError', 'range() takes no keyword arguments')
  const numbers = positional.map(indexArgument)
  if (numbers.length < 1 || numbers.length > 3) {
    throw new Fault('TypeError', `range expected 1 to 3 arguments, got ${numbers.length}`)
  }
  const [first = 0, second, step = 1] = numbers
  if (step === 0) throw new Fault('ValueError', 'range() arg 3 must not be zero')
  const result = second === undefined ? new PyRange(0, first, 1) : new PyRange(first, second, step)
  if (result.length > MAX_RANGE) {
    throw new Fault(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    )
  }
  return result
}

/** The pairs that `dict(…)` and `namespace(…)` start from. */
function pairsOf(positional: readonly Value[], named: Named): [Value, Value][] {
  const [first, ...more] = positional
  if (more.length > 0)
    throw new Fault('TypeError', `dict expected at most 1 argument, got ${positional.length}`)
  const pairs: [Value, Value][] = []
  const given = bare(first ?? null)
  if (given instanceof PyDict)
    for (const [key, value] of given.entries) pairs.push([keyValue(given, key), value])
  else if (first !== undefined) {
    for (const item of iterate(given)) {
      const [key, value, extra] = iterate(item)
      if (key === undefined || value === undefined || extra !== undefined) {
        throw new Fault('ValueError', 'dictionary update sequence element needs length 2')
      }
      pairs.push([key, value])
    }
  }
  return [...pairs, ...named]
}

/** transformers' namespaces take no names that could reach into Python. */
export function checkNamespaceName(name: string): void {
  if (name.startsWith('_')) {
    throw new Fault('SecurityError', `a namespace cannot store '${name}', which begins with an underscore`)
  }
}

function namespace(positional: readonly Value[], named: Named): Value {
  const result = new Namespace()
  for (const [key, value] of pairsOf(positional, named)) {
    const name = bare(key)
    if (!isStr(name)) throw new Fault('TypeError', `a namespace attribute is a string, not ${typeName(name)}`)
    checkNamespaceName(plain(name))
    result.attributes.set(plain(name), value)
  }
  return result
}

function cycler(positional: readonly Value[]): Value {
  if (positional.length === 0) throw new Fault('ValueError', 'at least one item has to be provided')
  let position = 0
  const current = (): Value => positional[position] ?? null
  const methods: ReadonlyMap<string, Value> = new Map([
    [
      'next',
      new PyFunction('next', () => {
        const item = current()
        position = (position + 1) % positional.length
        return item
      }),
    ],
    [
      'reset',
      new PyFunction('reset', () => {
        position = 0
        return null
      }),
    ],
  ])
  const object: PyObject = {
    type: 'Cycler',
    attribute: (name) => (name === 'current' ? current() : methods.get(name)),
  }
  return new PyObjectValue(object)
}

function joiner(positional: readonly Value[], named: Named): Value {
  const separator = orElse(positional.length > 0 ? positional[0] : named.get('sep'), ', ')
  let used = false
  const call = (): Value => {
    if (used) return separator
    used = true
    return ''
  }
  return new PyObjectValue({ type: 'Joiner', attribute: () => undefined, call })
}

const functions: [string, PyFunction['call']][] = [
  ['range', range],
  ['dict', (positional, named) => makeDict(pairsOf(positional, named))],
  ['namespace', namespace],
  ['cycler', cycler],
  ['joiner', joiner],
  [
    'raise_exception',
    (positional, named) => {
      const message = positional.length > 0 ? positional[0] : named.get('message')
      if (message === undefined)
        throw new Fault('TypeError', "raise_exception() missing required argument: 'message'")
      throw new Fault('TemplateError', plain(toText(message)))
    },
  ],
]

const globals: ReadonlyMap<string, Value> = new Map(
  functions.map(([name, call]): [string, Value] => [name, new PyFunction(name, call)]),
)

/** What every chat template can call: jinja2's globals and the two that transformers adds. */
export function lookUpGlobal(name: string, now?: Date): Value | undefined {
  return name === 'strftime_now' ? strftimeNow(now ?? new Date()) : globals.get(name)
}

function strftimeNow(now: Date): Value {
  return new PyFunction('strftime_now', (positional, named) => {
    const format = bare(positional[0] ?? named.get('format') ?? null)
    if (!isStr(format))
      throw new Fault('TypeError', `strftime() argument 1 must be str, not ${typeName(format)}`)
    return strftime(now, plain(format))
  })
}

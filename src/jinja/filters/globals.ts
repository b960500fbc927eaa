import { Fault } from '../fault.ts'
import { fromKeys } from '../types/container-methods.ts'
import { keyOf, makeDict } from '../types/keys.ts'
import { lipsum } from './lipsum.ts'
import { bindArguments, signature } from '../types/parameters.ts'
import { MAX_RANGE } from '../limits.ts'
import { indexArgument } from '../types/numbers.ts'
import { toText } from '../types/print.ts'
import { strftime } from './strftime.ts'
import { plain } from '../types/text.ts'
import { iterate } from '../types/iteration.ts'
import {
  bare,
  isStr,
  keyValue,
  Namespace,
  PLACE,
  PyDict,
  PyFunction,
  PyObjectValue,
  PyRange,
  PyTuple,
  typeName,
  Undefined,
  undefinedFault,
  type Named,
  type PyObject,
  type Value,
} from '../types/values.ts'

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
  if (given instanceof Undefined) throw undefinedFault(given)
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
    const name = keyOf(key)
    if (typeof name === 'string') checkNamespaceName(name)
    if (!isStr(bare(key)) && !result.keys.has(name)) result.keys.set(name, key)
    result.attributes.set(name, value)
  }
  return result
}

/** A method of an object that jinja2 writes in Python. */
function bound(
  type: string,
  name: string,
  parameters: string,
  call: (given: readonly (Value | undefined)[]) => Value,
): PyFunction {
  const shape = signature(parameters)
  return new PyFunction(
    name,
    (positional, named) => call(bindArguments(name, shape, positional, named)),
    undefined,
    `<bound method ${type}.${name} of <jinja2.utils.${type} object at ${PLACE}>>`,
  )
}

function cycler(positional: readonly Value[], named: Named): Value {
  if (named.size > 0) throw new Fault('TypeError', 'Cycler() takes no keyword arguments')
  if (positional.length === 0) throw new Fault('ValueError', 'at least one item has to be provided')
  let position = 0
  const current = (): Value => positional[position] ?? null
  const methods: ReadonlyMap<string, Value> = new Map([
    [
      'next',
      bound('Cycler', 'next', '', () => {
        const item = current()
        position = (position + 1) % positional.length
        return item
      }),
    ],
    [
      'reset',
      bound('Cycler', 'reset', '', () => {
        position = 0
        return null
      }),
    ],
  ])
  const object: PyObject = {
    type: 'jinja2.utils.Cycler',
    attribute(name) {
      if (name === 'current') return current()
      if (name === 'pos') return position
      return name === 'items' ? new PyTuple(positional) : methods.get(name)
    },
  }
  return new PyObjectValue(object)
}

const joinerShape = signature('sep=')

function joiner(positional: readonly Value[], named: Named): Value {
  const [separator = ', '] = bindArguments('Joiner', joinerShape, positional, named)
  let used = false
  const call = (given: readonly Value[], names: Named): Value => {
    if (given.length > 0 || names.size > 0) throw new Fault('TypeError', 'Joiner takes no arguments')
    if (used) return separator
    used = true
    return ''
  }
  const attribute = (name: string): Value | undefined => {
    if (name === 'sep') return separator
    return name === 'used' ? used : undefined
  }
  return new PyObjectValue({ type: 'jinja2.utils.Joiner', attribute, call })
}

const fromKeysMethod = bound('TemplateDict', 'fromkeys', 'iterable, value=, /', fromKeys)

/** transformers gives templates an object for `dict`, which makes dictionaries. */
const dict = new PyObjectValue({
  type: 'transformers.utils.chat_template_utils._cached_compile_jinja_template.<locals>.TemplateDict',
  attribute: (name) => (name === 'fromkeys' ? fromKeysMethod : undefined),
  call: (positional, named) => makeDict(pairsOf(positional, named)),
})

const lipsumShape = signature('n=, html=, min=, max=')
const inTransformers = '_cached_compile_jinja_template.<locals>'
const messageShape = signature('message')
const formatShape = signature('format')

function raiseException(positional: readonly Value[], named: Named): Value {
  const [message = null] = bindArguments('raise_exception', messageShape, positional, named)
  throw new Fault('TemplateError', plain(toText(message)))
}

/** A class that templates can call. */
function makeClass(name: string, module: string, call: PyFunction['call']): PyFunction {
  return new PyFunction(name, call, undefined, `<class '${module}.${name}'>`)
}

const globals: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['range', new PyFunction('safe_range', range)],
  ['dict', dict],
  [
    'namespace',
    makeClass(
      'TemplateNamespace',
      'transformers.utils.chat_template_utils._cached_compile_jinja_template.<locals>',
      namespace,
    ),
  ],
  ['cycler', makeClass('Cycler', 'jinja2.utils', cycler)],
  ['joiner', makeClass('Joiner', 'jinja2.utils', joiner)],
  [
    'lipsum',
    new PyFunction('generate_lorem_ipsum', (positional, named) =>
      lipsum(bindArguments('lipsum', lipsumShape, positional, named)),
    ),
  ],
  [
    'raise_exception',
    new PyFunction(
      'raise_exception',
      raiseException,
      undefined,
      `<function ${inTransformers}.raise_exception at ${PLACE}>`,
    ),
  ],
])

/** The names of all that every chat template can call: jinja2's globals and the two that transformers adds. */
export const globalNames: readonly string[] = [...globals.keys(), 'strftime_now']

/** The global of a name. */
export function lookUpGlobal(name: string, now?: Date): Value | undefined {
  return name === 'strftime_now' ? strftimeNow(now ?? new Date()) : globals.get(name)
}

function strftimeNow(now: Date): Value {
  const call = (positional: readonly Value[], named: Named): Value => {
    const [given = null] = bindArguments('strftime_now', formatShape, positional, named)
    const format = bare(given)
    if (!isStr(format))
      throw new Fault('TypeError', `strftime() argument 1 must be str, not ${typeName(format)}`)
    return strftime(now, plain(format))
  }
  return new PyFunction(
    'strftime_now',
    call,
    undefined,
    `<function ${inTransformers}.strftime_now at ${PLACE}>`,
  )
}

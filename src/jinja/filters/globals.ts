import { Fault } from '../fault.ts'
import { leftOutNames, refuseLeftOut } from '../left-out.ts'
import { MAX_RANGE } from '../limits.ts'
import { spendSteps } from '../meter.ts'
import { bindMethod, defineBuiltins, strArgument, type Given } from '../types/builtin.ts'
import { iterate } from '../types/iteration.ts'
import { makeDict } from '../types/keys.ts'
import { indexArgument } from '../types/numbers.ts'
import { toText } from '../types/print.ts'
import { plain } from '../types/text.ts'
import {
  dictItems,
  Namespace,
  PyDict,
  PyFunction,
  PySequence,
  requireDefined,
  type Named,
  type Value,
} from '../types/values.ts'
import { strftime } from './strftime.ts'

function range(given: Given): Value {
  const [first = 0, second, step = 1] = given.map((value) => indexArgument(value ?? null))
  if (step === 0) throw new Fault('ValueError', 'range() arg 3 must not be zero')
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (length > MAX_RANGE)
    throw new Fault(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    )
  spendSteps(length)
  return new PySequence(
    'range',
    Array.from({ length }, (_, index) => start + index * step),
  )
}

/** The pairs that `dict(…)` and `namespace(…)` start from. */
function pairsOf([first, ...more]: Given, named: Named): [Value, Value][] {
  if (more.length > 0)
    throw new Fault('TypeError', `dict expected at most 1 argument, got ${more.length + 1}`)
  if (first !== undefined) requireDefined(first)
  const items = first instanceof PyDict ? dictItems(first) : first === undefined ? [] : iterate(first)
  const pairs = items.map((item): [Value, Value] => {
    const [key, value, extra] = iterate(item)
    if (key === undefined || value === undefined || extra !== undefined)
      throw new Fault('ValueError', 'dictionary update sequence element needs length 2')
    return [key, value]
  })
  return [...pairs, ...named]
}

/** transformers' namespaces take no names that could reach into Python. */
export function checkNamespaceName(name: string): void {
  if (name.startsWith('_'))
    throw new Fault('SecurityError', `a namespace cannot store '${name}', which begins with an underscore`)
}

function namespace(given: Given, named: Named): Value {
  const result = new Namespace()
  for (const [key, value] of pairsOf(given, named)) {
    const name = plain(strArgument(key))
    checkNamespaceName(name)
    result.attributes.set(name, value)
  }
  return result
}

function raiseException([message = null]: Given): Value {
  throw new Fault('TemplateError', plain(toText(message)))
}

/** The functions whose result depends on their arguments alone. */
const table = defineBuiltins<null>({
  'dict(*)': (_, given, named) => makeDict(pairsOf(given, named)),
  'namespace(*)': (_, given, named) => namespace(given, named),
  'raise_exception(message)': (_, given) => raiseException(given),
  'range(start, stop=, step=, /)': (_, given) => range(given),
})
const clock = defineBuiltins<Date>({
  'strftime_now(format)': (now, [format = null]) => strftime(now, plain(strArgument(format))),
})

/** The names of all global functions: jinja2's and the two that transformers adds. */
export const globalNames: readonly string[] = [...table.keys(), ...clock.keys()]

const functions: ReadonlyMap<string, Value> = new Map([
  ...Array.from(table.values(), (builtin) => [builtin.name, bindMethod(null, builtin)] as const),
  ...leftOutNames('function').map((name) => [name, leftOutFunction(name)] as const),
])

/** A function that Python has: it is found, and calling it is refused. */
function leftOutFunction(name: string): PyFunction {
  return new PyFunction(name, () => {
    refuseLeftOut('function', name)
    return null
  })
}

/** The global of a name, or `undefined`; `now` is the moment of the render. */
export function findGlobal(name: string, now: Date | undefined): Value | undefined {
  const known = functions.get(name)
  if (known !== undefined) return known
  const found = clock.get(name)
  return found && bindMethod(now ?? new Date(), found)
}

import { Fault } from '../fault.ts'
import { attributeGetter, type Filter } from './shared.ts'
import { htmlFilters } from './html.ts'
import { itemFilters } from './items.ts'
import { numberFilters } from './numbers.ts'
import { textFilters } from './text.ts'
import { iterator, makeGenerator, truth } from '../types/iteration.ts'
import { keyOf } from '../types/keys.ts'
import { signature, bindArguments } from '../types/parameters.ts'
import { spendReading, spendSteps } from '../meter.ts'
import { plain } from '../types/text.ts'
import { callTest, hasTest } from './tests.ts'
import { bare, isStr, noNamed, typeName, type Named, type Value } from '../types/values.ts'

type Given = readonly (Value | undefined)[]

/** Python's `def f(context, value, *args, **kwargs)` cannot take these two by name. */
function refuseTaken(name: string, named: Named): void {
  for (const taken of ['context', 'value'])
    if (named.has(taken))
      throw new Fault('TypeError', `${name}() got multiple values for argument '${taken}'`)
}

/** The name of a filter or test that `map` or `select` is given. */
function builtinName(kind: 'filter' | 'test', name: Value): string {
  const stripped = bare(name)
  const text = isStr(stripped) ? plain(stripped) : undefined
  if (text === undefined || !(kind === 'filter' ? hasFilter(text) : hasTest(text)))
    throw new Fault('TemplateError', `No ${kind} named ${text ?? typeName(stripped)}`)
  return text
}

function map([value = null, name, ...rest]: Given, named: Named): Value {
  refuseTaken('map', named)
  // As in Python, whose map is a generator: nothing is looked at before the first item is asked for.
  return makeGenerator('sync_do_map', () => {
    if (!truth(value)) return () => undefined
    const transform = mapping(name, rest, named)
    const next = iterator(value)
    return () => {
      const item = next()
      return item === undefined ? undefined : transform(item)
    }
  })
}

function mapping(name: Value | undefined, rest: Given, named: Named): (item: Value) => Value {
  if (name === undefined && named.has('attribute')) {
    for (const key of named.keys()) {
      if (key !== 'attribute' && key !== 'default')
        throw new Fault('FilterArgumentError', `Unexpected keyword argument '${key}'`)
    }
    return attributeGetter(named.get('attribute'), named.get('default'))
  }
  if (name === undefined) throw new Fault('FilterArgumentError', 'map requires a filter argument')
  const values = rest.map((item) => item ?? null)
  return (item) => callFilter(builtinName('filter', name), item, values, named)
}

function selecting(wanted: boolean, byAttribute: boolean): Filter['call'] {
  const call = `${wanted ? 'select' : 'reject'}${byAttribute ? 'attr' : ''}`
  return ([value = null, ...given], named) => {
    refuseTaken(call, named)
    return makeGenerator('select_or_reject', () => {
      if (!truth(value)) return () => undefined
      const holds = selection(given, named, byAttribute)
      const next = iterator(value)
      return () => {
        for (let item = next(); item !== undefined; item = next()) if (holds(item) === wanted) return item
        return undefined
      }
    })
  }
}

function selection(given: Given, named: Named, byAttribute: boolean): (item: Value) => boolean {
  const values = given.map((item) => item ?? null)
  const attribute = byAttribute ? values.shift() : undefined
  if (byAttribute && attribute === undefined)
    throw new Fault('FilterArgumentError', 'Missing parameter for attribute name')
  const get = attributeGetter(attribute)
  const [name, ...others] = values
  if (name === undefined) return (item) => truth(get(item))
  return (item) => runTest(builtinName('test', name), get(item), others, named)
}

const variadic = signature('value, *args')
const filterTest = signature('value')

const filters: ReadonlyMap<string, Filter> = new Map([
  ...textFilters,
  ...htmlFilters,
  ...itemFilters,
  ...numberFilters,
  ['map', { signature: variadic, call: map }],
  ['select', { signature: variadic, call: selecting(true, false) }],
  ['reject', { signature: variadic, call: selecting(false, false) }],
  ['selectattr', { signature: variadic, call: selecting(true, true) }],
  ['rejectattr', { signature: variadic, call: selecting(false, true) }],
])

/** Filters that jinja2 gives the context: it never computes them while it compiles. */
export const contextFilters: ReadonlySet<string> = new Set([
  'map',
  'select',
  'reject',
  'selectattr',
  'rejectattr',
  'random',
])

/** The names of all filters. */
export const filterNames: readonly string[] = [...filters.keys()]

/** Whether jinja2 has a filter of this name. */
export function hasFilter(name: string): boolean {
  return filters.has(name)
}

/** Applies a filter to a value. */
export function callFilter(name: string, value: Value, positional: readonly Value[], named: Named): Value {
  const found = filters.get(name)
  if (found === undefined) throw new Fault('TemplateError', `No filter named '${name}'`)
  spendSteps(1)
  if (isStr(value)) spendReading(plain(value).length)
  const { signature: shape } = found
  if (shape.variadic) return found.call([value, ...positional], named)
  if (named.size === 0 && positional.length < shape.names.length && positional.length + 1 >= shape.required)
    return found.call([value, ...positional], noNamed)
  return found.call(bindArguments(name, shape, [value, ...positional], named), noNamed)
}

/** Runs a test; `filter` is known here only. */
export function runTest(name: string, value: Value, positional: readonly Value[], named: Named): boolean {
  spendSteps(1)
  if (isStr(value)) spendReading(plain(value).length)
  if (name !== 'filter') return callTest(name, value, positional, named)
  const [given = null] = bindArguments(name, filterTest, [value, ...positional], named)
  const key = keyOf(given)
  return typeof key === 'string' && filters.has(key)
}

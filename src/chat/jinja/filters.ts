import { Fault } from './fault.ts'
import { attributeGetter, softText, type Filter } from './filter-shared.ts'
import { signature, bindArguments } from './parameters.ts'
import { textFilters } from './filters-text.ts'
import { valueFilters } from './filters-values.ts'
import { spendReading, spendSteps } from './meter.ts'
import { plain } from './text.ts'
import { callTest } from './tests.ts'
import { isStr, iterate, noNamed, PyIterator, truth, type Named, type Value } from './values.ts'

function map(given: readonly (Value | undefined)[], named: Named): Value {
  const [value = null, name, ...rest] = given
  // As in Python, whose map is a generator: nothing is checked while there is nothing to map.
  if (!truth(value)) return new PyIterator([])
  if (name === undefined && named.has('attribute')) {
    for (const key of named.keys()) {
      if (key !== 'attribute' && key !== 'default') {
        throw new Fault('FilterArgumentError', `Unexpected keyword argument '${key}'`)
      }
    }
    return new PyIterator(iterate(value).map(attributeGetter(named.get('attribute'), named.get('default'))))
  }
  if (name === undefined) throw new Fault('FilterArgumentError', 'map requires a filter argument')
  const filterName = plain(softText(name))
  const values = rest.map((item) => item ?? null)
  return new PyIterator(iterate(value).map((item) => callFilter(filterName, item, values, named)))
}

function selecting(wanted: boolean, byAttribute: boolean): Filter['call'] {
  return (given, named) => {
    const [value = null, ...rest] = given
    if (!truth(value)) return new PyIterator([])
    const values = rest.map((item) => item ?? null)
    const attribute = byAttribute ? values.shift() : undefined
    if (byAttribute && attribute === undefined) {
      throw new Fault('FilterArgumentError', 'Missing parameter for attribute name')
    }
    const get = attributeGetter(attribute)
    const [name, ...others] = values
    const testName = name === undefined ? undefined : plain(softText(name))
    const holds = (item: Value): boolean =>
      testName === undefined ? truth(item) : runTest(testName, item, others, named)
    return new PyIterator(iterate(value).filter((item) => holds(get(item)) === wanted))
  }
}

const variadic = signature('value, *args')

const filters: ReadonlyMap<string, Filter> = new Map([
  ...textFilters,
  ...valueFilters,
  ['map', { signature: variadic, call: map }],
  ['select', { signature: variadic, call: selecting(true, false) }],
  ['reject', { signature: variadic, call: selecting(false, false) }],
  ['selectattr', { signature: variadic, call: selecting(true, true) }],
  ['rejectattr', { signature: variadic, call: selecting(false, true) }],
])

const takesNamed: ReadonlySet<string> = new Set([
  'map',
  'select',
  'reject',
  'selectattr',
  'rejectattr',
  'format',
])

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
  if (takesNamed.has(name)) return found.call([value, ...positional], named)
  if (
    named.size === 0 &&
    positional.length < found.signature.names.length &&
    positional.length + 1 >= found.signature.required
  ) {
    return found.call([value, ...positional], noNamed)
  }
  return found.call(bindArguments(name, found.signature, [value, ...positional], named), noNamed)
}

/** Runs a test; `filter` is known here only. */
export function runTest(name: string, value: Value, positional: readonly Value[], named: Named): boolean {
  spendSteps(1)
  if (isStr(value)) spendReading(plain(value).length)
  return name === 'filter' ? hasFilter(plain(softText(value))) : callTest(name, value, positional, named)
}

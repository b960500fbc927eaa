import { Fault } from '../fault.ts'
import { defineBuiltins, type Builtin, type Given } from '../types/builtin.ts'
import { iterator, makeGenerator, truth } from '../types/iteration.ts'
import { strOf, typeName, type Named, type Value } from '../types/values.ts'
import { attributeGetter } from './attribute.ts'

/** What `map` and `select` find other filters and tests by; throws where there is none of the name. */
interface Lookups {
  filter(name: string): (value: Value, positional: readonly Value[], named: Named) => Value
  test(name: string): (value: Value, positional: readonly Value[], named: Named) => boolean
}

function nameArgument(kind: string, name: Value): string {
  const text = strOf(name)
  if (text === undefined) throw new Fault('TemplateError', `No ${kind} named ${typeName(name)}`)
  return text
}

const values = (given: Given): Value[] => given.map((item) => item ?? null)

function map(lookups: Lookups): Builtin<Value>['call'] {
  const transformation = ([name, ...rest]: readonly Value[], named: Named): ((item: Value) => Value) => {
    if (name !== undefined) {
      // As in Python, a name is looked up when there is an item.
      return (item) => lookups.filter(nameArgument('filter', name))(item, rest, named)
    }
    if (!named.has('attribute')) throw new Fault('FilterArgumentError', 'map requires a filter argument')
    for (const key of named.keys())
      if (key !== 'attribute' && key !== 'default')
        throw new Fault('FilterArgumentError', `Unexpected keyword argument '${key}'`)
    return attributeGetter(named.get('attribute'), named.get('default'))
  }
  return (value, given, named) => {
    // Python's map is a generator: nothing is looked at before the first item is asked for.
    return makeGenerator(() => {
      if (!truth(value)) return () => undefined
      const transform = transformation(values(given), named)
      const next = iterator(value)
      return () => {
        const item = next()
        return item === undefined ? undefined : transform(item)
      }
    })
  }
}

function selecting(lookups: Lookups, wanted: boolean, byAttribute: boolean): Builtin<Value>['call'] {
  return (value, given, named) => {
    return makeGenerator(() => {
      if (!truth(value)) return () => undefined
      const holds = selection(lookups, values(given), named, byAttribute)
      const next = iterator(value)
      return () => {
        for (let item = next(); item !== undefined; item = next()) if (holds(item) === wanted) return item
        return undefined
      }
    })
  }
}

function selection(
  lookups: Lookups,
  given: readonly Value[],
  named: Named,
  byAttribute: boolean,
): (item: Value) => boolean {
  const attribute = byAttribute ? given[0] : undefined
  if (byAttribute && attribute === undefined)
    throw new Fault('FilterArgumentError', 'Missing parameter for attribute name')
  const get = attributeGetter(attribute)
  const [name, ...rest] = byAttribute ? given.slice(1) : given
  if (name === undefined) return (item) => truth(get(item))
  return (item) => lookups.test(nameArgument('test', name))(get(item), rest, named)
}

/** The filters that apply others to each item. */
export function choosingFilters(lookups: Lookups): ReadonlyMap<string, Builtin<Value>> {
  return defineBuiltins<Value>({
    'map(*)': map(lookups),
    'reject(*)': selecting(lookups, false, false),
    'rejectattr(*)': selecting(lookups, false, true),
    'select(*)': selecting(lookups, true, false),
    'selectattr(*)': selecting(lookups, true, true),
  })
}

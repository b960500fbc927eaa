import { Fault } from '../fault.ts'
import { spendSteps } from '../meter.ts'
import { getItem } from '../types/access.ts'
import { applyBinary } from '../types/arithmetic.ts'
import { defineBuiltins, isGiven, type Given } from '../types/builtin.ts'
import { compareValues, sortValues } from '../types/compare.ts'
import { iterate, iterator, iteratorOver, lengthOf, makeGenerator, truth } from '../types/iteration.ts'
import { keyOf } from '../types/keys.ts'
import { indexArgument } from '../types/numbers.ts'
import { Slice } from '../types/slice.ts'
import {
  dictItems,
  isStr,
  listOf,
  orElse,
  PyDict,
  PyIterator,
  PySequence,
  SafeText,
  strOf,
  typeFault,
  typeName,
  Undefined,
  type Key,
  type Value,
} from '../types/values.ts'
import { attributeGetter, ignoreCase } from './attribute.ts'

const isTrue = (value: Value | undefined): boolean => value !== undefined && truth(value)

/** What Python's sorted() takes for `reverse`: an int. */
function isReversed(value: Value | undefined): boolean {
  return value !== undefined && indexArgument(value) !== 0
}

/** What items are compared by: an attribute of theirs, in small letters unless case counts. */
function comparison(attribute: Value | undefined, caseSensitive: Value | undefined): (item: Value) => Value {
  const get = attributeGetter(attribute)
  return isTrue(caseSensitive) ? get : (item) => ignoreCase(get(item))
}

function length(value: Value): Value {
  const count = lengthOf(value)
  if (count === undefined) throw new Fault('TypeError', `object of type '${typeName(value)}' has no len()`)
  return count
}

function dictSort(value: Value, [caseSensitive, by = 'key', reverse]: Given): Value {
  const position = ['key', 'value'].indexOf(strOf(by) ?? '')
  if (position === -1) throw new Fault('FilterArgumentError', 'You can only sort by either "key" or "value"')
  return listOf(
    sortValues(dictItems(dictArgument(value)), comparison(position, caseSensitive), isReversed(reverse)),
  )
}

function dictArgument(value: Value): PyDict {
  if (value instanceof PyDict) return value
  throw typeFault(value, `'${typeName(value)}' object has no attribute 'items'`)
}

function sort(value: Value, [reverse, caseSensitive, attribute]: Given): Value {
  const names: readonly (Value | undefined)[] = strOf(attribute)?.split(',') ?? [attribute]
  const parts = names.map((name) => comparison(name, caseSensitive))
  const key = (item: Value): Value => listOf(parts.map((part) => part(item)))
  return listOf(sortValues(iterate(value), key, isReversed(reverse)))
}

const extreme =
  (wanted: '<' | '>') =>
  (value: Value, [caseSensitive, attribute]: Given): Value => {
    const key = comparison(attribute, caseSensitive)
    const next = iterator(value)
    let best = next()
    if (best === undefined) return new Undefined('No aggregated item, sequence was empty.')
    let bestKey = key(best)
    for (let item = next(); item !== undefined; item = next()) {
      const itemKey = key(item)
      const order = compareValues(itemKey, bestKey, wanted)
      if (!(wanted === '>' ? order > 0 : order < 0)) continue
      best = item
      bestKey = itemKey
    }
    return best
  }

function unique(value: Value, [caseSensitive, attribute]: Given): Value {
  return makeGenerator(() => {
    const keyFor = comparison(attribute, caseSensitive)
    const seen = new Set<Key>()
    const next = iterator(value)
    return () => {
      for (let item = next(); item !== undefined; item = next()) {
        const key = keyOf(keyFor(item))
        if (seen.has(key)) continue
        seen.add(key)
        return item
      }
      return undefined
    }
  })
}

function sum(value: Value, [attribute, start = 0]: Given): Value {
  const get = isGiven(attribute) ? attributeGetter(attribute) : (item: Value): Value => item
  const next = iterator(value)
  if (isStr(start)) throw new Fault('TypeError', "sum() can't sum strings")
  let total: Value = start
  for (let item = next(); item !== undefined; item = next()) {
    total = applyBinary('+', total, get(item))
  }
  return total
}

function isReversible(value: Value): boolean {
  return isStr(value) || value instanceof PySequence || value instanceof PyDict || value instanceof Undefined
}

function reverse(value: Value): Value {
  const text = value instanceof SafeText ? value.text : value
  if (isStr(text)) return getItem(text, new Slice(null, null, -1))
  const given = iterate(value)
  spendSteps(given.length)
  const items = given.toReversed()
  return isReversible(value) ? new PyIterator(iteratorOver(items)) : listOf(items)
}

function last(value: Value): Value {
  if (!isReversible(value)) throw new Fault('TypeError', `'${typeName(value)}' object is not reversible`)
  return orElse(iterate(value).at(-1), new Undefined('No last item, sequence was empty.'))
}

function items(value: Value): Value {
  return makeGenerator(() => {
    if (value instanceof Undefined) return () => undefined
    if (!(value instanceof PyDict)) throw new Fault('TypeError', 'Can only get item pairs from a mapping.')
    return iteratorOver(dictItems(value))
  })
}

function orDefault(value: Value, [otherwise = '', isBoolean]: Given): Value {
  return value instanceof Undefined || (isTrue(isBoolean) && !truth(value)) ? otherwise : value
}

/** The filters that choose, order and group items. */
export const itemFilters = defineBuiltins<Value>({
  'count()': length,
  'd(default_value=, boolean=)': orDefault,
  'default(default_value=, boolean=)': orDefault,
  'dictsort(case_sensitive=, by=, reverse=)': dictSort,
  'first()': (value) => orElse(iterator(value)(), new Undefined('No first item, sequence was empty.')),
  'items()': items,
  'last()': last,
  'length()': length,
  'list()': (value) => {
    const items = iterate(value)
    spendSteps(items.length)
    return listOf([...items])
  },
  'max(case_sensitive=, attribute=)': extreme('>'),
  'min(case_sensitive=, attribute=)': extreme('<'),
  'reverse()': reverse,
  'sort(reverse=, case_sensitive=, attribute=)': sort,
  'sum(attribute=, start=)': sum,
  'unique(case_sensitive=, attribute=)': unique,
})

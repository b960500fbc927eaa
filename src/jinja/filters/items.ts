import { Fault } from '../fault.ts'
import { applyBinary } from '../types/arithmetic.ts'
import { compareValues, isEqual, sortValues } from '../types/compare.ts'
import { dictItems } from '../types/container-methods.ts'
import { attributeGetter, filter, ignoreCase, isGiven, softText, type Filter } from './shared.ts'
import { keyOf } from '../types/keys.ts'
import { indexArgument } from '../types/numbers.ts'
import { getAttribute, getItem, pythonAttribute, Slice } from '../types/access.ts'
import { iterate, iterator, iteratorOver, lengthOf, makeGenerator, truth } from '../types/iteration.ts'
import { renderState } from '../render-state.ts'
import { spendSteps } from '../meter.ts'
import { plain } from '../types/text.ts'
import {
  bare,
  isStr,
  orElse,
  PyBytes,
  PyDict,
  PyIterator,
  PyList,
  PyRange,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Value,
} from '../types/values.ts'

type Given = readonly (Value | undefined)[]

const isTrue = (value: Value | undefined): boolean => value !== undefined && truth(value)

/** What Python's sorted() takes for `reverse`: an int. */
function isReversed(value: Value | undefined): boolean {
  return value !== undefined && indexArgument(value) !== 0
}

function length([value]: Given): Value {
  const count = lengthOf(value ?? null)
  if (count === undefined)
    throw new Fault('TypeError', `object of type '${typeName(value ?? null)}' has no len()`)
  return count
}

function batch([value, count = null, fill]: Given): Value {
  return makeGenerator('do_batch', () => {
    const next = iterator(value ?? null)
    let isOver = false
    let row: Value[] = []
    return () => {
      if (isOver) return undefined
      for (let item = next(); item !== undefined; item = next()) {
        const full = isEqual(row.length, count) ? row : undefined
        if (full !== undefined) row = []
        row.push(item)
        if (full !== undefined) return new PyList(full)
      }
      isOver = true
      if (row.length === 0) return undefined
      if (isGiven(fill) && compareValues(row.length, count) < 0) {
        const missing = indexArgument(applyBinary('-', count, row.length))
        spendSteps(missing)
        for (let index = 0; index < missing; index += 1) row.push(fill)
      }
      return new PyList(row)
    }
  })
}

function slice([value, count = null, fill]: Given): Value {
  return makeGenerator('sync_do_slice', () => {
    const items = iterate(value ?? null)
    const slices = indexArgument(count)
    if (slices === 0) throw new Fault('ZeroDivisionError', 'integer division or modulo by zero')
    const size = Math.floor(items.length / slices)
    const longer = items.length % slices
    let index = 0
    let start = 0
    return () => {
      if (index >= slices) return undefined
      spendSteps(1)
      const end = start + size + (index < longer ? 1 : 0)
      const column = items.slice(start, end)
      if (isGiven(fill) && index >= longer) column.push(fill)
      start = end
      index += 1
      return new PyList(column)
    }
  })
}

function dictSort([value, caseSensitive, by, reverse]: Given): Value {
  const field = by === undefined ? 'key' : bare(by)
  const position = isEqual(field, 'key') ? 0 : 1
  if (position === 1 && !isEqual(field, 'value'))
    throw new Fault('FilterArgumentError', 'You can only sort by either "key" or "value"')
  const dict = bare(value ?? null)
  if (dict instanceof Undefined) throw undefinedFault(dict)
  if (!(dict instanceof PyDict))
    throw new Fault('AttributeError', `'${typeName(dict)}' object has no attribute 'items'`)
  const sorted = sortValues(
    dictItems(dict),
    (item) => {
      const part = item instanceof PyTuple ? (item.items[position] ?? null) : item
      return isTrue(caseSensitive) ? part : ignoreCase(part)
    },
    isReversed(reverse),
  )
  return new PyList(sorted)
}

function sort([value, reverse, caseSensitive, attribute]: Given): Value {
  const post = (item: Value): Value => (isTrue(caseSensitive) ? item : ignoreCase(item))
  const stripped = bare(attribute ?? null)
  const names: Value[] = isStr(stripped) ? plain(stripped).split(',') : [stripped]
  const getters = names.map((name) => attributeGetter(name))
  const key = (item: Value): Value => new PyList(getters.map((get) => post(get(item))))
  return new PyList(sortValues(iterate(value ?? null), key, isReversed(reverse)))
}

function extreme(wanted: '<' | '>'): (given: Given) => Value {
  return ([value, caseSensitive, attribute]) => {
    const get = attributeGetter(attribute)
    const key = (item: Value): Value => (isTrue(caseSensitive) ? get(item) : ignoreCase(get(item)))
    const next = iterator(value ?? null)
    let best = next()
    if (best === undefined) return new Undefined('No aggregated item, sequence was empty.')
    let bestKey = key(best)
    for (let item = next(); item !== undefined; item = next()) {
      const itemKey = key(item)
      const order = compareValues(itemKey, bestKey, wanted)
      if (wanted === '>' ? order > 0 : order < 0) {
        best = item
        bestKey = itemKey
      }
    }
    return best
  }
}

function unique([value, caseSensitive, attribute]: Given): Value {
  return makeGenerator('sync_do_unique', () => {
    const get = attributeGetter(attribute)
    const seen = new Set<unknown>()
    const next = iterator(value ?? null)
    return () => {
      for (let item = next(); item !== undefined; item = next()) {
        const key = keyOf(isTrue(caseSensitive) ? get(item) : ignoreCase(get(item)))
        if (seen.has(key)) continue
        seen.add(key)
        return item
      }
      return undefined
    }
  })
}

const groupFields: readonly string[] = ['grouper', 'list']

function groupBy([value, attribute, otherwise, caseSensitive]: Given): Value {
  const get = attributeGetter(attribute, otherwise)
  const key = (item: Value): Value => (isTrue(caseSensitive) ? get(item) : ignoreCase(get(item)))
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sortValues(iterate(value ?? null), key, false)) {
    const last = groups.at(-1)
    if (last !== undefined && isEqual(last.key, key(item))) last.items.push(item)
    else groups.push({ key: key(item), items: [item] })
  }
  return new PyList(
    groups.map((group) => new PyTuple([get(group.items[0] ?? null), new PyList(group.items)], groupFields)),
  )
}

function sum([value, attribute, start]: Given): Value {
  const first = orElse(start, 0)
  const stripped = bare(first)
  const get = isGiven(attribute) ? attributeGetter(attribute) : (item: Value): Value => item
  const next = iterator(value ?? null)
  if (isStr(stripped) || stripped instanceof PyBytes)
    throw new Fault('TypeError', `sum() can't sum ${isStr(stripped) ? 'strings' : 'bytes'}`)
  let total = first
  for (let item = next(); item !== undefined; item = next()) {
    spendSteps(1)
    total = applyBinary('+', total, get(item))
  }
  return total
}

/** The type of what Python's reversed() makes, or `undefined` where it raises. */
function reversedType(value: Bare): string | undefined {
  if (value instanceof PyList) return 'list_reverseiterator'
  if (value instanceof PyRange) return 'range_iterator'
  if (value instanceof PyDict) return 'dict_reversekeyiterator'
  if (value instanceof PyView) {
    return {
      dict_keys: 'dict_reversekeyiterator',
      dict_values: 'dict_reversevalueiterator',
      dict_items: 'dict_reverseitemiterator',
    }[value.type]
  }
  const isSequence = isStr(value) || value instanceof PyTuple || value instanceof PyBytes
  return isSequence || value instanceof Undefined ? 'reversed' : undefined
}

function reverse([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (isStr(stripped)) return getItem(stripped, new Slice(null, null, -1))
  const type = reversedType(stripped)
  const items = iterate(stripped).toReversed()
  return type === undefined ? new PyList(items) : new PyIterator(iteratorOver(items), type)
}

function last([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (reversedType(stripped) === undefined)
    throw new Fault('TypeError', `'${typeName(stripped)}' object is not reversible`)
  return orElse(iterate(stripped).at(-1), new Undefined('No last item, sequence was empty.'))
}

function first([value]: Given): Value {
  return orElse(iterator(value ?? null)(), new Undefined('No first item, sequence was empty.'))
}

/** random.choice: `seq[index]` of a length. */
function random([value]: Given): Value {
  const stripped = bare(value ?? null)
  const count = lengthOf(stripped)
  if (count === undefined) throw new Fault('TypeError', `object of type '${typeName(stripped)}' has no len()`)
  if (count === 0) return new Undefined('No random item, sequence was empty.')
  const index = Math.floor(renderState.random() * count)
  const hasItems =
    isStr(stripped) ||
    stripped instanceof PyList ||
    stripped instanceof PyTuple ||
    stripped instanceof PyRange ||
    stripped instanceof PyBytes
  if (hasItems) return getItem(stripped, index)
  const item = stripped instanceof PyDict ? stripped.entries.get(index) : undefined
  if (item === undefined) throw new Fault('TypeError', `'${typeName(stripped)}' object is not subscriptable`)
  return item
}

function attribute([object, name]: Given): Value {
  const stripped = bare(object ?? null)
  const given = bare(name ?? null)
  if (!isStr(given)) throw new Fault('TypeError', `attribute name must be string, not '${typeName(given)}'`)
  const text = plain(given)
  if (stripped instanceof Undefined) return getAttribute(stripped, text)
  return orElse(
    pythonAttribute(stripped, text),
    new Undefined(`'${typeName(stripped)} object' has no attribute '${text}'`),
  )
}

function items([value]: Given): Value {
  return makeGenerator('do_items', () => {
    const dict = bare(value ?? null)
    if (dict instanceof Undefined) return () => undefined
    if (!(dict instanceof PyDict)) throw new Fault('TypeError', 'Can only get item pairs from a mapping.')
    return iteratorOver(dictItems(dict))
  })
}

function orDefault([value, otherwise, isBoolean]: Given): Value {
  const given = value ?? null
  const isMissing = given instanceof Undefined || (isTrue(isBoolean) && !truth(given))
  return isMissing ? orElse(otherwise, '') : given
}

/** The filters that choose, order and group items. */
export const itemFilters: readonly (readonly [string, Filter])[] = [
  ['attr', filter('obj, name', attribute)],
  ['batch', filter('value, linecount, fill_with=', batch)],
  ['count', filter('obj, /', length)],
  ['d', filter('value, default_value=, boolean=', orDefault)],
  ['default', filter('value, default_value=, boolean=', orDefault)],
  ['dictsort', filter('value, case_sensitive=, by=, reverse=', dictSort)],
  ['first', filter('seq', first)],
  ['groupby', filter('value, attribute, default=, case_sensitive=', groupBy)],
  ['items', filter('value', items)],
  ['last', filter('seq', last)],
  ['length', filter('obj, /', length)],
  ['list', filter('value', ([value]) => new PyList([...iterate(value ?? null)]))],
  ['max', filter('value, case_sensitive=, attribute=', extreme('>'))],
  ['min', filter('value, case_sensitive=, attribute=', extreme('<'))],
  ['random', filter('seq', random)],
  ['reverse', filter('value', reverse)],
  ['slice', filter('value, slices, fill_with=', slice)],
  ['sort', filter('value, reverse=, case_sensitive=, attribute=', sort)],
  ['sum', filter('iterable, attribute=, start=', sum)],
  ['unique', filter('value, case_sensitive=, attribute=', unique)],
  ['wordcount', filter('s', ([value]) => plain(softText(value)).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)],
]

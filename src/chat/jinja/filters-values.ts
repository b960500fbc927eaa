import { Fault } from './fault.ts'
import { applyBinary, applySign } from './arithmetic.ts'
import { compareValues, isEqual, sortValues } from './compare.ts'
import { dictItems } from './container-methods.ts'
import { attributeGetter, filter, ignoreCase, isGiven, softText, type Filter } from './filter-shared.ts'
import { keyOf } from './keys.ts'
import {
  asInteger,
  asNumber,
  indexArgument,
  normalize,
  parseFloatText,
  parseInteger,
  roundHalfEven,
} from './numbers.ts'
import { pythonAttribute, getItem, Slice } from './access.ts'
import { spendSteps } from './meter.ts'
import { plain } from './text.ts'
import {
  bare,
  isStr,
  iterate,
  lengthOf,
  orElse,
  PyDict,
  PyFloat,
  PyIterator,
  PyList,
  PyTuple,
  truth,
  typeName,
  Undefined,
  undefinedFault,
  type Value,
} from './values.ts'

type Given = readonly (Value | undefined)[]

const isTrue = (value: Value | undefined): boolean => value !== undefined && truth(value)

function length([value]: Given): Value {
  const count = lengthOf(value ?? null)
  if (count === undefined)
    throw new Fault('TypeError', `object of type '${typeName(value ?? null)}' has no len()`)
  return count
}

function chunks([value, size, fill]: Given): Value {
  const width = indexArgument(size ?? null)
  const items = iterate(value ?? null)
  const rows: Value[] = []
  if (width <= 0) return new PyIterator(items.map((item) => new PyList([item])))
  for (let start = 0; start < items.length; start += width) {
    const row = items.slice(start, start + width)
    if (isGiven(fill) && row.length < width) {
      spendSteps(width - row.length)
      while (row.length < width) row.push(fill)
    }
    rows.push(new PyList(row))
  }
  return new PyIterator(rows)
}

function columns([value, count, fill]: Given): Value {
  const items = iterate(value ?? null)
  const slices = indexArgument(count ?? null)
  if (slices === 0) throw new Fault('ZeroDivisionError', 'integer division or modulo by zero')
  spendSteps(Math.max(0, slices))
  const size = Math.floor(items.length / slices)
  const longer = items.length % slices
  const result: Value[] = []
  let start = 0
  for (let index = 0; index < slices; index += 1) {
    const end = start + size + (index < longer ? 1 : 0)
    const column = items.slice(start, end)
    if (isGiven(fill) && index >= longer) column.push(fill)
    result.push(new PyList(column))
    start = end
  }
  return new PyIterator(result)
}

function dictSort([value, caseSensitive, by, reverse]: Given): Value {
  const dict = bare(value ?? null)
  if (dict instanceof Undefined) throw undefinedFault(dict)
  if (!(dict instanceof PyDict))
    throw new Fault('AttributeError', `'${typeName(dict)}' object has no attribute 'items'`)
  const field = by === undefined ? 'key' : plain(softText(by))
  if (field !== 'key' && field !== 'value') {
    throw new Fault('FilterArgumentError', 'You can only sort by either "key" or "value"')
  }
  const position = field === 'key' ? 0 : 1
  const sorted = sortValues(
    dictItems(dict),
    (item) => {
      const part = item instanceof PyTuple ? (item.items[position] ?? null) : item
      return isTrue(caseSensitive) ? part : ignoreCase(part)
    },
    isTrue(reverse),
  )
  return new PyList(sorted)
}

function sort([value, reverse, caseSensitive, attribute]: Given): Value {
  const post = (item: Value): Value => (isTrue(caseSensitive) ? item : ignoreCase(item))
  const stripped = bare(attribute ?? null)
  const names: Value[] = isStr(stripped) ? plain(stripped).split(',') : stripped === null ? [] : [stripped]
  const getters = names.map((name) => attributeGetter(name))
  const key = (item: Value): Value =>
    getters.length === 0 ? post(item) : new PyList(getters.map((get) => post(get(item))))
  return new PyList(sortValues(iterate(value ?? null), key, isTrue(reverse)))
}

function extreme(wanted: 1 | -1): (given: Given) => Value {
  return ([value, caseSensitive, attribute]) => {
    const items = iterate(value ?? null)
    const get = attributeGetter(attribute)
    const key = (item: Value): Value => (isTrue(caseSensitive) ? get(item) : ignoreCase(get(item)))
    const [first, ...rest] = items
    if (first === undefined) return new Undefined('No aggregated item, sequence was empty.')
    let best = first
    for (const item of rest) {
      const order =
        wanted === 1 ? compareValues(key(item), key(best), '>') : compareValues(key(best), key(item))
      if (order > 0) best = item
    }
    return best
  }
}

function unique([value, caseSensitive, attribute]: Given): Value {
  const get = attributeGetter(attribute)
  const seen = new Set<unknown>()
  const kept = iterate(value ?? null).filter((item) => {
    const key = keyOf(isTrue(caseSensitive) ? get(item) : ignoreCase(get(item)))
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
  return new PyIterator(kept)
}

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
    groups.map((group) => new PyTuple([get(group.items[0] ?? null), new PyList(group.items)])),
  )
}

function toInteger([value, otherwise, base]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  const fallback = orElse(otherwise, 0)
  if (isStr(stripped)) {
    const parsed = parseInteger(plain(stripped), base === undefined ? 10 : indexArgument(base))
    if (parsed !== undefined) return parsed
    const real = parseFloatText(plain(stripped))
    return real !== undefined && Number.isFinite(real) ? normalize(BigInt(Math.trunc(real))) : fallback
  }
  const integer = asInteger(stripped)
  if (integer !== undefined) return integer
  if (!(stripped instanceof PyFloat) || !Number.isFinite(stripped.value)) return fallback
  return normalize(BigInt(Math.trunc(stripped.value)))
}

function toFloat([value, otherwise]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  const number = isStr(stripped) ? parseFloatText(plain(stripped)) : asNumber(stripped)
  return number === undefined ? orElse(otherwise, new PyFloat(0)) : new PyFloat(number)
}

function round([value, precision, method]: Given): Value {
  const places = precision === undefined ? 0 : indexArgument(precision)
  const kind = method === undefined ? 'common' : plain(softText(method))
  if (kind !== 'common' && kind !== 'ceil' && kind !== 'floor') {
    throw new Fault('FilterArgumentError', 'method must be common, ceil or floor')
  }
  const stripped = bare(value ?? null)
  const number = asNumber(stripped)
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  if (number === undefined)
    throw new Fault('TypeError', `type ${typeName(stripped)} doesn't define __round__ method`)
  if (kind === 'common') {
    const integer = asInteger(stripped)
    if (integer === undefined) return new PyFloat(roundHalfEven(number, places))
    return places >= 0 ? integer : roundHalfEven(number, places)
  }
  const scale = 10 ** places
  return new PyFloat((kind === 'ceil' ? Math.ceil(number * scale) : Math.floor(number * scale)) / scale)
}

function absolute([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof Undefined) throw undefinedFault(stripped)
  const number = asNumber(stripped)
  if (number === undefined)
    throw new Fault('TypeError', `bad operand type for abs(): '${typeName(stripped)}'`)
  return number < 0 ? applySign('-', stripped) : applySign('+', stripped)
}

function sum([value, attribute, start]: Given): Value {
  const items = iterate(value ?? null)
  const values = isGiven(attribute) ? items.map(attributeGetter(attribute)) : items
  const first = orElse(start, 0)
  if (isStr(bare(first))) throw new Fault('TypeError', "sum() can't sum strings [use ''.join(seq) instead]")
  return values.reduce<Value>((total, item) => applyBinary('+', total, item), first)
}

function reverse([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (isStr(stripped)) return getItem(stripped, new Slice(null, null, -1))
  const items = iterate(stripped).toReversed()
  return stripped instanceof PyIterator ? new PyList(items) : new PyIterator(items, 'list_reverseiterator')
}

function last([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof PyIterator)
    throw new Fault('TypeError', `'${stripped.type}' object is not reversible`)
  if (stripped instanceof Undefined) throw new Fault('TypeError', "'Undefined' object is not reversible")
  return orElse(iterate(stripped).at(-1), new Undefined('No last item, sequence was empty.'))
}

function first([value]: Given): Value {
  const stripped = bare(value ?? null)
  if (stripped instanceof PyIterator) {
    const item = stripped.items[stripped.position]
    stripped.position += 1
    return orElse(item, new Undefined('No first item, sequence was empty.'))
  }
  return orElse(iterate(stripped)[0], new Undefined('No first item, sequence was empty.'))
}

/** The filters whose result is a number, a list or one of the items. */
export const valueFilters: readonly (readonly [string, Filter])[] = [
  ['abs', filter('x, /', absolute)],
  [
    'attr',
    filter('obj, name', ([object, name]) => {
      const stripped = bare(object ?? null)
      if (stripped instanceof Undefined) throw undefinedFault(stripped)
      const text = plain(softText(name))
      return orElse(
        pythonAttribute(stripped, text),
        new Undefined(`'${typeName(stripped)} object' has no attribute '${text}'`),
      )
    }),
  ],
  ['batch', filter('value, linecount, fill_with=', chunks)],
  ['count', filter('obj, /', length)],
  ['d', filter('value, default_value=, boolean=', orDefault)],
  ['default', filter('value, default_value=, boolean=', orDefault)],
  ['dictsort', filter('value, case_sensitive=, by=, reverse=', dictSort)],
  ['first', filter('seq', first)],
  ['float', filter('value, default=', toFloat)],
  ['groupby', filter('value, attribute, default=, case_sensitive=', groupBy)],
  ['int', filter('value, default=, base=', toInteger)],
  [
    'items',
    filter('value', ([value]) => {
      const stripped = bare(value ?? null)
      if (stripped instanceof Undefined) return new PyIterator([])
      if (!(stripped instanceof PyDict))
        throw new Fault('TypeError', 'Can only get item pairs from a mapping.')
      return new PyIterator(dictItems(stripped))
    }),
  ],
  ['last', filter('seq', last)],
  ['length', filter('obj, /', length)],
  ['list', filter('value', ([value]) => new PyList([...iterate(value ?? null)]))],
  ['max', filter('value, case_sensitive=, attribute=', extreme(1))],
  ['min', filter('value, case_sensitive=, attribute=', extreme(-1))],
  [
    'random',
    filter('seq', () => {
      throw new Fault(
        'ValueError',
        'the filter random would make another text of the same conversation each time',
      )
    }),
  ],
  ['reverse', filter('value', reverse)],
  ['round', filter('value, precision=, method=', round)],
  ['slice', filter('value, slices, fill_with=', columns)],
  ['sort', filter('value, reverse=, case_sensitive=, attribute=', sort)],
  ['sum', filter('iterable, attribute=, start=', sum)],
  ['unique', filter('value, case_sensitive=, attribute=', unique)],
  ['wordcount', filter('s', ([value]) => plain(softText(value)).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)],
]

function orDefault([value, otherwise, isBoolean]: Given): Value {
  const given = value ?? null
  const isMissing = given instanceof Undefined || (isTrue(isBoolean) && !truth(given))
  return isMissing ? orElse(otherwise, '') : given
}

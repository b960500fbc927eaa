import { Fault } from '../fault.ts'
import { spendSteps } from '../meter.ts'
import { characters, codePointLength, plain, Text, withoutMarkup } from './text.ts'
import {
  bare,
  dictKeys,
  isStr,
  PyBytes,
  PyComplex,
  PyDict,
  PyFloat,
  PyIterator,
  PyList,
  PyObjectValue,
  PyRange,
  PySet,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** Python's truth of a value. */
export function truth(given: Value): boolean {
  if (typeof given === 'boolean') return given
  const value = bare(given)
  if (typeof value === 'boolean') return value
  if (value === null) return false
  if (typeof value === 'string') return value !== ''
  if (value instanceof Text) return value.value !== ''
  if (typeof value === 'number') return value !== 0
  if (typeof value === 'bigint') return value !== 0n
  if (value instanceof PyFloat) return value.value !== 0
  if (value instanceof PyComplex) return value.real !== 0 || value.imag !== 0
  if (value instanceof Undefined) return false
  if (value instanceof PyIterator) return true
  return lengthOf(value) !== 0
}

/** Python's len(); `undefined` where the type has none. */
export function lengthOf(given: Value): number | undefined {
  const value = bare(given)
  if (isStr(value)) return codePointLength(plain(value))
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PyView)
    return value.items.length
  if (value instanceof PyDict) return value.entries.size
  if (value instanceof PySet) return value.items.size
  if (value instanceof PyBytes) return plain(value.text).length
  if (value instanceof PyRange) return value.length
  if (value instanceof Undefined) return 0
  return value instanceof PyObjectValue ? value.object.length?.() : undefined
}

/** A Python function's generator: made when its first item is asked for, as Python runs no body before. */
export function makeGenerator(maker: string, start: () => () => Value | undefined): PyIterator {
  const generator = new PyIterator(
    () => {
      const next = start()
      generator.isStarted = true
      generator.next = next
      return next()
    },
    'generator',
    maker,
  )
  return generator
}

/** An iterator over items that are all there. */
export function iteratorOver(items: readonly Value[]): () => Value | undefined {
  let index = 0
  return () => {
    const item = items[index]
    index += 1
    return item
  }
}

/** Python's next(iter(value)) as a function; throws Python's TypeError for what cannot be iterated. */
export function iterator(given: Value): () => Value | undefined {
  const value = bare(given)
  if (value instanceof PyIterator) {
    return () => {
      spendSteps(1)
      return value.next()
    }
  }
  if (value instanceof PyObjectValue && value.object.next) {
    const { object } = value
    return () => object.next?.()
  }
  return iteratorOver(iterate(value))
}

/** The items that Python's iter() would give, or `undefined` where it raises; an iterator is used up. */
export function tryIterate(given: Value): readonly Value[] | undefined {
  const value = bare(given)
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PyView) return value.items
  if (value instanceof PyDict) return dictKeys(value)
  if (value instanceof PySet) return [...value.items.values()]
  if (value instanceof PyIterator || (value instanceof PyObjectValue && value.object.next)) {
    const next = iterator(value)
    const rest: Value[] = []
    for (let item = next(); item !== undefined; item = next()) rest.push(item)
    return rest
  }
  if (isStr(value)) {
    spendSteps(plain(value).length)
    return characters(withoutMarkup(value))
  }
  if (value instanceof PyRange) {
    spendSteps(value.length)
    return Array.from({ length: value.length }, (_, index) => value.start + index * value.step)
  }
  if (value instanceof PyBytes) {
    spendSteps(plain(value.text).length)
    return Array.from(plain(value.text), (byte) => byte.charCodeAt(0))
  }
  return value instanceof Undefined ? [] : undefined
}

/** The items of an iterable; throws Python's TypeError for anything else. */
export function iterate(value: Value): readonly Value[] {
  const items = tryIterate(value)
  if (items === undefined) throw new Fault('TypeError', `'${typeName(value)}' object is not iterable`)
  return items
}

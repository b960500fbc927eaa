import { Fault } from '../fault.ts'
import { beforeChange } from '../fork-state.ts'
import { spendSteps } from '../meter.ts'
import { GrowingList } from './growing-list.ts'
import { characters, codePointLength, plain, Text } from './text.ts'
import {
  bare,
  dictKeys,
  isStr,
  PyDict,
  PyFloat,
  PyIterator,
  PySequence,
  SafeText,
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
  if (value instanceof GrowingList) return value.at(0) !== undefined
  return lengthOf(value) !== 0
}

/** Python's len(); `undefined` where the type has none. */
export function lengthOf(value: Value): number | undefined {
  if (isStr(value)) return codePointLength(plain(value))
  if (value instanceof PySequence) return value.items.length
  if (value instanceof PyDict) return value.entries.size
  if (value instanceof SafeText) return codePointLength(plain(value.text))
  return value instanceof Undefined ? 0 : undefined
}

/** What a Python generator function returns: `start` runs when the first item is asked for, as Python runs no body before. */
export function makeGenerator(start: () => () => Value | undefined): PyIterator {
  const generator: PyIterator = new PyIterator(() => {
    generator.next = start()
    return generator.next()
  })
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

function itemsOf(value: Value): () => Value | undefined {
  if (value instanceof GrowingList) return value.draw()
  if (!(value instanceof PyIterator)) return iteratorOver(iterate(value))
  return () => {
    beforeChange()
    return value.next()
  }
}

/** Python's next(iter(value)) as a function; throws Python's TypeError for what cannot be iterated. */
export function iterator(value: Value): () => Value | undefined {
  const next = itemsOf(value)
  return () => {
    spendSteps(1)
    return next()
  }
}

/** The items of an iterable; an iterator is used up. Throws Python's TypeError for anything else. */
export function iterate(value: Value): readonly Value[] {
  if (value instanceof PySequence) return value.items
  if (value instanceof PyDict) return dictKeys(value)
  if (value instanceof PyIterator) {
    const next = iterator(value)
    const rest: Value[] = []
    for (let item = next(); item !== undefined; item = next()) rest.push(item)
    return rest
  }
  const text = value instanceof SafeText ? value.text : value
  if (isStr(text)) {
    return characters(text)
  }
  if (value instanceof Undefined) return []
  throw new Fault('TypeError', `'${typeName(value)}' object is not iterable`)
}

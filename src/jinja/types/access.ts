import { Fault } from '../fault.ts'
import { formFault, refuseLeftOut } from '../left-out.ts'
import { spendReading, spendSteps } from '../meter.ts'
import { containerMethod } from './container-methods.ts'
import { GrowingList } from './growing-list.ts'
import { keyOf } from './keys.ts'
import { asInteger } from './numbers.ts'
import { indicesOf, pick, Slice, startOf } from './slice.ts'
import { callStringMethod, stringMethodNames } from './string-methods.ts'
import { characters, codePointLength, concatTexts, plain, sliceText, utf16Offset, type Str } from './text.ts'
import {
  bare,
  isStr,
  LoopContext,
  Namespace,
  PyDict,
  PyFunction,
  PySequence,
  requireDefined,
  SafeText,
  strOf,
  typeName,
  Undefined,
  type Bare,
  type Value,
} from './values.ts'

function missing(object: Value, name: Value): Undefined {
  const text = strOf(name)
  if (text !== undefined) return new Undefined(`'${typeName(object)} object' has no attribute '${text}'`)
  const shown = bare(name)
  return new Undefined(
    `${typeName(object)} object has no element ${typeof shown === 'number' ? shown : typeName(name)}`,
  )
}

function found(value: Value | undefined, object: Value, name: Value): Value {
  return value === undefined ? missing(object, name) : value
}

/** jinja2's `object.name`: an attribute of the Python object first, then its item. */
export function getAttribute(object: Value, name: string): Value {
  const value = bare(object)
  requireDefined(value)
  const own = pythonAttribute(value, name)
  return found(own === undefined && value instanceof PyDict ? value.entries.get(name) : own, value, name)
}

/** jinja2's `object[key]`: an item first, then, for a string, the attribute. */
export function getItem(object: Value, key: Value | Slice): Value {
  const value = bare(object)
  requireDefined(value)
  if (value instanceof SafeText) throw formFault('a method or an item of a `safe` text')
  // jinja2 compiles a slice to Python's own subscription, whose errors stay errors.
  if (key instanceof Slice) return sliceOf(value, key)
  const item = itemOf(value, bare(key))
  if (item !== undefined) return item
  const name = strOf(key)
  return found(name === undefined ? undefined : pythonAttribute(value, name), value, key)
}

function itemOf(value: Bare, key: Bare): Value | undefined {
  if (value instanceof PyDict) {
    // An unhashable key raises TypeError in Python, which jinja2 turns into undefined.
    const isUnhashable = key instanceof PyDict || (key instanceof PySequence && key.type !== 'tuple')
    return isUnhashable ? undefined : value.entries.get(keyOf(key))
  }
  const integer = asInteger(key)
  if (integer === undefined) return undefined
  const index = Number(integer)
  if (isStr(value)) return characterAt(value, index)
  if (value instanceof GrowingList && index >= 0) return value.at(index)
  return value instanceof PySequence && !value.isView ? value.items.at(index) : undefined
}

function characterAt(text: Str, index: number): Str | undefined {
  const value = plain(text)
  spendReading(value.length)
  const length = codePointLength(value)
  const position = index < 0 ? index + length : index
  if (position < 0 || position >= length) return undefined
  const start = utf16Offset(value, position)
  return sliceText(text, start, start + ((value.codePointAt(start) ?? 0) > 0xffff ? 2 : 1))
}

/** An attribute of the Python object itself; `undefined` when it has none. Names like `__class__` are unsafe, so that none is found. */
function pythonAttribute(value: Bare, name: string): Value | undefined {
  if (value instanceof Namespace) return value.attributes.get(name)
  if (isStr(value)) {
    if (stringMethodNames.has(name))
      return new PyFunction(name, (positional, named) => callStringMethod(value, name, positional, named))
    refuseLeftOut('str attribute', name)
    return undefined
  }
  if (value instanceof SafeText && stringMethodNames.has(name))
    throw formFault('a method or an item of a `safe` text')
  if (value instanceof PyDict || value instanceof PySequence) return containerMethod(value, name)
  const own = value instanceof LoopContext ? value.state.attribute(name) : undefined
  if (own === undefined) refuseLeftOut(`${typeName(value)} attribute`, name)
  return own
}

function sliceOf(value: Bare, bounds: Slice): Value {
  if (isStr(value)) return sliceString(value, bounds)
  if (value instanceof PyDict) throw new Fault('TypeError', "unhashable type: 'slice'")
  const start = value instanceof GrowingList ? startOf(bounds) : undefined
  if (value instanceof GrowingList && start !== undefined) {
    // At least what the slice of a beginning costs.
    spendSteps(value.watch.length / 8)
    return value.behind(start)
  }
  if (value instanceof PySequence && !value.isView) {
    spendSteps(value.items.length / 8)
    return new PySequence(value.type, pick(value.items, bounds), value.owner)
  }
  throw new Fault('TypeError', `'${typeName(value)}' object is not subscriptable`)
}

function sliceString(text: Str, bounds: Slice): Str {
  const value = plain(text)
  spendReading(value.length)
  const { start, stop, step } = indicesOf(bounds, codePointLength(value))
  if (step === 1) return sliceText(text, utf16Offset(value, start), utf16Offset(value, Math.max(start, stop)))
  return concatTexts(pick(characters(text), bounds))
}

import { Fault } from '../fault.ts'
import { keyOf } from './keys.ts'
import { asInteger } from './numbers.ts'
import { methodsOf } from './container-methods.ts'
import { likeSelf } from './markup.ts'
import { numberAttribute } from './number-methods.ts'
import { callStringMethod, describeStringMethod, hasStringMethod } from './string-methods.ts'
import { spendReading, spendSteps } from '../meter.ts'
import { characters, codePointLength, concatTexts, plain, sliceText, utf16Offset, type Str } from './text.ts'
import {
  bare,
  isStr,
  Namespace,
  PyBytes,
  PyDict,
  PyFunction,
  PyIterator,
  PyList,
  PyObjectValue,
  PyRange,
  PySet,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  undefinedFault,
  type Bare,
  type Value,
} from './values.ts'

/** A slice's bounds before they meet a sequence. */
export class Slice {
  readonly start: Value
  readonly stop: Value
  readonly step: Value
  constructor(start: Value, stop: Value, step: Value) {
    this.start = start
    this.stop = stop
    this.step = step
  }
}

function missing(object: Value, name: Value): Undefined {
  const stripped = bare(name)
  if (isStr(stripped))
    return new Undefined(`'${typeName(object)} object' has no attribute '${plain(stripped)}'`)
  return new Undefined(
    `${typeName(object)} object has no element ${typeof stripped === 'number' ? stripped : typeName(name)}`,
  )
}

function found(value: Value | undefined, object: Value, name: Value): Value {
  return value === undefined ? missing(object, name) : value
}

/** jinja2's `object.name`: an attribute of the Python object first, then its item. */
export function getAttribute(object: Value, name: string): Value {
  const value = bare(object)
  if (value instanceof PyDict) {
    const own = pythonAttribute(value, name)
    return found(own === undefined ? value.entries.get(name) : own, value, name)
  }
  if (value instanceof Undefined) return attributeOfUndefined(value, name)
  if (value instanceof PyObjectValue && value.object.item)
    return found(pythonAttribute(value, name) ?? value.object.item(name), value, name)
  return found(pythonAttribute(value, name), value, name)
}

/** jinja2's Undefined has Python's own attributes, which are unsafe, and raises for any other. */
function attributeOfUndefined(value: Undefined, name: string): Undefined {
  const own = unsafeName(value, name)
  if (own !== undefined) return own
  if (/^_undefined_(?:hint|obj|name|exception|message)$|^_fail_with_undefined_error$/.test(name))
    return new Undefined(`access to attribute '${name}' of 'Undefined' object is unsafe.`, true)
  throw undefinedFault(value)
}

/** jinja2's `object[key]`: an item first, then, for a string, the attribute. */
export function getItem(object: Value, key: Value | Slice): Value {
  const value = bare(object)
  if (value instanceof Undefined) throw undefinedFault(value)
  // jinja2 compiles a slice to Python's own subscription, whose errors stay errors.
  if (key instanceof Slice) return sliceOf(value, key)
  const stripped = bare(key)
  const item = itemOf(value, stripped)
  if (item !== undefined) return item
  if (isStr(stripped)) return found(pythonAttribute(value, plain(stripped)), value, stripped)
  return missing(value, stripped)
}

function itemOf(value: Bare, key: Bare): Value | undefined {
  if (value instanceof PyDict) {
    // An unhashable key raises TypeError in Python, which jinja2 turns into undefined.
    const isUnhashable =
      key instanceof PyList || key instanceof PyDict || key instanceof PySet || key instanceof PyView
    return isUnhashable ? undefined : value.entries.get(keyOf(key))
  }
  if (value instanceof PyObjectValue) return isStr(key) ? value.object.item?.(plain(key)) : undefined
  const integer = asInteger(key)
  if (integer === undefined) return undefined
  const index = Number(integer)
  if (value instanceof PyBytes) {
    const byte = plain(value.text).at(index)
    return byte?.charCodeAt(0)
  }
  if (value instanceof PyList || value instanceof PyTuple) return value.items.at(index)
  if (isStr(value)) return characterAt(value, index)
  if (value instanceof PyRange) {
    const position = index < 0 ? index + value.length : index
    return position >= 0 && position < value.length ? value.start + position * value.step : undefined
  }
  return undefined
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

function generatorAttribute({ maker, isStarted }: PyIterator, name: string): Value | undefined {
  if (maker === undefined) return undefined
  // Nothing runs while a template asks, and jinja2's generators yield from no other.
  if (name === 'gi_running') return false
  if (name === 'gi_suspended') return isStarted
  return name === 'gi_yieldfrom' ? null : undefined
}

/** Attributes that are no methods. */
function plainAttribute(value: Bare, name: string): Value | undefined {
  if (value instanceof PyTuple) {
    const field = value.fields?.indexOf(name) ?? -1
    return field === -1 ? undefined : value.items[field]
  }
  if (value instanceof PyView) return name === 'mapping' ? value.dict : undefined
  if (value instanceof PyIterator) return generatorAttribute(value, name)
  if (!(value instanceof PyRange)) return undefined
  return name === 'start' || name === 'stop' || name === 'step' ? value[name] : undefined
}

/** An attribute of the Python object itself; `undefined` when it has none. Names with an underscore are unsafe. */
export function pythonAttribute(value: Bare, name: string): Value | undefined {
  if (value instanceof Namespace) return value.attributes.get(name)
  if (value instanceof PyObjectValue) return value.object.attribute(name)
  if (value instanceof PyFunction) return value.attributes?.get(name)
  if (isStr(value)) {
    if (!hasStringMethod(value, name)) return unsafeName(value, name)
    return new PyFunction(
      name,
      (positional, named) => callStringMethod(value, name, positional, named) ?? null,
      undefined,
      describeStringMethod(value, name),
    )
  }
  // Not `??`: an attribute may be None, which is null.
  const own = plainAttribute(value, name)
  if (own !== undefined) return own
  return methodsOf(value, name) ?? numberAttribute(value, name) ?? unsafeName(value, name)
}

const dunders: ReadonlySet<string> = new Set(
  'class init dict doc module subclasshook len getitem iter eq ne lt le gt ge hash repr str new reduce reduce_ex contains getattribute setattr delattr dir format sizeof init_subclass add mul rmul mod rmod bool abs int float'
    .split(' ')
    .map((name) => `__${name}__`),
)

/** Names that begin with an underscore are unsafe where Python has them, and undefined where not. */
function unsafeName(value: Bare, name: string): Undefined | undefined {
  if (!dunders.has(name)) return undefined
  return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe.`, true)
}

/** Python's slice.indices: where a slice of a sequence of `length` starts, and how it steps. */
function indicesOf(
  { start, stop, step }: Slice,
  length: number,
): { start: number; stop: number; step: number } {
  const read = (bound: Value): number | undefined => {
    if (bare(bound) === null) return undefined
    const integer = asInteger(bound)
    if (integer === undefined) {
      throw new Fault('TypeError', 'slice indices must be integers or None or have an __index__ method')
    }
    return Number(integer)
  }
  const stride = read(step) ?? 1
  if (stride === 0) throw new Fault('ValueError', 'slice step cannot be zero')
  const low = stride > 0 ? 0 : -1
  const high = stride > 0 ? length : length - 1
  const clamp = (index: number | undefined, otherwise: number): number => {
    if (index === undefined) return otherwise
    return Math.min(high, Math.max(low, index < 0 ? index + length : index))
  }
  return stride > 0
    ? { start: clamp(read(start), 0), stop: clamp(read(stop), length), step: stride }
    : { start: clamp(read(start), length - 1), stop: clamp(read(stop), -1), step: stride }
}

function pick<T>(items: readonly T[], bounds: Slice): T[] {
  const { start, stop, step } = indicesOf(bounds, items.length)
  if (step === 1) return items.slice(start, Math.max(start, stop))
  const picked: T[] = []
  for (let index = start; step > 0 ? index < stop : index > stop; index += step) {
    const item = items[index]
    if (item !== undefined) picked.push(item)
  }
  return picked
}

/** A slice of a constant: jinja2 computes it beforehand, by a way that makes undefined of a TypeError. */
export function sliceConstant(value: Value, bounds: Slice): Value {
  try {
    return getItem(value, bounds)
  } catch (error) {
    if (error instanceof Fault && error.kind === 'TypeError') return missing(value, null)
    throw error
  }
}

function sliceOf(value: Bare, bounds: Slice): Value {
  if (value instanceof PyList) {
    spendSteps(value.items.length / 8)
    return new PyList(pick(value.items, bounds), value.owner)
  }
  if (value instanceof PyTuple) return new PyTuple(pick(value.items, bounds))
  if (isStr(value)) return sliceString(value, bounds)
  if (value instanceof PyDict) throw new Fault('TypeError', "unhashable type: 'slice'")
  if (value instanceof PyBytes) return new PyBytes(sliceString(value.text, bounds))
  if (value instanceof PyRange) {
    const { start, stop, step } = indicesOf(bounds, value.length)
    return new PyRange(value.start + start * value.step, value.start + stop * value.step, value.step * step)
  }
  throw new Fault('TypeError', `'${typeName(value)}' object is not subscriptable`)
}

function sliceString(text: Str, bounds: Slice): Str {
  const value = plain(text)
  spendReading(value.length)
  const { start, stop, step } = indicesOf(bounds, codePointLength(value))
  if (step === 1) return sliceText(text, utf16Offset(value, start), utf16Offset(value, Math.max(start, stop)))
  return likeSelf(text, concatTexts(pick(characters(text), bounds)))
}

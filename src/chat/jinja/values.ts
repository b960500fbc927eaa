import { Fault } from './fault.ts'
import { spendSteps } from './meter.ts'
import { characters, plain, Text, type Source, type Str } from './text.ts'

/*
 * Python's values in JavaScript. int: number (safe integers) or bigint; float: PyFloat, so that 1.0 stays a float;
 * str: string or Text; None: null; bool: boolean. What a message brings carries its source; numbers, booleans
 * and None do so inside a Scalar, which `bare` takes off.
 */

/** A Python float. */
export class PyFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** A number, boolean or None that a message brought. */
export class Scalar {
  readonly value: number | bigint | boolean | null | PyFloat
  readonly source: Source
  constructor(value: number | bigint | boolean | null | PyFloat, source: Source) {
    this.value = value
    this.source = source
  }
}

/** A Python list; with a source, a message's own list. */
export class PyList {
  readonly items: readonly Value[]
  readonly source: Source | undefined
  constructor(items: readonly Value[], source?: Source) {
    this.items = items
    this.source = source
  }
}

/** A Python tuple. */
export class PyTuple {
  readonly items: readonly Value[]
  constructor(items: readonly Value[]) {
    this.items = items
  }
}

/** What a dictionary finds its entries by: equal Python keys are the same JavaScript key. */
export type Key = string | number | bigint | null

/** A Python dict in insertion order. */
export class PyDict {
  readonly entries: ReadonlyMap<Key, Value>
  /** Keys that are not simply their Key: True, 1.5, (1, 2), or a text with an owner. */
  readonly keys: ReadonlyMap<Key, Value> | undefined
  readonly source: Source | undefined
  constructor(entries: ReadonlyMap<Key, Value>, keys?: ReadonlyMap<Key, Value>, source?: Source) {
    this.entries = entries
    this.keys = keys
    this.source = source
  }
}

/** A Python range. */
export class PyRange {
  readonly start: number
  readonly stop: number
  readonly step: number
  readonly length: number
  constructor(start: number, stop: number, step: number) {
    this.start = start
    this.stop = stop
    this.step = step
    this.length = Math.max(0, Math.ceil((stop - start) / step))
  }
}

/** What keys(), values() and items() return: has a length, cannot be indexed. */
export class PyView {
  readonly type: 'dict_keys' | 'dict_values' | 'dict_items'
  readonly items: readonly Value[]
  constructor(type: 'dict_keys' | 'dict_values' | 'dict_items', items: readonly Value[]) {
    this.type = type
    this.items = items
  }
}

/** What map, select and their like return: no length, can be read once, always true. */
export class PyIterator {
  items: readonly Value[]
  position = 0
  readonly type: string
  constructor(items: readonly Value[], type = 'generator') {
    this.items = items
    this.type = type
  }
}

/** jinja2's Undefined: empty when printed or iterated; nearly everything else raises its message. */
export class Undefined {
  readonly message: string
  readonly security: boolean
  constructor(message: string, security = false) {
    this.message = message
    this.security = security
  }
}

/** `namespace(…)`: the only value that a template can change. */
export class Namespace {
  readonly attributes = new Map<string, Value>()
}

/** Named arguments of a call. */
export type Named = ReadonlyMap<string, Value>

/** Something callable: a global, a bound method, a macro. */
export class PyFunction {
  readonly name: string
  readonly call: (positional: readonly Value[], named: Named) => Value
  /** What `macro.name` and its like show. */
  readonly attributes: ReadonlyMap<string, Value> | undefined
  constructor(
    name: string,
    call: (positional: readonly Value[], named: Named) => Value,
    attributes?: ReadonlyMap<string, Value>,
  ) {
    this.name = name
    this.call = call
    this.attributes = attributes
  }
}

/** An object with computed attributes: `loop`, a cycler, a joiner. */
export interface PyObject {
  readonly type: string
  attribute(name: string): Value | undefined
  /** How it prints. */
  repr?(): string
  readonly call?: (positional: readonly Value[], named: Named) => Value
}

/** Values without the wrapper that carries a scalar's source. */
export type Bare =
  | Str
  | number
  | bigint
  | boolean
  | null
  | PyFloat
  | PyList
  | PyTuple
  | PyDict
  | PyRange
  | PyView
  | PyIterator
  | Undefined
  | Namespace
  | PyFunction
  | PyObjectValue

/** Wraps a PyObject, so that `instanceof` can tell it. */
export class PyObjectValue {
  readonly object: PyObject
  constructor(object: PyObject) {
    this.object = object
  }
}

export type Value = Bare | Scalar

/** No named arguments. */
export const noNamed: Named = new Map()

/** The value itself, without its source when it is a scalar. */
export function bare(value: Value): Bare {
  return value instanceof Scalar ? value.value : value
}

/** `value`, or `otherwise` where there is none; `??` would take Python's None, which is null, for nothing. */
export function orElse(value: Value | undefined, otherwise: Value): Value {
  return value === undefined ? otherwise : value
}

/** Whether a value is a Python str. */
export function isStr(value: Value): value is Str {
  return typeof value === 'string' || value instanceof Text
}

/** The name of a value's Python type. */
export function typeName(given: Value): string {
  const value = bare(given)
  if (isStr(value)) return typeof value !== 'string' && value.markup ? 'Markup' : 'str'
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' || typeof value === 'bigint') return 'int'
  if (value instanceof PyFloat) return 'float'
  if (value instanceof PyList) return 'list'
  if (value instanceof PyTuple) return 'tuple'
  if (value instanceof PyDict) return 'dict'
  if (value instanceof PyRange) return 'range'
  if (value instanceof PyView || value instanceof PyIterator) return value.type
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return 'Namespace'
  return value instanceof PyFunction ? 'function' : value.object.type
}

/** Throws what Python throws when an undefined value is used. */
export function undefinedFault(value: Undefined): Fault {
  return new Fault(value.security ? 'SecurityError' : 'UndefinedError', value.message)
}

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
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PyView)
    return value.items.length > 0
  if (value instanceof PyDict) return value.entries.size > 0
  if (value instanceof PyRange) return value.length > 0
  return !(value instanceof Undefined)
}

/** Python's len(); `undefined` where the type has none. */
export function lengthOf(given: Value): number | undefined {
  const value = bare(given)
  if (isStr(value)) return characterCount(plain(value))
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PyView)
    return value.items.length
  if (value instanceof PyDict) return value.entries.size
  if (value instanceof PyRange) return value.length
  if (value instanceof Undefined) return 0
  if (value instanceof PyObjectValue) {
    const length = value.object.type === 'LoopContext' ? value.object.attribute('length') : undefined
    return typeof length === 'number' ? length : undefined
  }
  return undefined
}

function characterCount(value: string): number {
  let count = value.length
  for (let index = 0; index < value.length - 1; index += 1) {
    const isPair =
      (value.charCodeAt(index) & 0xfc00) === 0xd800 && (value.charCodeAt(index + 1) & 0xfc00) === 0xdc00
    if (isPair) count -= 1
  }
  return count
}

/** The items that Python's iter() would give, or `undefined` where it raises; an iterator is used up. */
export function tryIterate(given: Value): readonly Value[] | undefined {
  const value = bare(given)
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PyView) return value.items
  if (value instanceof PyDict) return dictKeys(value)
  if (value instanceof PyIterator) {
    const rest = value.items.slice(value.position)
    value.position = value.items.length
    return rest
  }
  if (isStr(value)) {
    spendSteps(plain(value).length)
    return characters(value)
  }
  if (value instanceof PyRange) {
    spendSteps(value.length)
    return Array.from({ length: value.length }, (_, index) => value.start + index * value.step)
  }
  return value instanceof Undefined ? (value.security ? undefined : []) : undefined
}

/** The items of an iterable; throws Python's TypeError for anything else. */
export function iterate(value: Value): readonly Value[] {
  const items = tryIterate(value)
  if (items === undefined) throw new Fault('TypeError', `'${typeName(value)}' object is not iterable`)
  return items
}

/** The source of an entry of a message's container. */
export function childSource(source: Source | undefined, key: string | number): Source | undefined {
  if (source === undefined) return undefined
  const field = source.field === undefined || source.field === '' ? String(key) : `${source.field}.${key}`
  return source.message === undefined ? { field } : { message: source.message, field }
}

/** The keys of a dictionary, as values. */
export function dictKeys(dict: PyDict): Value[] {
  const keys: Value[] = []
  for (const key of dict.entries.keys()) keys.push(keyValue(dict, key))
  return keys
}

/** The value that a key of the dictionary stands for. */
export function keyValue(dict: PyDict, key: Key): Value {
  const own = dict.keys?.get(key)
  if (own !== undefined) return own
  if (dict.source === undefined || typeof key !== 'string') return key
  return new Text(key, childSource(dict.source, key))
}

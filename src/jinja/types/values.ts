import { Fault } from '../fault.ts'
import { Text, type Owner, type Str } from './text.ts'

/*
 * Python's values in JavaScript. int: number (safe integers) or bigint; float: PyFloat, so that 1.0 stays a float;
 * str: string or Text; None: null; bool: boolean. What is owned says so; numbers, booleans and None do so inside a
 * Scalar, which `bare` takes off.
 */

/** Where an object says that it lies in memory, when it is printed; Python's answer is another each time. */
export const PLACE = '0x7f0000000000'

/** A Python float. */
export class PyFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** A number, boolean or None with an owner. */
export class Scalar {
  readonly value: number | bigint | boolean | null | PyFloat
  readonly owner: Owner
  constructor(value: number | bigint | boolean | null | PyFloat, owner: Owner) {
    this.value = value
    this.owner = owner
  }
}

/** A Python list; with an owner, one that was given to the template. */
export class PyList {
  readonly items: readonly Value[]
  readonly owner: Owner | undefined
  constructor(items: readonly Value[], owner?: Owner) {
    this.items = items
    this.owner = owner
  }
}

/** A Python tuple. */
export class PyTuple {
  readonly items: readonly Value[]
  /** The names of a named tuple's items. */
  readonly fields: readonly string[] | undefined
  constructor(items: readonly Value[], fields?: readonly string[]) {
    this.items = items
    this.fields = fields
  }
}

/** What a dictionary finds its entries by: equal Python keys are the same JavaScript key. */
export type Key = string | number | bigint | null

/** A Python dict in insertion order. */
export class PyDict {
  readonly entries: ReadonlyMap<Key, Value>
  /** Keys that are not simply their Key: True, 1.5, (1, 2), or a text with an owner. */
  readonly keys: ReadonlyMap<Key, Value> | undefined
  readonly owner: Owner | undefined
  constructor(entries: ReadonlyMap<Key, Value>, keys?: ReadonlyMap<Key, Value>, owner?: Owner) {
    this.entries = entries
    this.keys = keys
    this.owner = owner
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
  readonly dict: PyDict
  constructor(type: 'dict_keys' | 'dict_values' | 'dict_items', items: readonly Value[], dict: PyDict) {
    this.type = type
    this.items = items
    this.dict = dict
  }
}

/** What map, select and their like return: makes its items when asked, once; no length, always true. */
export class PyIterator {
  /** The next item, or `undefined` at the end. */
  next: () => Value | undefined
  isStarted = false
  readonly type: string
  /** The Python function whose generator it is. */
  readonly maker: string | undefined
  constructor(next: () => Value | undefined, type = 'generator', maker?: string) {
    this.next = next
    this.type = type
    this.maker = maker
  }
}

/** Python's bytes: a text whose characters are the bytes (U+0000 to U+00FF), so that they keep their sources. */
export class PyBytes {
  readonly text: Str
  constructor(text: Str) {
    this.text = text
  }
}

/** A Python set, which a template gets by subtracting from the keys of a dictionary; in order of insertion. */
export class PySet {
  items: ReadonlyMap<Key, Value>
  constructor(items: ReadonlyMap<Key, Value>) {
    this.items = items
  }
}

/** A Python complex number, what a negative number to a fractional power is. */
export class PyComplex {
  readonly real: number
  readonly imag: number
  constructor(real: number, imag: number) {
    this.real = real
    this.imag = imag
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
  readonly attributes = new Map<Key, Value>()
  /** Keys that are no strings, as they were given. */
  readonly keys = new Map<Key, Value>()
}

/** Named arguments of a call. */
export type Named = ReadonlyMap<string, Value>

/** Something callable: a global, a bound method, a macro. */
export class PyFunction {
  readonly name: string
  readonly call: (positional: readonly Value[], named: Named) => Value
  /** What `macro.name` and its like show. */
  readonly attributes: ReadonlyMap<string, Value> | undefined
  /** How it prints. */
  readonly repr: string
  constructor(
    name: string,
    call: (positional: readonly Value[], named: Named) => Value,
    attributes?: ReadonlyMap<string, Value>,
    repr = `<function ${name} at ${PLACE}>`,
  ) {
    this.name = name
    this.call = call
    this.attributes = attributes
    this.repr = repr
  }
}

/** An object with computed attributes: `loop`, `self`, a cycler, a joiner. */
export interface PyObject {
  readonly type: string
  attribute(name: string): Value | undefined
  /** What `object[name]` finds, where it finds anything. */
  item?(name: string): Value | undefined
  /** How it prints. */
  repr?(): string
  readonly call?: (positional: readonly Value[], named: Named) => Value
  /** The next item of an object that is an iterator. */
  next?(): Value | undefined
  readonly length?: () => number
}

/** Values without the wrapper that carries a scalar's owner. */
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
  | PyBytes
  | PySet
  | PyComplex
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

/** The value itself, without its owner when it is a scalar. */
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
  if (value instanceof PyBytes) return 'bytes'
  if (value instanceof PySet) return 'set'
  if (value instanceof PyComplex) return 'complex'
  if (value instanceof PyView || value instanceof PyIterator) return value.type
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return 'Namespace'
  return value instanceof PyFunction ? 'function' : value.object.type
}

/** Throws what Python throws when an undefined value is used. */
export function undefinedFault(value: Undefined): Fault {
  return new Fault(value.security ? 'SecurityError' : 'UndefinedError', value.message)
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
  if (dict.owner === undefined || typeof key !== 'string') return key
  return new Text(key, dict.owner.part(key))
}

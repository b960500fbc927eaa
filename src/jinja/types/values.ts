import { Fault } from '../fault.ts'
import { spendSteps } from '../meter.ts'
import { plain, Text, type Owner, type Str } from './text.ts'

/*
 * Python's values in JavaScript. int: number (safe integers) or bigint; float: PyFloat, so that 1.0 stays a float;
 * str: string or Text; None: null; bool: boolean. What is owned says so; numbers, booleans and None do so inside a
 * Scalar, which `bare` takes off.
 */

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

/** What the filter `safe` makes of a text, Python's Markup: what is added to it would be escaped there. */
export class SafeText {
  readonly text: Str
  constructor(text: Str) {
    this.text = text
  }
}

/** The Python types of sequences: a dictionary's keys(), values() and items() have a length and no places. */
export type SequenceType = 'list' | 'tuple' | 'range' | 'dict_keys' | 'dict_values' | 'dict_items'

/** A Python sequence; with an owner, a list that was given to the template. */
export class PySequence {
  readonly type: SequenceType
  readonly items: readonly Value[]
  readonly owner: Owner | undefined
  constructor(type: SequenceType, items: readonly Value[], owner?: Owner) {
    this.type = type
    this.items = items
    this.owner = owner
  }

  /** Whether it is a view of a dictionary. */
  get isView(): boolean {
    return this.type.startsWith('dict_')
  }
}

/** A Python list. */
export function listOf(items: readonly Value[], owner?: Owner): PySequence {
  return new PySequence('list', items, owner)
}

/** A Python tuple. */
export function tupleOf(items: readonly Value[]): PySequence {
  return new PySequence('tuple', items)
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

/** What map, select and their like return: makes its items when asked, once; no length, always true. */
export class PyIterator {
  /** The next item, or `undefined` at the end. */
  next: () => Value | undefined
  constructor(next: () => Value | undefined) {
    this.next = next
  }
}

/** jinja2's Undefined: empty when printed or iterated; nearly everything else raises its message. */
export class Undefined {
  readonly message: string
  constructor(message: string) {
    this.message = message
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
  constructor(name: string, call: (positional: readonly Value[], named: Named) => Value) {
    this.name = name
    this.call = call
  }
}

/** The special variable `loop`, whose attributes are computed; `undefined` where it has none of a name. */
export class LoopContext {
  readonly state: { attribute(name: string): Value | undefined }
  constructor(state: { attribute(name: string): Value | undefined }) {
    this.state = state
  }
}

/** Values without the wrapper that carries a scalar's owner. */
export type Bare =
  | Str
  | SafeText
  | number
  | bigint
  | boolean
  | null
  | PyFloat
  | PySequence
  | PyDict
  | PyIterator
  | Undefined
  | Namespace
  | PyFunction
  | LoopContext

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

/** The characters of a value that is a str; `undefined` for any other. */
export function strOf(value: Value | undefined): string | undefined {
  return value !== undefined && isStr(value) ? plain(value) : undefined
}

/** The name of a value's Python type. */
export function typeName(given: Value): string {
  const value = bare(given)
  if (isStr(value)) return 'str'
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' || typeof value === 'bigint') return 'int'
  if (value instanceof PySequence) return value.type
  if (value instanceof PyFloat) return 'float'
  if (value instanceof PyDict) return 'dict'
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return 'Namespace'
  if (value instanceof SafeText) return 'Markup'
  if (value instanceof PyIterator) return 'generator'
  return value instanceof PyFunction ? 'function' : 'LoopContext'
}

/** What Python throws where a value is of a wrong type: an undefined one raises its own message. */
export function typeFault(value: Value, message: string): Fault {
  return value instanceof Undefined
    ? new Fault('UndefinedError', value.message)
    : new Fault('TypeError', message)
}

/** Throws where a value is undefined. */
export function requireDefined(value: Value): void {
  if (value instanceof Undefined) throw typeFault(value, '')
}

/** Whether a value is a list or a tuple, the sequences that add up and have an order. */
export function isListOrTuple(value: Value): value is PySequence {
  return value instanceof PySequence && (value.type === 'list' || value.type === 'tuple')
}

/** The keys of a dictionary, as values. */
export function dictKeys(dict: PyDict): Value[] {
  spendSteps(dict.entries.size)
  return [...dict.entries.keys()].map((key) => keyValue(dict, key))
}

/** The pairs of a dictionary, as items() shows them. */
export function dictItems(dict: PyDict): PySequence[] {
  spendSteps(dict.entries.size)
  return [...dict.entries].map(([key, value]) => tupleOf([keyValue(dict, key), value]))
}

/** The value that a key of the dictionary stands for. */
export function keyValue(dict: PyDict, key: Key): Value {
  const own = dict.keys?.get(key)
  if (own !== undefined) return own
  if (dict.owner === undefined || typeof key !== 'string') return key
  return new Text(key, dict.owner.part(key))
}

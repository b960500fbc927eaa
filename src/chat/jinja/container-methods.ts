import { Fault } from './fault.ts'
import { isEqual } from './compare.ts'
import { keyOf, makeDict } from './keys.ts'
import { indexArgument } from './numbers.ts'
import { bindArguments, signature, type Signature } from './parameters.ts'
import {
  dictKeys,
  iterate,
  orElse,
  PyDict,
  PyFunction,
  PyList,
  PyRange,
  PyTuple,
  PyView,
  Undefined,
  type Bare,
  type Value,
} from './values.ts'

interface Method<T> {
  readonly signature: Signature
  call(self: T, given: (Value | undefined)[]): Value
}

function method<T>(parameters: string, call: Method<T>['call']): Method<T> {
  return { signature: signature(parameters), call }
}

/** The pairs of a dictionary, as items() shows them. */
export function dictItems(dict: PyDict): PyTuple[] {
  const keys = dictKeys(dict)
  return [...dict.entries.values()].map((value, index) => new PyTuple([keys[index] ?? null, value]))
}

const dictMethods: ReadonlyMap<string, Method<PyDict>> = new Map([
  [
    'get',
    method<PyDict>('key, default=, /', (self, [key, otherwise]) =>
      orElse(self.entries.get(keyOf(key ?? null)), otherwise ?? null),
    ),
  ],
  ['items', method<PyDict>('', (self) => new PyView('dict_items', dictItems(self)))],
  ['keys', method<PyDict>('', (self) => new PyView('dict_keys', dictKeys(self)))],
  ['values', method<PyDict>('', (self) => new PyView('dict_values', [...self.entries.values()]))],
  ['copy', method<PyDict>('', (self) => self)],
  [
    'fromkeys',
    method<PyDict>('iterable, value=, /', (_, [keys, value]) =>
      makeDict(iterate(keys ?? null).map((key): [Value, Value] => [key, value ?? null])),
    ),
  ],
])

type Sequence = PyList | PyTuple | PyRange

function itemsOf(self: Sequence): readonly Value[] {
  return iterate(self)
}

const sequenceMethods: ReadonlyMap<string, Method<Sequence>> = new Map([
  [
    'count',
    method<Sequence>(
      'value, /',
      (self, [value]) => itemsOf(self).filter((item) => isEqual(item, value ?? null)).length,
    ),
  ],
  [
    'index',
    method<Sequence>('value, start=, stop=, /', (self, [value, start, stop]) => {
      const items = itemsOf(self)
      const clamp = (given: Value | undefined, otherwise: number): number => {
        const index = given === undefined ? otherwise : indexArgument(given)
        return index < 0 ? Math.max(0, index + items.length) : index
      }
      const from = clamp(start, 0)
      const to = clamp(stop, items.length)
      const index = items.findIndex(
        (item, position) => position >= from && position < to && isEqual(item, value ?? null),
      )
      if (index === -1) throw new Fault('ValueError', 'the value is not in the sequence')
      return index
    }),
  ],
  ['copy', method<Sequence>('', (self) => self)],
])

const dictMutators: ReadonlySet<string> = new Set(['clear', 'pop', 'popitem', 'setdefault', 'update'])
const listMutators: ReadonlySet<string> = new Set([
  'append',
  'clear',
  'pop',
  'reverse',
  'insert',
  'sort',
  'extend',
  'remove',
])

function bind<T>(self: T, name: string, found: Method<T>): PyFunction {
  return new PyFunction(name, (positional, named) =>
    found.call(self, bindArguments(name, found.signature, positional, named)),
  )
}

function unsafe(type: string, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`, true)
}

/** A method of a list, tuple, dict or range. What changes the object is unsafe, as in jinja2's immutable sandbox. */
export function methodsOf(value: Bare, name: string): PyFunction | Undefined | undefined {
  if (value instanceof PyDict) {
    if (dictMutators.has(name)) return unsafe('dict', name)
    const found = dictMethods.get(name)
    return found && bind(value, name, found)
  }
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PyRange) {
    if (value instanceof PyList && listMutators.has(name)) return unsafe('list', name)
    const found = name === 'copy' && !(value instanceof PyList) ? undefined : sequenceMethods.get(name)
    return found && bind<Sequence>(value, name, found)
  }
  return undefined
}

/** Every name that could be a method of a container rather than a key. */
export const methodNames: ReadonlySet<string> = new Set([
  ...dictMethods.keys(),
  ...sequenceMethods.keys(),
  ...dictMutators,
  ...listMutators,
])

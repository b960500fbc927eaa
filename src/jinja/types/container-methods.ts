import { bytesMethods } from './bytes-methods.ts'
import { Fault } from '../fault.ts'
import { contains, isEqual, isSubset } from './compare.ts'
import { iterate, lengthOf } from './iteration.ts'
import { spendSteps } from '../meter.ts'
import { keyOf, makeDict, makeSet } from './keys.ts'
import { bindMethod, method, type Method } from './method.ts'
import { asInteger, indexArgument } from './numbers.ts'
import { numberMethods } from './number-methods.ts'
import {
  bare,
  dictKeys,
  orElse,
  PyBytes,
  PyComplex,
  PyDict,
  PyFloat,
  PyFunction,
  PyIterator,
  PyList,
  PyRange,
  PySet,
  PyTuple,
  PyView,
  Undefined,
  type Bare,
  type Value,
} from './values.ts'

/** The pairs of a dictionary, as items() shows them. */
export function dictItems(dict: PyDict): PyTuple[] {
  const keys = dictKeys(dict)
  return [...dict.entries.values()].map((value, index) => new PyTuple([keys[index] ?? null, value]))
}

/** dict.fromkeys. */
export function fromKeys([keys, value]: readonly (Value | undefined)[]): PyDict {
  return makeDict(iterate(keys ?? null).map((key): [Value, Value] => [key, value ?? null]))
}

const dictMethods: ReadonlyMap<string, Method<PyDict>> = new Map([
  [
    'get',
    method<PyDict>('key, default=, /', (self, [key, otherwise]) =>
      orElse(self.entries.get(keyOf(key ?? null)), otherwise ?? null),
    ),
  ],
  ['items', method<PyDict>('', (self) => new PyView('dict_items', dictItems(self), self))],
  ['keys', method<PyDict>('', (self) => new PyView('dict_keys', dictKeys(self), self))],
  ['values', method<PyDict>('', (self) => new PyView('dict_values', [...self.entries.values()], self))],
  ['copy', method<PyDict>('', (self) => self)],
  ['fromkeys', method<PyDict>('iterable, value=, /', (_, given) => fromKeys(given))],
])

type Sequence = PyList | PyTuple | PyRange

const sequenceMethods: ReadonlyMap<string, Method<Sequence>> = new Map([
  [
    'count',
    method<Sequence>('value, /', (self, [value]) => {
      spendSteps(lengthOf(self) ?? 0)
      return iterate(self).filter((item) => isEqual(item, value ?? null)).length
    }),
  ],
  [
    'index',
    method<Sequence>('value, start=, stop=, /', (self, [value, start, stop]) => {
      const items = iterate(self)
      spendSteps(items.length)
      if (self instanceof PyRange && start !== undefined)
        throw new Fault('TypeError', 'range.index() takes exactly one argument')
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
])

const listMethods: ReadonlyMap<string, Method<PyList>> = new Map([
  ['copy', method<PyList>('', (self) => new PyList(self.items, self.owner))],
])

/** The items of a set without, or with only, those of others. */
function filterSet(self: PySet, others: readonly Value[], keeps: (found: number) => boolean): PySet {
  const sets = others.map((other) => makeSet(iterate(other)))
  return new PySet(
    new Map([...self.items].filter(([key]) => keeps(sets.filter(({ items }) => items.has(key)).length))),
  )
}

const setMethods: ReadonlyMap<string, Method<PySet>> = new Map([
  ['copy', method<PySet>('', (self) => new PySet(self.items))],
  ['difference', positional<PySet>((self, others) => filterSet(self, others, (found) => found === 0))],
  [
    'intersection',
    positional<PySet>((self, others) => filterSet(self, others, (found) => found === others.length)),
  ],
  [
    // jinja2's sandbox forgets to forbid this one.
    'intersection_update',
    positional<PySet>((self, others) => {
      self.items = filterSet(self, others, (found) => found === others.length).items
      return null
    }),
  ],
  [
    'isdisjoint',
    method<PySet>(
      'other, /',
      (self, [other]) => filterSet(self, [other ?? null], (found) => found > 0).items.size === 0,
    ),
  ],
  ['issubset', method<PySet>('other, /', (self, [other]) => isSubset(self, makeSet(iterate(other ?? null))))],
  [
    'issuperset',
    method<PySet>('other, /', (self, [other]) => isSubset(makeSet(iterate(other ?? null)), self)),
  ],
  [
    'symmetric_difference',
    method<PySet>('other, /', (self, [other]) => {
      const right = makeSet(iterate(other ?? null))
      const own = [...self.items].filter(([key]) => !right.items.has(key))
      return new PySet(new Map([...own, ...[...right.items].filter(([key]) => !self.items.has(key))]))
    }),
  ],
  ['union', positional<PySet>((self, others) => makeSet([self, ...others].flatMap((set) => iterate(set))))],
])

/** A method of any number of arguments by position. */
function positional<T>(call: (self: T, given: readonly Value[]) => Value): Method<T> {
  return method<T>('*args', (self, given, named) => {
    if (named.size > 0) throw new Fault('TypeError', 'the method takes no keyword arguments')
    return call(
      self,
      given.map((value) => value ?? null),
    )
  })
}

const viewMethods: ReadonlyMap<string, Method<PyView>> = new Map([
  ['isdisjoint', method<PyView>('other, /', (self, [other]) => isDisjoint(self, bare(other ?? null)))],
])

/** Goes through the shorter of two sets, or through whatever else there is. */
function isDisjoint(self: PyView, other: Bare): boolean {
  const isSet = other instanceof PySet || (other instanceof PyView && other.type !== 'dict_values')
  const isLonger =
    isSet && (other instanceof PySet ? other.items.size : other.items.length) > self.items.length
  const [shorter, longer] = isLonger ? [self, other] : [other, self]
  return !iterate(shorter).some((item) => contains(longer, item))
}

const generatorMethods: ReadonlyMap<string, Method<PyIterator>> = new Map([
  [
    'close',
    method<PyIterator>('', (self) => {
      self.next = () => undefined
      return null
    }),
  ],
  [
    'send',
    method<PyIterator>('value, /', (self, [value]) => {
      if (value !== null && !self.isStarted)
        throw new Fault('TypeError', "can't send non-None value to a just-started generator")
      return orElse(
        self.next(),
        new Undefined('value was undefined because a callable raised a StopIteration exception'),
      )
    }),
  ],
  [
    'throw',
    method<PyIterator>('type, value=, traceback=, /', () => {
      throw new Fault('TypeError', 'exceptions must be classes or instances deriving from BaseException')
    }),
  ],
])

const mutators: Readonly<Record<'dict' | 'list' | 'set', ReadonlySet<string>>> = {
  dict: new Set(['clear', 'pop', 'popitem', 'setdefault', 'update']),
  list: new Set(['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove']),
  set: new Set([
    'add',
    'clear',
    'difference_update',
    'discard',
    'pop',
    'remove',
    'symmetric_difference_update',
    'update',
  ]),
}

function find<T>(
  self: T,
  type: string,
  name: string,
  methods: ReadonlyMap<string, Method<T>>,
): PyFunction | undefined {
  const found = methods.get(name)
  return found && bindMethod(self, type, name, found)
}

function changing(type: 'dict' | 'list' | 'set', name: string): Undefined | undefined {
  if (!mutators[type].has(name)) return undefined
  return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`, true)
}

/** A method of any type but str. What changes the object is unsafe, as in jinja2's immutable sandbox. */
export function methodsOf(value: Bare, name: string): PyFunction | Undefined | undefined {
  if (value instanceof PyDict) return changing('dict', name) ?? find(value, 'dict', name, dictMethods)
  if (value instanceof PyList)
    return (
      changing('list', name) ??
      find(value, 'list', name, listMethods) ??
      find<Sequence>(value, 'list', name, sequenceMethods)
    )
  if (value instanceof PyTuple) return find<Sequence>(value, 'tuple', name, sequenceMethods)
  if (value instanceof PyRange) return find<Sequence>(value, 'range', name, sequenceMethods)
  if (value instanceof PyBytes) return find(value, 'bytes', name, bytesMethods)
  if (value instanceof PySet) return changing('set', name) ?? find(value, 'set', name, setMethods)
  if (value instanceof PyView)
    return value.type === 'dict_values' ? undefined : find(value, value.type, name, viewMethods)
  if (value instanceof PyIterator)
    return value.maker === undefined ? undefined : find(value, value.type, name, generatorMethods)
  if (value instanceof PyFloat) return find(value, 'float', name, numberMethods.float)
  if (value instanceof PyComplex) return find(value, 'complex', name, numberMethods.complex)
  const integer = asInteger(value)
  return integer === undefined ? undefined : find(integer, 'int', name, numberMethods.int)
}

/** Every name that could be a method of a dictionary rather than a key. */
export const methodNames: ReadonlySet<string> = new Set([...dictMethods.keys(), ...mutators.dict])

import { Fault } from '../fault.ts'
import { isEqual } from '../types/compare.ts'
import { spendSteps } from '../meter.ts'
import { bindArguments, signature } from '../types/parameters.ts'
import { iterator, lengthOf } from '../types/iteration.ts'
import {
  noNamed,
  orElse,
  PyFunction,
  PyObjectValue,
  PyTuple,
  Undefined,
  type Named,
  type PyObject,
  type Value,
} from '../types/values.ts'

/** The items of a loop, drawn one by one, so that a loop's own filter sees what its body changed. */
export interface LoopItems {
  next(): Value | undefined
  /** The number of items when it is known without drawing them. */
  readonly length: number | undefined
}

/** Draws the items of a value, with the loop's `if`. */
export function loopItems(iterable: Value, test: ((item: Value) => boolean) | undefined): LoopItems {
  const draw = iterator(iterable)
  return {
    length: test === undefined ? lengthOf(iterable) : undefined,
    next() {
      for (;;) {
        spendSteps(1)
        const item = draw()
        if (item === undefined || test === undefined || test(item)) return item
      }
    },
  }
}

const loopShape = signature('iterable')

/** The special variable `loop`. */
export class LoopState implements PyObject {
  readonly type = 'LoopContext'
  index0 = -1
  /** The object that the template sees. */
  readonly value = new PyObjectValue(this)
  private current: Value | undefined
  private before: Value | undefined
  private queue: Value[] = []
  private readonly items: LoopItems
  private readonly depth0: number
  private readonly recurse: ((iterable: Value) => Value) | undefined
  private known: number | undefined
  private lastChanged: PyTuple | undefined

  constructor(items: LoopItems, depth0: number, recurse: ((iterable: Value) => Value) | undefined) {
    this.items = items
    this.depth0 = depth0
    this.recurse = recurse
    this.known = items.length
  }

  repr(): string {
    return `<LoopContext ${this.index0 + 1}/${this.count()}>`
  }

  /** Iterating over `loop` itself draws the loop's own items. */
  next(): Value | undefined {
    const item = this.advance()
    return item === undefined ? undefined : new PyTuple([item, this.value])
  }

  readonly length = (): number => this.count()

  /** The next item, or `undefined` at the end. */
  advance(): Value | undefined {
    const item = this.queue.length > 0 ? this.queue.shift() : this.items.next()
    if (item === undefined) return undefined
    this.index0 += 1
    this.before = this.current
    this.current = item
    return item
  }

  private peek(): Value | undefined {
    if (this.queue.length === 0) {
      const item = this.items.next()
      if (item !== undefined) this.queue.push(item)
    }
    return this.queue[0]
  }

  private count(): number {
    if (this.known === undefined) {
      for (let item = this.items.next(); item !== undefined; item = this.items.next()) this.queue.push(item)
      this.known = this.queue.length + this.index0 + 1
    }
    return this.known
  }

  attribute(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return this.index0 + 1
      case 'index0':
        return this.index0
      case 'first':
        return this.index0 === 0
      case 'last':
        return this.peek() === undefined
      case 'length':
        return this.count()
      case 'revindex':
        return this.count() - this.index0
      case 'revindex0':
        return this.count() - this.index0 - 1
      case 'depth':
        return this.depth0 + 1
      case 'depth0':
        return this.depth0
      case 'previtem':
        return this.index0 === 0 ? new Undefined('there is no previous item') : this.before
      case 'nextitem':
        return orElse(this.peek(), new Undefined('there is no next item'))
      case 'cycle':
        return this.method('cycle', (positional) => this.cycle(positional))
      case 'changed':
        return this.method('changed', (positional) => this.changed(positional))
    }
    return undefined
  }

  /** `loop(children)` in a recursive loop. */
  readonly call = (positional: readonly Value[], named: Named = noNamed): Value => {
    if (this.recurse === undefined) {
      throw new Fault('TypeError', "The loop must have the 'recursive' marker to be called recursively.")
    }
    const [iterable = null] = bindArguments('loop', loopShape, positional, named)
    return this.recurse(iterable)
  }

  private method(name: string, call: (positional: readonly Value[]) => Value): PyFunction {
    const run = (positional: readonly Value[], named: Named): Value => {
      if (named.size > 0) throw new Fault('TypeError', `LoopContext.${name}() takes no keyword arguments`)
      return call(positional)
    }
    return new PyFunction(name, run, undefined, `<bound method LoopContext.${name} of ${this.repr()}>`)
  }

  private cycle(positional: readonly Value[]): Value {
    if (positional.length === 0) throw new Fault('TypeError', 'no items for cycling given')
    return positional[this.index0 % positional.length] ?? null
  }

  private changed(positional: readonly Value[]): boolean {
    const value = new PyTuple(positional)
    if (this.lastChanged !== undefined && isEqual(this.lastChanged, value)) return false
    this.lastChanged = value
    return true
  }
}

import { Fault } from '../fault.ts'
import { spendSteps } from '../meter.ts'
import { isEqual } from '../types/compare.ts'
import { iterator, lengthOf } from '../types/iteration.ts'
import {
  LoopContext,
  orElse,
  PyFunction,
  tupleOf,
  Undefined,
  type PySequence,
  type Value,
} from '../types/values.ts'

/** The items of a loop, drawn one by one, so that a loop's own filter sees what its body changed. */
interface LoopItems {
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

/** The special variable `loop`: where a loop is, and what comes next. */
export class LoopState {
  /** The object that the template sees. */
  readonly value = new LoopContext(
    (name) => this.attribute(name),
    () => `<LoopContext ${this.index0 + 1}/${this.count()}>`,
  )
  private readonly items: LoopItems
  private index0 = -1
  private current: Value | undefined
  private before: Value | undefined
  /** Items that were drawn ahead. */
  private queue: Value[] = []
  private known: number | undefined
  private lastChanged: PySequence | undefined

  constructor(items: LoopItems) {
    this.items = items
    this.known = items.length
  }

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

  private attribute(name: string): Value | undefined {
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
      case 'previtem':
        return this.index0 === 0 ? new Undefined('there is no previous item') : this.before
      case 'nextitem':
        return orElse(this.peek(), new Undefined('there is no next item'))
      case 'cycle':
        return method('cycle', (given) => this.cycle(given))
      case 'changed':
        return method('changed', (given) => this.changed(given))
    }
    return undefined
  }

  private cycle(given: readonly Value[]): Value {
    if (given.length === 0) throw new Fault('TypeError', 'no items for cycling given')
    return given[this.index0 % given.length] ?? null
  }

  private changed(given: readonly Value[]): boolean {
    const value = tupleOf(given)
    if (this.lastChanged !== undefined && isEqual(this.lastChanged, value)) return false
    this.lastChanged = value
    return true
  }
}

function method(name: string, call: (given: readonly Value[]) => Value): PyFunction {
  return new PyFunction(name, (positional, named) => {
    if (named.size > 0) throw new Fault('TypeError', `LoopContext.${name}() takes no keyword arguments`)
    return call(positional)
  })
}

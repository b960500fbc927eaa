import { Fault } from '../fault.ts'
import { beforeChange } from '../fork-state.ts'
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
  length(): number | undefined
}

/** Draws the items of a value, with the loop's `if`. */
export function loopItems(iterable: Value, test: ((item: Value) => boolean) | undefined): LoopItems {
  const draw = iterator(iterable)
  return {
    length: () => (test === undefined ? lengthOf(iterable) : undefined),
    next() {
      for (;;) {
        spendSteps(1)
        const item = draw()
        if (item === undefined || test === undefined || test(item)) return item
      }
    },
  }
}

/** The attributes of `loop`. */
const attributes: ReadonlyMap<string, (loop: LoopState) => Value | undefined> = new Map([
  ['index', (loop) => loop.index0 + 1],
  ['index0', (loop) => loop.index0],
  ['first', (loop) => loop.index0 === 0],
  ['last', (loop) => loop.peek() === undefined],
  ['length', (loop) => loop.count()],
  ['revindex', (loop) => loop.count() - loop.index0],
  ['revindex0', (loop) => loop.count() - loop.index0 - 1],
  ['previtem', (loop) => (loop.index0 === 0 ? new Undefined('there is no previous item') : loop.before)],
  ['nextitem', (loop) => orElse(loop.peek(), new Undefined('there is no next item'))],
  ['cycle', (loop) => method('cycle', (given) => loop.cycle(given))],
  ['changed', (loop) => method('changed', (given) => loop.changed(given))],
])

function method(name: string, call: (given: readonly Value[]) => Value): PyFunction {
  return new PyFunction(name, (positional, named) => {
    if (named.size > 0) throw new Fault('TypeError', `LoopContext.${name}() takes no keyword arguments`)
    return call(positional)
  })
}

/** Where a loop is, and what comes next. */
export class LoopState {
  /** The object that the template sees. */
  readonly value = new LoopContext(this)
  index0 = -1
  /** The item of the round before this one. */
  before: Value | undefined
  private current: Value | undefined
  private readonly items: LoopItems
  /** Items that were drawn ahead. */
  private queue: Value[] = []
  private known: number | undefined
  private lastChanged: PySequence | undefined

  constructor(items: LoopItems) {
    this.items = items
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

  attribute(name: string): Value | undefined {
    return attributes.get(name)?.(this)
  }

  /** The item of the round behind this one. */
  peek(): Value | undefined {
    if (this.queue.length === 0) {
      const item = this.items.next()
      if (item !== undefined) this.queue.push(item)
    }
    return this.queue[0]
  }

  /** The number of rounds. */
  count(): number {
    this.known ??= this.items.length()
    if (this.known === undefined) {
      for (let item = this.items.next(); item !== undefined; item = this.items.next()) this.queue.push(item)
      this.known = this.queue.length + this.index0 + 1
    }
    return this.known
  }

  cycle(given: readonly Value[]): Value {
    if (given.length === 0) throw new Fault('TypeError', 'no items for cycling given')
    return given[this.index0 % given.length] ?? null
  }

  changed(given: readonly Value[]): boolean {
    beforeChange()
    const value = tupleOf(given)
    if (this.lastChanged !== undefined && isEqual(this.lastChanged, value)) return false
    this.lastChanged = value
    return true
  }
}

import { Fault } from './fault.ts'
import { isEqual } from './compare.ts'
import { spendSteps } from './meter.ts'
import {
  iterate,
  lengthOf,
  noNamed,
  orElse,
  PyFunction,
  PyTuple,
  Undefined,
  type Named,
  type PyObject,
  type Value,
} from './values.ts'

/** The items of a loop, drawn one by one, so that a loop's own filter sees what its body changed. */
export interface LoopItems {
  next(): Value | undefined
  /** The number of items when it is known without drawing them. */
  readonly length: number | undefined
}

/** Draws the items of a value, with the loop's `if`. */
export function loopItems(iterable: Value, test: ((item: Value) => boolean) | undefined): LoopItems {
  const items = iterate(iterable)
  let index = 0
  return {
    length: test === undefined ? (lengthOf(iterable) ?? items.length) : undefined,
    next() {
      for (;;) {
        spendSteps(1)
        const item = items[index]
        index += 1
        if (item === undefined || test === undefined || test(item)) return item
      }
    },
  }
}

/** The special variable `loop`. */
export class LoopState implements PyObject {
  readonly type = 'LoopContext'
  index0 = -1
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
        return new PyFunction('cycle', (positional) => this.cycle(positional))
      case 'changed':
        return new PyFunction('changed', (positional) => this.changed(positional))
    }
    return undefined
  }

  /** `loop(children)` in a recursive loop. */
  readonly call = (positional: readonly Value[], named: Named = noNamed): Value => {
    if (this.recurse === undefined) {
      throw new Fault('TypeError', "The loop must have the 'recursive' marker to be called recursively.")
    }
    const iterable = positional.length > 0 ? positional[0] : named.get('iterable')
    if (iterable === undefined) throw new Fault('TypeError', 'loop() missing the items to go through')
    return this.recurse(iterable)
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

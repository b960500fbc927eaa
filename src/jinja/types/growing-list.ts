import { ForkRefused, isForked, whileForked } from '../fork-state.ts'
import { PySequence, type Value } from './values.ts'

/**
 * What a render has seen of a list of which other renders are shown a beginning. All that it did until it had seen `least`
 * items, each of them does just so that is shown as many or more.
 */
export class Watch {
  /** The smallest number of items with which a render would have seen the same; infinite when their number was seen. */
  least = 0
  /** Whether a list was gone through since a beginning is shown: what then follows costs the length of each. */
  isDrawnFrom = false
  /** How many items there are in all. */
  readonly length: number
  readonly #items: () => readonly Value[]
  #shown: number

  /** @param items  makes them when they are first asked for */
  constructor(items: () => readonly Value[], length: number) {
    this.#items = items
    this.length = length
    this.#shown = length
  }

  /** The item at an index; that it is there is seen with it, or that the end is. */
  at(index: number): Value | undefined {
    const item = index < this.#shown ? this.#items()[index] : undefined
    this.#see(item === undefined ? Infinity : index + 1)
    return item
  }

  /** All from an index on, which shows how many there are. */
  from(index: number): readonly Value[] {
    this.#see(Infinity)
    return this.#items().slice(index, Math.max(index, this.#shown))
  }

  #see(least: number): void {
    if (!isForked() && least > this.least) this.least = least
  }

  /** Shows only a beginning while something is done, which is undone afterwards. */
  showing(count: number, work: () => void): void {
    this.#shown = count
    this.isDrawnFrom = false
    try {
      whileForked(work)
    } finally {
      this.#shown = this.length
    }
  }
}

/** A list under a watch, or what is left of it behind its first items. Who asks for its items has seen how many there are. */
export class GrowingList extends PySequence {
  readonly watch: Watch
  readonly offset: number

  constructor(watch: Watch, offset = 0) {
    super('list', [])
    this.watch = watch
    this.offset = offset
    let known: { items: readonly Value[]; isForked: boolean } | undefined
    Object.defineProperty(this, 'items', {
      get: () => {
        // Each beginning has its own; of the whole list they stay the same.
        if (known === undefined || known.isForked || isForked())
          known = { items: watch.from(offset), isForked: isForked() }
        return known.items
      },
    })
  }

  /** The item at an index from 0 on. */
  at(index: number): Value | undefined {
    return this.watch.at(this.offset + index)
  }

  /** The list without its first items. */
  behind(count: number): GrowingList {
    return new GrowingList(this.watch, this.offset + count)
  }

  /** Gives its items one by one. */
  draw(): () => Value | undefined {
    const wasForked = isForked()
    let index = 0
    this.watch.isDrawnFrom = true
    return () => {
      if (wasForked !== isForked()) throw new ForkRefused()
      const item = this.at(index)
      index += 1
      return item
    }
  }
}

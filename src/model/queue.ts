import { FettleError } from '../error.ts'

/** Whose tasks run one at a time, in the order in which they came. One that fails holds up none behind it. */
export interface Queue {
  /** Its place among all queues: whoever needs several takes them in this order, so that no two wait for each other. */
  readonly order: number
  run<T>(task: () => T | Promise<T>): Promise<T>
  /** Runs a last task. Tasks that come later fail; another last one does nothing. */
  close(task: () => void): Promise<void>
}

let queues = 0

/** @param model  what it is called where a task comes too late */
export function createQueue(model: string): Queue {
  let last: Promise<unknown> = Promise.resolve()
  let closed = false
  const inTurn = <T>(task: () => T | Promise<T>): Promise<T> => {
    const turn = last.then(task)
    last = turn.catch(() => {})
    return turn
  }
  queues += 1
  return {
    order: queues,
    async run(task) {
      if (closed)
        throw new FettleError({
          place: model,
          found: 'a model that was freed',
          expected: 'one that is in memory',
          cure: 'Load it again, or free it later.',
        })
      return inTurn(task)
    },
    async close(task) {
      if (closed) return
      closed = true
      await inTurn(task)
    },
  }
}

/** Runs a task when it has its turn in all of these queues. */
export function runInAll<T>(some: readonly Queue[], task: () => T | Promise<T>): Promise<T> {
  const [first, ...rest] = [...new Set(some)].toSorted((a, b) => a.order - b.order)
  return first.run(() => (rest.length > 0 ? runInAll(rest, task) : task()))
}

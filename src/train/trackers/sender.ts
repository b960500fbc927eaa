import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../error.ts'

/** What waits at most; what comes beyond it is not sent. */
const mostWaiting = 10_000
/** Sent at once at most. */
const batchSize = 500
/** Milliseconds before another try. */
const pauses = [250, 500, 1000]
/** How long an answer, and the end of a run, is waited for. */
const patienceMs = 30_000

/** Sends items in the background, in order, several at once. */
export interface Sender<T> {
  add(item: T): void
  /** Waits for what is left, but not long. */
  close(): Promise<string | undefined>
}

/** @param send  sends some; what it throws is tried again */
export function createSender<T>(send: (items: readonly T[]) => Promise<void>): Sender<T> {
  const waiting: T[] = []
  let problem: string | undefined
  let given = false
  let working: Promise<void> | undefined
  const work = async (): Promise<void> => {
    // What comes in one turn goes together.
    await sleep(0)
    while (waiting.length > 0 && !given) {
      const items = waiting.splice(0, batchSize)
      for (let attempt = 0; ; attempt += 1) {
        try {
          await send(items)
          break
        } catch (error) {
          problem ??= messageOf(error)
          if (attempt === pauses.length) {
            // Whoever does not answer by now is not asked again in this run.
            given = true
            break
          }
          await sleep(pauses[attempt], undefined, { ref: false })
        }
      }
    }
    working = undefined
  }
  return {
    add(item) {
      if (given) return
      if (waiting.length >= mostWaiting) {
        problem ??= `more than ${mostWaiting} events wait to be sent; further ones are left out`
        return
      }
      waiting.push(item)
      working ??= work()
    },
    async close() {
      const late = new AbortController()
      const timeout = sleep(patienceMs, undefined, { signal: late.signal }).then(
        () => {
          given = true
          problem ??= `no answer in ${patienceMs / 1000} s`
        },
        () => {},
      )
      await Promise.race([working, timeout])
      late.abort()
      return problem
    },
  }
}

/** Sends JSON and takes JSON. @throws Error with the status where it is not 2xx */
export async function requestJson(
  url: string,
  {
    method = 'POST',
    body,
    headers = {},
  }: { method?: 'GET' | 'POST'; body?: unknown; headers?: Record<string, string> },
): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(patienceMs),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 200)}`)
  return text === '' ? undefined : (JSON.parse(text) as unknown)
}

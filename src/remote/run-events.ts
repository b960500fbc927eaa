import { FettleError, type Problem } from '../error.ts'
import type { TrainEvent } from '../train/index.ts'

/** Reads events out of what a runner prints. */
export interface EventReader {
  /**
   * The event of a line; undefined for other lines, and for events that were read before: logs may come twice.
   *
   * @throws FettleError (exit code 1) for what the runner tells that went wrong
   */
  read(line: string): TrainEvent | undefined
  /** Says that the lines begin again. */
  again(): void
}

/** A line longer than this is no event. */
const longestLine = 1 << 22

/** Events of the runner have numbers; those of fettle itself (`train --json`) are counted. */
export function createEventReader(): EventReader {
  let last = 0
  let counted = 0
  return {
    again() {
      counted = 0
    },
    read(line) {
      if (!/^{"(?:time|type)":/.test(line) || line.length > longestLine) return undefined
      const event = parse(line)
      if (event === undefined) return undefined
      const { seq = (counted += 1), attempt: _, time: __, ...rest } = event
      if (seq <= last) return undefined
      last = seq
      if (rest.type === 'error') throw new FettleError(problemOf(rest), { exitCode: 1 })
      return rest as unknown as TrainEvent
    },
  }
}

type Told = Record<string, unknown> & { seq?: number; type: string }

function parse(line: string): Told | undefined {
  try {
    const value = JSON.parse(line) as unknown
    if (typeof value !== 'object' || value === null) return undefined
    if (!('type' in value && typeof value.type === 'string')) return undefined
    const hasNumber = !('seq' in value) || typeof value.seq === 'number'
    return hasNumber ? (value as Told) : undefined
  } catch {
    // Python writes NaN, and a kill may cut a line.
    return undefined
  }
}

function problemOf({ place, found, expected, cure }: Record<string, unknown>): Problem {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return {
    place: text(place) ?? 'runner',
    found: text(found) ?? 'a problem that it does not name',
    ...(typeof expected === 'string' && { expected }),
    ...(typeof cure === 'string' && { cure }),
  }
}

/** Lines of a stream of text; what has no end yet waits. */
export async function* linesOf(stream: AsyncIterable<string | Buffer>): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of stream) {
    const lines = (rest + String(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield line.replace(/\r$/, '')
  }
  if (rest !== '') yield rest
}

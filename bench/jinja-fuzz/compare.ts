import { parseChatTemplate } from '../../src/chat/index.ts'
import { FettleError } from '../../src/error.ts'

/** A template and what Python made of it. */
export interface FuzzCase {
  source: string
  text?: string
  error?: string
}

/** The moment and the dice that environment.py holds still. */
const now = new Date(2024, 6, 6, 15, 4, 5)
function makeDice(): () => number {
  let state = 1
  return () => {
    state = Number((BigInt(state) * 1664525n + 1013904223n) % 4294967296n)
    return state / 4294967296
  }
}

/** Where an object lies in memory is nobody's promise. */
function withoutAddresses(text: string): string {
  return text.replace(/0x[0-9a-f]{6,}/gi, '0x…')
}

/** The order of a set's members follows from hashes, which Python draws anew for each process. */
function agree(found: string, expected: string, source: string): boolean {
  const [left, right] = [withoutAddresses(found), withoutAddresses(expected)]
  const hasSet = source.includes('.keys() -')
  return left === right || (hasSet && [...left].toSorted().join('') === [...right].toSorted().join(''))
}

/** What fettle makes differently of a template; a rejection needs a place, but not Python's words. */
export function compareCase(
  { source, text, error }: FuzzCase,
  variables: Record<string, unknown>,
): { difference: string | undefined; elapsedMs: number } {
  const started = performance.now()
  let found: string
  let isRejected = false
  try {
    found = parseChatTemplate(source).render({ messages: [], now, random: makeDice(), ...variables }).text
  } catch (thrown) {
    isRejected = thrown instanceof FettleError && /^chat template:\d+:\d+: /.test(thrown.message)
    found =
      thrown instanceof Error
        ? isRejected
          ? thrown.message
          : (thrown.stack ?? thrown.message)
        : String(thrown)
  }
  const elapsedMs = performance.now() - started
  const agrees = error === undefined ? !isRejected && agree(found, text ?? '', source) : isRejected
  if (agrees) return { difference: undefined, elapsedMs }
  const difference = `${source}\n  Python ${error ?? JSON.stringify(text)}\n  fettle ${isRejected ? found : JSON.stringify(found)}`
  return { difference, elapsedMs }
}

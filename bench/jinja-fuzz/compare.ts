import { parseChatTemplate } from '../../src/chat/index.ts'
import { FettleError } from '../../src/error.ts'

/** A template and what Python made of it. */
export interface FuzzCase {
  source: string
  text?: string
  error?: string
}

/** The moment that environment.py holds still. */
const now = new Date(2024, 6, 6, 15, 4, 5)

export interface Comparison {
  /** What fettle makes differently of the template; a rejection needs a place, but not Python's words. */
  difference: string | undefined
  /** Whether fettle refused it for something that it leaves out. */
  isLeftOut: boolean
  elapsedMs: number
}

/** Renders a template and compares with what Python made of it. */
export function compareCase(
  { source, text, error }: FuzzCase,
  variables: Record<string, unknown>,
): Comparison {
  const started = performance.now()
  let found: string
  let isRejected = false
  try {
    found = parseChatTemplate(source).render({ messages: [], now, ...variables }).text
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
  const agrees = error === undefined ? !isRejected && found === text : isRejected
  const isLeftOut = isRejected && found.includes('leaves out')
  if (agrees) return { difference: undefined, isLeftOut, elapsedMs }
  const difference = `${source}\n  Python ${error ?? JSON.stringify(text)}\n  fettle ${isRejected ? found : JSON.stringify(found)}`
  return { difference, isLeftOut, elapsedMs }
}

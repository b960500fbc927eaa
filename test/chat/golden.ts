import { expect } from 'vitest'
import { parseChatTemplate } from '../../src/chat/index.ts'

/** A template and what Python made of it. */
export interface GoldenCase {
  source: string
  text?: string
  error?: string
}

/** The moment at which the templates were recorded. */
const now = new Date(2024, 6, 6, 15, 4, 5)

/** The dice of bench/jinja-fuzz/environment.py. */
function makeDice(): () => number {
  let state = 1
  return () => {
    state = Number((BigInt(state) * 1664525n + 1013904223n) % 4294967296n)
    return state / 4294967296
  }
}

/** Renders a template; where an object lies in memory is nobody's promise. */
export function expectAsPython(
  { source, text, error }: GoldenCase,
  variables: Record<string, unknown>,
): void {
  const render = (): string =>
    parseChatTemplate(source).render({ messages: [], now, random: makeDice(), ...variables }).text
  const withoutPlaces = (shown: string): string => shown.replace(/0x[0-9a-f]{6,}/gi, '0x…')
  if (error === undefined) expect(withoutPlaces(render())).toBe(withoutPlaces(text ?? ''))
  else expect(render).toThrow(/^chat template:\d+:\d+: /)
}

import { Fault } from './fault.ts'
import { MAX_COPIED_CHARACTERS, MAX_NESTING_DEPTH, MAX_STEPS, MAX_TEXT_LENGTH } from './limits.ts'

/*
 * What the current render has used. Rendering is synchronous and never nests, so one meter for the module
 * keeps the hundred builtins free of a parameter that only counts.
 */
const meter = { steps: 0, characters: 0, depth: 0 }

/** Starts the count anew; called by each render. */
export function resetMeter(): void {
  meter.steps = 0
  meter.characters = 0
  meter.depth = 0
}

/** How much of the budget the last render used: from 0 to 1, of whatever it used most of. */
export function spentShare(): number {
  return Math.max(meter.steps / MAX_STEPS, meter.characters / MAX_COPIED_CHARACTERS)
}

/** Remembers the count; what is returned sets it back. */
export function saveMeter(): () => void {
  const saved = { ...meter }
  return () => void Object.assign(meter, saved)
}

/** Counts elementary steps; throws past the limit. */
export function spendSteps(count: number): void {
  meter.steps += count
  if (meter.steps > MAX_STEPS) throw new Fault('Limit', `the template takes more than ${MAX_STEPS} steps`)
}

/** Counts characters about to be made; throws before they are. */
export function spendCharacters(count: number): void {
  if (count > MAX_TEXT_LENGTH) throw new Fault('Limit', `a text of more than ${MAX_TEXT_LENGTH} characters`)
  meter.characters += count
  if (meter.characters > MAX_COPIED_CHARACTERS) {
    throw new Fault('Limit', `the template copies more than ${MAX_COPIED_CHARACTERS} characters`)
  }
}

/**
 * Counts characters that are gone through one by one, at the price of so many copied ones each: what a nanosecond
 * takes of the budget, so that the slowest operations end as soon as the fast ones.
 */
export function spendCharacterWork(count: number, price: number): void {
  meter.characters += count * price
  if (meter.characters > MAX_COPIED_CHARACTERS)
    throw new Fault('Limit', `the template does more than ${MAX_COPIED_CHARACTERS} characters' work`)
}

/** Counts characters that are only looked at, which costs like making them where code points are counted. */
export function spendReading(length: number): void {
  if (length > 64) spendCharacters(length)
}

/** Enters a macro, a recursive loop or a nested value; pair with `leave`. */
export function enter(): void {
  meter.depth += 1
  if (meter.depth > MAX_NESTING_DEPTH) {
    throw new Fault('Limit', `calls or values nest deeper than ${MAX_NESTING_DEPTH}`)
  }
}

/** Leaves what `enter` entered. */
export function leave(): void {
  meter.depth -= 1
}

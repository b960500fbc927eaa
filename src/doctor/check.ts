import type { Conversation, EncodedExample, Row } from '../data/index.ts'
import type { FettleError } from '../error.ts'
import type { Draft, Evidence } from './diagnosis.ts'
import type { Patient, Split } from './patient.ts'

/** A row of the data as conversation and tokens. */
export interface SeenExample {
  place: string
  split: Split
  conversation: Conversation
  example: EncodedExample
}

/** Sees every row of the data once, and keeps counts and a few examples of what it looks for. */
export interface DataObserver {
  row?(row: Row, place: string, split: Split): void
  conversation?(conversation: Conversation, place: string, split: Split): void
  example?(seen: SeenExample): void
  /** A row that could not be read as conversation, or that the template refused. */
  refused?(refusal: { place: string; stage: 'format' | 'template'; error: FettleError }): void
  finish(): Draft[]
}

/** One thing that can be wrong. */
export interface Check {
  /** What it looks at and for, in a sentence. */
  looksFor: string
  /** Looks at files. */
  examine?(patient: Patient): Draft[] | Promise<Draft[]>
  /** Looks at the data; undefined where this patient gives no reason to. */
  observe?(patient: Patient): DataObserver | undefined
}

/** Examples that a diagnosis shows. */
const shownEvidence = 3

/** Counts what happens in many rows and keeps the first few of them to show. */
export interface Tally {
  count: number
  readonly evidence: Evidence[]
  add(evidence: () => Evidence): void
}

/** A tally that has counted nothing yet. */
export function createTally(): Tally {
  return {
    count: 0,
    evidence: [],
    add(evidence) {
      this.count += 1
      if (this.evidence.length < shownEvidence) this.evidence.push(evidence())
    },
  }
}

import type { CheckName } from './check-names.ts'

/** `error`: the result will be wrong; `warning`: it may be; `note`: worth knowing. */
export type Severity = 'error' | 'warning' | 'note'

/** Text around what a diagnosis is about. */
export interface Excerpt {
  before: string
  marked: string
  after: string
}

/** Something that shows what a diagnosis says. */
export interface Evidence {
  /** `train.jsonl:41`, a file, a tensor or an option. */
  place?: string
  /** A token as the vocabulary spells it. */
  token?: string
  excerpt?: Excerpt
  /** What is to be seen there, where the rest does not say it. */
  says?: string
}

/** A cure that can be made in files. */
export interface Fix {
  /** What will be different, in a sentence. */
  describe: string
  file: string
  /** Makes it. */
  apply(): Promise<void>
}

/** What a check found. */
export interface Diagnosis {
  check: CheckName
  severity: Severity
  /** The file, row or option that it is about. */
  place: string
  /** What is there. */
  found: string
  evidence: Evidence[]
  /** What goes wrong because of it. */
  why: string
  /** What to do. */
  cure: string
  fix?: Fix
}

/** A diagnosis as a check makes it: the table knows the check's name. */
export type Draft = Omit<Diagnosis, 'check'>

const severities: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 }

/** Worst first; diagnoses of equal severity stay in their order. */
export function sortDiagnoses(diagnoses: readonly Diagnosis[]): Diagnosis[] {
  return diagnoses.toSorted((a, b) => severities[a.severity] - severities[b.severity])
}

/** Characters that an excerpt shows on each side, and at most of what it marks. */
const excerptSides = 40
const excerptMiddle = 120

/** The part [start, end) of a text with what stands around it. */
export function excerptOf(text: string, start: number, end: number): Excerpt {
  const marked = text.slice(start, end)
  const before = text.slice(Math.max(0, start - excerptSides), start)
  const after = text.slice(end, end + excerptSides)
  const half = excerptMiddle / 2
  return {
    before: start > excerptSides ? `…${before}` : before,
    marked: marked.length <= excerptMiddle ? marked : `${marked.slice(0, half)} … ${marked.slice(-half)}`,
    after: end + excerptSides < text.length ? `${after}…` : after,
  }
}

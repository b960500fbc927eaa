// What the page and its worker say to each other.

/** Files that somebody chose, or that are part of the page. */
export type GivenFiles = Record<string, Blob | { address: string }>

/** Files, or where all of them are. */
export type Given = { files: GivenFiles } | { address: string }

/** What the page asks; each question is answered once, and may tell how it goes on before. */
export interface Questions {
  open: { asks: { model: Given; data: Given; wasm: string }; answer: Opened }
  show: { asks: { index: number }; answer: Shown | null }
  train: {
    asks: { steps: number; learningRate: number; rank: number; maxLength: number }
    answer: { stopped: boolean }
  }
  ask: { asks: { question: string }; answer: { before: string | null; after: string } }
  adapter: { asks: null; answer: Blob }
  examine: {
    asks: { files: GivenFiles; data: GivenFiles }
    answer: { diagnoses: Wrong[]; shown: Shown[] }
  }
}
export type Question = keyof Questions

/** What is known of a model that was opened. */
export interface Opened {
  parameters: number
  threads: number
  /** `relaxed-simd` or `simd128`. */
  vectors: string
  /** Why there is only one thread. */
  oneThread: string | null
  rows: number
  /** Rows that cannot be used: how many, and what is wrong with the first. */
  leftOut: { count: number; first: string } | null
}

/** What the page shows of a diagnosis of the doctor. */
interface Wrong {
  severity: string
  place: string
  found: string
  why: string
  cure: string
}

/** A conversation's tokens. */
export interface Shown {
  origin: string
  tokens: ShownToken[]
  spans: { message: number; status: string }[]
}
export interface ShownToken {
  text: string
  learned: boolean
  /** Ends a turn. */
  stops: boolean
}

/** A step of training. */
export interface Progress {
  step: number
  maxSteps: number
  loss: number
  tokensPerSecond: number
}

export type ToWorker =
  | { [Q in Question]: { id: number; question: Q; asks: Questions[Q]['asks'] } }[Question]
  | { stop: true }
export type FromWorker =
  | { id: number; answer: unknown }
  | { id: number; failure: string }
  | { progress: Progress }

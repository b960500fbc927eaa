import type { ComparedRow } from './compare-rows.ts'
import type { RuntimeInfo } from './runner.ts'

/** A file, and the SHA-256 of its bytes. */
export interface HashedFile {
  path: string
  bytes: number
  sha256: string
}

/** What a certificate says of one exported form, such as one of the types of an ONNX folder. */
export interface CertifiedForm {
  /** The file, or the folder. */
  path: string
  type: string
  /** Null: nothing here can run it. */
  runtime: RuntimeInfo | null
  /** What to know of the runtime: why it is not the one that the form is for. */
  note?: string
  rows: ComparedRow[]
  /** Means over the rows; null where nothing was measured. */
  kl: number | null
  agreement: number | null
  same_answers: number
  /** The largest mean divergence that passes, in nats. */
  bound: number
  verdict: Verdict
}

/** Whether a form is near enough to the live model. */
export type Verdict = 'passed' | 'failed' | 'not measured'

/** What an export is, and how near it is to the model that it was made of. */
export interface Certificate {
  fettle: string
  created: string
  format: string
  verdict: Verdict
  /** Why nothing was measured, where that is so. */
  note?: string
  base: { path: string; files: HashedFile[] }
  adapter: { path: string; files: HashedFile[] } | null
  /** tokenizer.json; null: inside of the base. */
  tokenizer: HashedFile | null
  template: { sha256: string } | null
  /** Tokens that end an answer. */
  stop_token_ids: number[]
  files: HashedFile[]
  forms: CertifiedForm[]
}

/**
 * The largest mean divergence of the exported form from the live model in float32, in nats, by how its weights are stored. It is meant to
 * tell a form that was rounded from one that is wrong.
 */
export function boundOf(type: string): number {
  const known = bounds.find(([pattern]) => pattern.test(type))
  return known ? known[1] : 0.02
}

const bounds: readonly (readonly [RegExp, number])[] = [
  [/^(f32|float32)$/, 1e-4],
  [/^(f16|float16)$/, 2e-3],
  [/^(bf16|bfloat16|stored)$/, 0.02],
  [/^(q8|q6)/, 0.05],
  [/^q4/, 0.5],
]

/** All forms together: the worst of them. */
export function verdictOf(forms: readonly CertifiedForm[]): Verdict {
  if (forms.some(({ verdict }) => verdict === 'failed')) return 'failed'
  return forms.some(({ verdict }) => verdict === 'passed') ? 'passed' : 'not measured'
}

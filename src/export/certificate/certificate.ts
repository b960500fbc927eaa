import type { RowsFrom } from './certificate-rows.ts'
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
  same_prompts: number
  /** Tokens that end a turn, as the template writes it, and that end none in the runtime. */
  missing_stop_token_ids: number[]
  /** The largest mean divergence that passes, in nats. */
  bound: number
  verdict: Verdict
  /** Why it failed. */
  problems: FormProblem[]
}

/** What of a form is not as it should be. */
export interface FormProblem {
  found: string
  expected: string
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
  /** Whose rows were asked: of files that were named, or of the run that made the adapter. */
  rows_from?: RowsFrom
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
  [/^(q4|nf4)/, 0.5],
]

/** A form with its verdict: near enough, spoken to in the same words, and ending where the live model ends. */
export function judge(form: Unjudged, bound: number): CertifiedForm {
  const { kl } = form
  const problems = [...(form.refusal ? [form.refusal] : []), ...problemsOf(form, bound)]
  const { refusal: _, ...told } = form
  const verdict = problems.length > 0 ? 'failed' : kl === null ? 'not measured' : 'passed'
  return { ...told, bound, verdict, problems }
}

/** What was found out of a form, before it is known whether it passes. */
export interface Unjudged extends Omit<CertifiedForm, 'bound' | 'verdict' | 'problems'> {
  /** Why the runtime that it is for does not take it. */
  refusal?: FormProblem
}

function problemsOf({ rows, kl, missing_stop_token_ids: missing }: Unjudged, bound: number): FormProblem[] {
  const problems: FormProblem[] = []
  // No number is not below a bound either.
  if (kl !== null && !(kl <= bound))
    problems.push({
      found: `a mean divergence of ${kl.toPrecision(3)} nats from the live model`,
      expected: `at most ${bound}`,
    })
  const [other] = rows.filter((row) => !row.same_prompt)
  if (other) {
    const part = other.exported_prompt === other.prompt ? 'tokens' : 'text'
    problems.push({
      found: `another ${part} for the prompt of ${other.origin}`,
      expected: 'what the model was trained on: the same template and tokenizer',
    })
  }
  const cut = rows.find((row) => !row.stops_alike)
  const endless = cut ? [cut.live.ids.at(-1) ?? 0] : missing
  if (endless.length > 0)
    problems.push({
      found: `that the answer goes on behind token ${endless.join(', ')}${cut ? `, which ends the one to ${cut.origin}` : ''}`,
      expected: 'a form that stops where the live model stops',
    })
  return problems
}

/** All forms together: the worst of them. */
export function verdictOf(forms: readonly CertifiedForm[]): Verdict {
  if (forms.some(({ verdict }) => verdict === 'failed')) return 'failed'
  return forms.some(({ verdict }) => verdict === 'passed') ? 'passed' : 'not measured'
}

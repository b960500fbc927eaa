import type { Check } from '../../check.ts'
import type { Draft, Evidence } from '../../diagnosis.ts'
import { matrixRows, type MatrixRows } from '../../matrix-rows.ts'
import { embeddingOf, headOf } from '../../model-files.ts'
import { adapts, templateStops, trainsRowsOf, type Patient, type TokenMatrix } from '../../patient.ts'

/** Rows that say what is usual. */
const sampleSize = 256
/** A trained row is never that much shorter or longer than the usual one. */
const shortest = 1 / 20
const longest = 8
/** Two rows that differ by less, relative to the longer one, were made alike and never told apart. */
const twinDistance = 0.01

/** Tokens that chats use, and whose rows of the embedding or of the head show that they were never learned. */
export const newTokenRows: Check = {
  looksFor:
    'tokens of the chat template whose row of the embedding or head was never trained, or is an outlier',
  async examine(patient) {
    const { model } = patient
    if (model === undefined) return []
    const names: [TokenMatrix, string | undefined][] = [
      ['embed_tokens', embeddingOf(model)?.name],
      ['lm_head', headOf(model)],
    ]
    const tokens = await tokensInUse(patient)
    const drafts: Draft[] = []
    for (const [matrix, name] of names) {
      const rows = name === undefined ? undefined : await matrixRows(model, name)
      if (rows !== undefined) drafts.push(...(await draftsOf(patient, matrix, rows, tokens)))
    }
    return drafts
  },
}

async function draftsOf(
  patient: Patient,
  matrix: TokenMatrix,
  rows: MatrixRows,
  tokens: ReadonlyMap<string, number>,
): Promise<Draft[]> {
  const usual = await normsOf(rows)
  const median = usual.toSorted((a, b) => a - b)[usual.length >> 1]
  const inUse: { token: string; row: Float32Array }[] = []
  for (const [token, id] of tokens) if (id < rows.count) inUse.push({ token, row: await rows.read(id) })
  const twinOf = (row: Float32Array) => inUse.find((other) => other.row !== row && areTwins(row, other.row))
  const evidence = ({ token, row }: (typeof inUse)[number]): Evidence => {
    const twin = twinOf(row)
    const like = twin === undefined ? '' : `, the same row as ${twin.token}`
    return { token, says: `norm ${norm(row).toPrecision(2)}, usually ${median.toPrecision(2)}${like}` }
  }
  const untrained = inUse.filter(({ row }) => norm(row) < shortest * median || twinOf(row) !== undefined)
  const outliers = inUse.filter(({ row }) => norm(row) > longest * median)
  const place = `${patient.model?.path ?? ''}: ${rows.name}`
  return [
    ...(untrained.length === 0 ? [] : [untrainedDraft(patient, matrix, place, untrained.map(evidence))]),
    ...(outliers.length === 0 ? [] : [outlierDraft(place, outliers.map(evidence))]),
  ]
}

/** Norms of rows spread over the vocabulary. */
async function normsOf({ count, read }: MatrixRows): Promise<number[]> {
  const sampled = Math.min(sampleSize, count)
  const norms: number[] = []
  for (let i = 0; i < sampled; i += 1) norms.push(norm(await read(Math.floor((i * count) / sampled))))
  return norms
}

const whys: Readonly<Record<TokenMatrix, string>> = {
  embed_tokens: 'The model cannot tell these tokens from each other, so it does not see turns begin or end.',
  lm_head: 'The model cannot predict these tokens, so it never ends an answer by itself.',
}

function untrainedDraft(patient: Patient, matrix: TokenMatrix, place: string, evidence: Evidence[]): Draft {
  const willLearn = trainsRowsOf(patient, matrix)
  return {
    severity: willLearn ? 'note' : adapts(patient) ? 'error' : 'warning',
    place,
    found: `rows that were never trained, of tokens that the chat template writes: ${evidence.map(({ token }) => token).join(' ')}`,
    evidence: evidence.slice(0, 5),
    why: whys[matrix],
    cure: willLearn
      ? 'The run trains them: nothing to do.'
      : "Train their rows with trainable_token_indices (or modules_to_save: [embed_tokens, lm_head], or all weights); or use the template of the model's own chat version.",
  }
}

function outlierDraft(place: string, evidence: Evidence[]): Draft {
  return {
    severity: 'warning',
    place,
    found: `rows far longer than others, of tokens that the chat template writes: ${evidence.map(({ token }) => token).join(' ')}`,
    evidence: evidence.slice(0, 5),
    why: 'Rows made at random with too large a spread drown what the model knows in every chat.',
    cure: 'Make the rows anew as the mean of the others: resizeTokenEmbeddings does.',
  }
}

/** The special tokens that a chat is written with, and the stop tokens. */
async function tokensInUse(patient: Patient): Promise<Map<string, number>> {
  const { tokenizer: facts } = patient
  const found = new Map<string, number>()
  if (facts?.template === undefined) return found
  const { tokenizer } = facts
  const add = (token: string | undefined) => {
    const id = token === undefined ? undefined : tokenizer.convertTokensToIds(token)
    if (token !== undefined && id !== undefined) found.set(token, id)
  }
  for (const token of templateStops(patient) ?? []) add(token)
  try {
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ]
    const text = tokenizer.applyChatTemplate(messages)
    const { inputIds } = await tokenizer.encode(text, { addSpecialTokens: false })
    for (const id of inputIds) {
      const token = tokenizer.convertIdsToTokens(id)
      if (token !== undefined && tokenizer.addedTokens.has(token)) add(token)
    }
  } catch {
    // A template that refuses so simple a chat has diagnoses of its own.
  }
  return found
}

/** Whether two rows are the same but for the noise that they were made with. */
function areTwins(a: Float32Array, b: Float32Array): boolean {
  const difference = norm(a.map((value, i) => value - b[i]))
  return difference <= twinDistance * Math.max(norm(a), norm(b))
}

function norm(row: Float32Array): number {
  return Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
}

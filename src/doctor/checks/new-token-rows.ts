import { open } from 'node:fs/promises'
import { bytesPerElement, toFloat32, type TensorInfo } from '../../formats/index.ts'
import type { Check } from '../check.ts'
import type { Draft, Evidence } from '../finding.ts'
import { embeddingOf } from '../model-files.ts'
import { adapts, templateStops, trainsEmbeddings, type Patient } from '../patient.ts'

/** Rows that say what is usual. */
const sampleSize = 256
/** A trained row is never that much shorter or longer than the usual one. */
const shortest = 1 / 20
const longest = 8

/** Tokens that chats use, and whose rows of the embedding show that they were never learned. */
export const newTokenRows: Check = {
  looksFor: 'tokens of the chat template whose embedding was never trained, or is an outlier',
  async examine(patient) {
    const { model } = patient
    const embedding = model && embeddingOf(model)
    const info = embedding && model.tensors.get(embedding.name)
    if (model === undefined || info === undefined || info.shape.length !== 2) return []
    const tokens = [...(await tokensInUse(patient))].filter(([, id]) => id < info.shape[0])
    if (tokens.length === 0) return []
    const rows = await readRows(info, [...usualIds(info.shape[0]), ...tokens.map(([, id]) => id)])
    const usual = rows.slice(0, -tokens.length).map(norm)
    const median = usual.toSorted((a, b) => a - b)[usual.length >> 1]
    const inUse = tokens.map(([token], i) => ({ token, row: rows[rows.length - tokens.length + i] }))
    const evidence = ({ token, row }: (typeof inUse)[number]): Evidence => ({
      token,
      says: `norm ${norm(row).toPrecision(2)}, usually ${median.toPrecision(2)}`,
    })
    const isTwin = (row: Float32Array) =>
      inUse.some((other) => other.row !== row && other.row.every((value, i) => value === row[i]))
    const untrained = inUse.filter(({ row }) => norm(row) < shortest * median || isTwin(row))
    const outliers = inUse.filter(({ row }) => norm(row) > longest * median)
    const place = `${model.path}: ${info.name}`
    return [
      ...(untrained.length === 0 ? [] : [untrainedDraft(patient, place, untrained.map(evidence))]),
      ...(outliers.length === 0 ? [] : [outlierDraft(place, outliers.map(evidence))]),
    ]
  },
}

function untrainedDraft(patient: Patient, place: string, evidence: Evidence[]): Draft {
  const willLearn = trainsEmbeddings(patient)
  return {
    severity: willLearn ? 'note' : adapts(patient) ? 'error' : 'warning',
    place,
    found: `rows that were never trained, of tokens that the chat template writes: ${evidence.map(({ token }) => token).join(' ')}`,
    evidence: evidence.slice(0, 5),
    why: 'The model cannot tell these tokens from each other, nor predict them, so it does not see turns begin or end.',
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
    // A template that refuses so simple a chat has findings of its own.
  }
  return found
}

/** Ids spread over the vocabulary. */
function usualIds(rows: number): number[] {
  const count = Math.min(sampleSize, rows)
  return Array.from({ length: count }, (_, i) => Math.floor((i * rows) / count))
}

/** Some rows of a matrix, read one by one: the whole may be gigabytes. */
async function readRows({ path, offset, dtype, shape }: TensorInfo, ids: readonly number[]) {
  const rowBytes = shape[1] * bytesPerElement[dtype]
  const handle = await open(path, 'r')
  try {
    const rows: Float32Array[] = []
    for (const id of ids) {
      const bytes = new Uint8Array(rowBytes)
      await handle.read(bytes, 0, rowBytes, offset + id * rowBytes)
      rows.push(toFloat32(bytes, dtype))
    }
    return rows
  } finally {
    await handle.close()
  }
}

function norm(row: Float32Array): number {
  return Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
}

import { FettleError } from '../error.ts'
import type { Conversation, DataFormat, DataSource, EncodedExample, ExampleOptions } from '../data/index.ts'
import { createRowReader, dataFormats, encodeConversations, formatOrigin, readRows } from '../data/index.ts'
import type { MaskPolicy } from '../chat/index.ts'
import type { DataObserver } from './check.ts'
import { asFettleError } from './collect.ts'
import type { DataFile, Patient } from './patient.ts'

/** Conversations that are tokenised at once. */
const batchSize = 128

interface Waiting {
  conversation: Conversation
  place: string
}

/**
 * Reads every row once and shows it to the observers: as row, as conversation and as tokens. A row that cannot be
 * used is shown as refused and does not end the reading. Nothing is kept of a row.
 *
 * @returns errors that ended the reading of a file
 */
export async function scanData(patient: Patient, observers: readonly DataObserver[]): Promise<FettleError[]> {
  const broken: FettleError[] = []
  // Training data first: what is held out is compared with it.
  const files = patient.data.toSorted((a, b) => Number(a.split === 'eval') - Number(b.split === 'eval'))
  for (const file of files) {
    try {
      await scanFile(patient, file, observers)
    } catch (error) {
      broken.push(asFettleError(error, file.path))
    }
  }
  return broken
}

async function scanFile(patient: Patient, file: DataFile, observers: readonly DataObserver[]): Promise<void> {
  const { split } = file
  const source = sourceOf(file)
  const read = createRowReader(source)
  let waiting: Waiting[] = []
  const refuse = (place: string, stage: 'format' | 'template', error: unknown) => {
    const refusal = { place, stage, error: asFettleError(error) }
    for (const observer of observers) observer.refused?.(refusal)
  }
  const flush = async () => {
    const encoded = await encodeAll(patient, waiting, (place, error) => refuse(place, 'template', error))
    for (const { conversation, place, example } of encoded)
      for (const observer of observers) observer.example?.({ place, split, conversation, example })
    waiting = []
  }
  for await (const row of readRows(source)) {
    const place = formatOrigin(row.origin)
    for (const observer of observers) observer.row?.(row, place, split)
    let conversation: Conversation | undefined
    try {
      conversation = read(row)
    } catch (error) {
      refuse(place, 'format', error)
    }
    if (conversation === undefined) continue
    for (const observer of observers) observer.conversation?.(conversation, place, split)
    waiting.push({ conversation, place })
    if (waiting.length >= batchSize) await flush()
  }
  await flush()
}

function sourceOf({ path, config, slice, format, columns, roles, messageKeys }: DataFile): DataSource {
  const known = dataFormats.find((name): name is DataFormat => name === format)
  return {
    path,
    format: known ?? 'auto',
    ...(config !== undefined && { config }),
    ...(slice !== undefined && { split: slice }),
    ...(columns && { columns }),
    ...(roles && { roles }),
    ...(messageKeys && { messageKeys }),
  }
}

/** Tokenises a batch; when one of it is refused, each by itself, so that the others are still seen. */
async function encodeAll(
  patient: Patient,
  waiting: readonly Waiting[],
  refuse: (place: string, error: unknown) => void,
): Promise<(Waiting & { example: EncodedExample })[]> {
  const { tokenizer: facts } = patient
  const usable = waiting.filter(({ conversation }) => canEncode(patient, conversation))
  if (facts === undefined || usable.length === 0) return []
  const options = encodeOptions(patient)
  const encode = async (items: readonly Waiting[]) => {
    const examples: EncodedExample[] = []
    const conversations = items.map(({ conversation }) => conversation)
    for await (const example of encodeConversations(conversations, facts.tokenizer, options))
      examples.push(example)
    return items.map((item, i) => ({ ...item, example: examples[i] }))
  }
  try {
    return await encode(usable)
  } catch {
    const found: (Waiting & { example: EncodedExample })[] = []
    for (const item of usable)
      try {
        found.push(...(await encode([item])))
      } catch (error) {
        refuse(item.place, error)
      }
    return found
  }
}

/** What a tokenizer without template or eos cannot do is a diagnosis of its own, not one for every row. */
function canEncode({ tokenizer: facts }: Patient, { kind }: Conversation): boolean {
  if (facts === undefined) return false
  if (kind === 'messages') return facts.template !== undefined
  return kind === 'tokens' || (facts.tokenizer.eosToken ?? '') !== ''
}

function encodeOptions({ run }: Patient): ExampleOptions {
  const policy: MaskPolicy = { accept: ['dropped', 'inferred', 'no-stop'] }
  if (run?.learn) policy.learn = run.learn
  if (run?.trainOnInput) policy.trainOnInput = true
  // Ids beyond the tokenizer are a diagnosis, not a reason to stop reading.
  return { policy, vocabSize: Number.MAX_SAFE_INTEGER }
}

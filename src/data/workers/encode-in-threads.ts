import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { batchesOf, inOrder, type ConversationBatch } from '../examples/conversation-batches.ts'
import type { Conversation } from '../conversations/conversation.ts'
import { encodeOrSkip, type EncodedExample, type ExampleOptions } from '../examples/encode-conversations.ts'
import { addReport, createDataReport, takeReport, type DataReport } from '../report.ts'
import type { EncodedBatch, EncodingPool } from './encoding-pool.ts'

/**
 * As `encodeConversations`, in threads as soon as there is enough to do for them. Examples, errors and report are the same, whatever the
 * number of threads; only texts, which nobody trains on, may be absent.
 *
 * @param reading  what those who make the conversations write their report to: it goes over to that of the options, in the order
 *   of the rows
 */
export async function* encodeInThreads(
  conversations: AsyncIterable<Conversation>,
  tokenizer: Tokenizer,
  options: ExampleOptions & { report: DataReport; reading: DataReport },
  pool: EncodingPool,
): AsyncGenerator<EncodedExample> {
  const { report, reading, ...given } = options
  const here = async ({ conversations: items }: ConversationBatch): Promise<EncodedBatch> => {
    const own = createDataReport()
    return { examples: await encodeOrSkip(items, tokenizer, { ...given, report: own }), report: own }
  }
  const there = async (batch: ConversationBatch): Promise<EncodedBatch> => {
    try {
      return await pool.encode(batch.conversations)
    } catch (error) {
      if (error instanceof FettleError) throw error
      // Values that no thread can be given, or a thread that ran out of memory.
      return here(batch)
    }
  }
  const encode = shared(pool, here, there)
  const batches = inOrder(batchesOf(conversations), (batch) => {
    pool.expect(batch.characters)
    const read = takeReport(reading)
    return {
      encode: async (next) => ({ read, encoded: await encode(next) }),
      depth: pool.isReady ? batchesAhead : 1,
    }
  })
  for await (const { read, encoded } of batches) {
    addReport(report, read)
    addReport(report, encoded.report)
    yield* encoded.examples
  }
  addReport(report, takeReport(reading))
}

/**
 * Batches on their way while there are threads: enough for this one to go on while another, which is not warm yet, is at one of them.
 */
const batchesAhead = 32

/**
 * Gives each batch to whoever is free first: the threads, and this one for what they have no time for.
 *
 * @returns  encodes a batch
 */
function shared(
  pool: EncodingPool,
  here: (batch: ConversationBatch) => Promise<EncodedBatch>,
  there: (batch: ConversationBatch) => Promise<EncodedBatch>,
): (batch: ConversationBatch) => Promise<EncodedBatch> {
  const waiting: { batch: ConversationBatch; take: (encoded: Promise<EncodedBatch>) => void }[] = []
  let isBusy = false
  const begin = async (encodeIt: typeof here): Promise<void> => {
    const next = waiting.shift()
    if (next === undefined) return
    if (encodeIt === here) isBusy = true
    const encoded = encodeIt(next.batch)
    next.take(encoded)
    await encoded.catch(() => {})
    if (encodeIt === here) isBusy = false
    dispatch()
  }
  const dispatch = (): void => {
    while (waiting.length > 0 && pool.hasRoom) void begin(there)
    if (waiting.length > 0 && !isBusy) void begin(here)
  }
  return (batch) =>
    new Promise((take) => {
      waiting.push({ batch, take })
      dispatch()
    })
}

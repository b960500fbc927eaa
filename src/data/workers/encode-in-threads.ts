import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { batchesOf, inOrder, type ConversationBatch } from '../conversation-batches.ts'
import type { Conversation } from '../conversation.ts'
import { encodeOrSkip, type EncodedExample, type ExampleOptions } from '../encode-conversations.ts'
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
  const here = async (batch: ConversationBatch): Promise<EncodedBatch> => {
    const own = createDataReport()
    return {
      examples: await encodeOrSkip(batch.conversations, tokenizer, { ...given, report: own }),
      report: own,
    }
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
  const batches = inOrder(batchesOf(conversations), (batch) => {
    pool.expect(batch.characters)
    const { depth } = pool
    const encode = depth === 0 ? here : there
    const read = takeReport(reading)
    return {
      encode: async (given) => ({ read, encoded: await encode(given) }),
      depth: Math.max(1, depth),
    }
  })
  for await (const { read, encoded } of batches) {
    addReport(report, read)
    addReport(report, encoded.report)
    yield* encoded.examples
  }
  addReport(report, takeReport(reading))
}

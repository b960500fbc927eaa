// The program of a worker thread that turns conversations into tokens; `encoding-pool.ts` starts it.
import { parentPort, workerData } from 'node:worker_threads'
import { FettleError } from '../../error.ts'
import { tokenizerOfSnapshot } from '../../tokenizer/index.ts'
import type { Conversation } from '../conversations/conversation.ts'
import { encodeOrSkip } from '../examples/encode-conversations.ts'
import { createDataReport } from '../report.ts'
import { uncarry } from './carry.ts'
import { buffersOf, flatten } from './flat-examples.ts'
import type { WorkerOptions, WorkerReply, WorkerSetup, WorkerTask } from './messages.ts'

const setup = workerData as WorkerSetup
const tokenizer = tokenizerOfSnapshot(setup.tokenizer)
const options = uncarry(setup.options) as WorkerOptions

function reply(message: WorkerReply, transferred: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transferred)
}

async function work({ task, conversations: carried }: WorkerTask): Promise<void> {
  const report = createDataReport()
  try {
    const conversations = uncarry(carried) as Conversation[]
    const made = await encodeOrSkip(conversations, tokenizer, { ...options, report })
    const examples = flatten(made, conversations)
    reply({ kind: 'done', task, examples, report }, buffersOf(examples))
  } catch (error) {
    if (error instanceof FettleError)
      reply({ kind: 'refused', task, problems: error.problems, exitCode: error.exitCode })
    else reply({ kind: 'failed', task, error })
  }
}

let last: Promise<void> = Promise.resolve()
parentPort?.on('message', (task: WorkerTask) => {
  last = last.then(() => work(task))
})
reply({ kind: 'ready' })

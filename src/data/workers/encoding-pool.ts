import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { FettleError } from '../../error.ts'
import { snapshotOf, type Tokenizer } from '../../tokenizer/index.ts'
import type { Conversation } from '../conversations/conversation.ts'
import type { EncodedExample } from '../examples/encode-conversations.ts'
import type { DataReport } from '../report.ts'
import { carry } from './carry.ts'
import { unflatten } from './flat-examples.ts'
import type { WorkerOptions, WorkerReply, WorkerSetup, WorkerTask } from './messages.ts'

/** Threads that tokenise conversations; they start when there is enough to do for them. */
export interface EncodingPool {
  /** Says how much there is to do: what is known of it before, and then what was seen of it. */
  expect(characters: number): void
  /** Whether any thread is ready. */
  readonly isReady: boolean
  /** Whether a thread would soon have nothing to do. */
  readonly hasRoom: boolean
  /**
   * The examples of a batch, without their texts, in order.
   *
   * @throws FettleError as `encodeConversations` does; another error where a thread cannot do it, which says nothing of the batch
   */
  encode(conversations: readonly Conversation[]): Promise<EncodedBatch>
  /** Waits for the threads that are starting, where there are any. */
  started(): Promise<void>
  /** Ends the threads, whatever they are doing. */
  close(): Promise<void>
}

/** What a thread made of a batch. */
export interface EncodedBatch {
  examples: EncodedExample[]
  report: DataReport
}

/** Threads that one process starts at most: behind them whoever reads the rows would be too slow. */
const mostWorkers = 7
/** Characters of conversations that are worth starting threads for, which costs each half a second of a core. */
const worthStarting = 4 << 20
/** Batches that a thread has before it: it never waits for the next. */
const batchesAhead = 2
/** Of the space of young objects: V8 would let each thread's grow to three times this, and what it holds are texts that are gone soon. */
const youngMib = 24

/** The threads' program, beside the built files; from src/ it is found where `npm run build` put it. */
const program = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/encoding-worker.mjs', import.meta.url)
  : new URL('./encoding-worker.mjs', import.meta.url)

/**
 * A pool without threads yet. It never gets any where there is one core, where fettle is part of another program's bundle, or where
 * options cannot be handed to a thread.
 *
 * @param threadCount  at most so many, with the one that reads the rows, which encodes as well; default one a core
 */
export function createEncodingPool(
  tokenizer: Tokenizer,
  options: WorkerOptions,
  threadCount = availableParallelism(),
): EncodingPool {
  const count = Math.min(mostWorkers, threadCount - 1)
  let expected = 0
  let threads: EncodingThread[] | undefined
  let canStart = count > 0 && existsSync(program)

  function start(): void {
    const setup: WorkerSetup = { tokenizer: snapshotOf(tokenizer), options: carry(options) }
    try {
      threads = Array.from({ length: count }, () => startThread(setup))
    } catch (error) {
      // A function among the variables of a template, for instance.
      if (!(error instanceof DOMException)) throw error
      canStart = false
    }
  }

  const ready = (): EncodingThread[] => threads?.filter(({ isReady }) => isReady) ?? []
  return {
    expect(characters) {
      expected += characters
      if (canStart && threads === undefined && expected >= worthStarting) start()
    },
    get isReady() {
      return ready().length > 0
    },
    get hasRoom() {
      return ready().some(({ waiting }) => waiting < batchesAhead)
    },
    async encode(conversations) {
      const least = ready().toSorted((a, b) => a.waiting - b.waiting)[0]
      if (least === undefined) throw new Error('no thread is ready')
      return least.encode(conversations)
    },
    async started() {
      await Promise.all(threads?.map((thread) => thread.started) ?? [])
    },
    async close() {
      canStart = false
      await Promise.all(threads?.map((thread) => thread.end()) ?? [])
      threads = undefined
    },
  }
}

interface EncodingThread {
  readonly isReady: boolean
  /** Settles when it is ready, or never will be. */
  readonly started: Promise<void>
  /** Batches that it has not answered. */
  readonly waiting: number
  encode(conversations: readonly Conversation[]): Promise<EncodedBatch>
  end(): Promise<void>
}

interface Waiting {
  conversations: readonly Conversation[]
  resolve: (batch: EncodedBatch) => void
  reject: (error: unknown) => void
}

function startThread(setup: WorkerSetup): EncodingThread {
  const worker = new Worker(program, {
    workerData: setup,
    // What this process was started with is not for its threads, such as a profiler.
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: youngMib },
  })
  const waiting = new Map<number, Waiting>()
  let isReady = false
  let next = 0
  let hasStarted = (): void => {}
  const started = new Promise<void>((resolve) => (hasStarted = resolve))
  worker.on('message', (reply: WorkerReply) => {
    if (reply.kind === 'ready') {
      isReady = true
      hasStarted()
      return
    }
    const asked = waiting.get(reply.task)
    waiting.delete(reply.task)
    if (waiting.size === 0) worker.unref()
    if (reply.kind === 'done')
      asked?.resolve({ examples: unflatten(reply.examples, asked.conversations), report: reply.report })
    else if (reply.kind === 'refused')
      asked?.reject(new FettleError(reply.problems, { exitCode: reply.exitCode }))
    else asked?.reject(reply.error)
  })
  const fail = (error: unknown): void => {
    isReady = false
    hasStarted()
    worker.unref()
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('a thread that prepares data has ended')))
  // A process that is done does not wait for its threads, but for what it asked of them.
  worker.unref()
  return {
    get isReady() {
      return isReady
    },
    started,
    get waiting() {
      return waiting.size
    },
    encode(conversations) {
      return new Promise((resolve, reject) => {
        const task: WorkerTask = { task: next++, conversations: carry(conversations) }
        worker.postMessage(task)
        worker.ref()
        waiting.set(task.task, { conversations, resolve, reject })
      })
    },
    async end() {
      await worker.terminate()
    },
  }
}

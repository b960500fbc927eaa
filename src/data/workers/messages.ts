import type { Problem } from '../../error.ts'
import type { TokenizerSnapshot } from '../../tokenizer/index.ts'
import type { ExampleOptions } from '../examples/encode-conversations.ts'
import type { DataReport } from '../report.ts'
import type { Carried } from './carry.ts'
import type { FlatExamples } from './flat-examples.ts'

/** What an encoding worker is started with. */
export interface WorkerSetup {
  tokenizer: TokenizerSnapshot
  /** `ExampleOptions` without the report. */
  options: Carried
}

/** Conversations to be encoded. */
export interface WorkerTask {
  task: number
  conversations: Carried
}

/** What a worker says: that it is ready, what came of a task, or why nothing did. */
export type WorkerReply =
  | { kind: 'ready' }
  | { kind: 'done'; task: number; examples: FlatExamples; report: DataReport }
  | { kind: 'refused'; task: number; problems: readonly Problem[]; exitCode: 1 | 2 }
  | { kind: 'failed'; task: number; error: unknown }

/** The options that a worker is given: what happened is told by its replies. */
export type WorkerOptions = Omit<ExampleOptions, 'report'>

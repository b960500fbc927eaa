import type { Problem } from '../error.ts'
import type { UnloadedModel } from '../model/index.ts'
import type { ModelPaths } from '../pipeline/index.ts'
import type { GenerationConfig, StopSet, Tokenizer } from '../tokenizer/index.ts'

/** What is exported: a model whose weights are still in its files, and all that belongs to it. */
export interface ExportSource {
  paths: ModelPaths
  /** With the adapter on it, not merged yet: `model.merge()` does. */
  model: UnloadedModel
  tokenizer: Tokenizer
  /** The adapter's where it has one, above the model's. */
  generationConfig: GenerationConfig
  /** The tokens that end an answer. */
  stopSet: StopSet
}

/** How far an export is. */
export interface ExportProgress {
  /** Tensors written, and all that there are. */
  tensors: number
  all: number
  /** When they are written: rows that were asked for the certificate, of all that are, by the live model and each form. */
  rows?: { done: number; all: number }
}

/** Where a format writes, and what was asked of it. */
export interface ExportTarget {
  /** An empty folder: what lies in it at the end is the export. */
  folder: string
  /** What the file is to be called in it, where the format is one file. */
  name: string
  /** One of the format's types. */
  type: string
  /** All that were asked for, of a format that takes several at once; `type` is the first. */
  types: readonly string[]
  /** Above so many bytes weights go to several files. */
  maxShardBytes: number
  /** Is told of each tensor before it is read; throws where the export is to end. */
  onTensor(written: number, all: number): void
}

/** Writes a model; what it returns is to be said to the user. */
export type WriteExport = (source: ExportSource, target: ExportTarget) => Promise<readonly Problem[] | void>

/** A format that models are exported to. */
export interface ExportFormat {
  /** What it is for, in the help. */
  summary: string
  /** What weights can be stored in, the default first. */
  types: readonly string[]
  /** Whether one export can have several of them, a file each. */
  takesSeveral?: true
  /** Whether `output` is a file, whose name ends so, or a folder. */
  extension: string | null
  /** Whether it is an adapter alone: there must be one. */
  isAdapter?: true
  /** Loads what writes it when it is asked for. */
  load(): Promise<WriteExport>
}

/** A file that was written. */
export interface ExportedFile {
  path: string
  bytes: number
}

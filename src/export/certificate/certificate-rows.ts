import { parametersOf, shapeOf } from '../../model/index.ts'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { ExportSource } from '../format.ts'
import type { ExportOptions } from '../options.ts'
import type { RunEvaluation } from '../../train/index.ts'
import { readEvaluationPrompts, rowsOfFiles, type EvaluationPrompt } from './evaluation-prompts.ts'

/** What the forms are asked, and where it comes from; or why nothing is. */
export interface CertificateRows {
  prompts: EvaluationPrompt[]
  /** Whose rows they are: files that somebody named, or what the run that made the adapter kept, or learned. */
  from?: RowsFrom
  note?: string
}

/** Where rows come from. */
export type RowsFrom = 'files' | 'eval_data' | 'val_size' | 'validation split' | 'training data'

const usualCount = 8
/** What a model takes, of what its float32 weights do. */
const memoryShare = 1.2

/**
 * The rows of the files that were named; without them the evaluation rows of the run that wrote the adapter, or the model, where the live
 * model fits the memory.
 */
export async function certificateRows(
  source: Pick<ExportSource, 'paths' | 'tokenizer' | 'model'>,
  { evalData = [], certificateRows: count = usualCount }: ExportOptions,
): Promise<CertificateRows> {
  const { paths, tokenizer } = source
  if (count === 0) return { prompts: [], note: 'No rows were asked: --certificate-rows 0.' }
  const files = [evalData].flat()
  // Training is loaded where something was exported: it brings much.
  const { findRunEvaluation, machineMemory } = await import('../../train/index.ts')
  const run = await orNote(findRunEvaluation(paths.adapter ?? paths.model))
  const known = typeof run === 'object' ? run : undefined
  if (files.length > 0) return named(await promptsOfFiles(files, known, tokenizer, count), 'files')
  if (typeof run === 'string') return { prompts: [], note: `${run}; name others with --eval-data FILE.` }
  if (run === undefined) return { prompts: [], note: 'No evaluation rows were given: --eval-data FILE.' }
  const { bytes, ownBytes } = machineMemory()
  const tooLarge = whatIsMissing(source, bytes - ownBytes)
  if (tooLarge !== undefined) return { prompts: [], note: tooLarge }
  const prompts = await orNote(readEvaluationPrompts(run, tokenizer, count))
  return typeof prompts === 'string' ? { prompts: [], note: prompts } : named(prompts, run.role)
}

/** What nobody asked for ends no export: an error becomes its text. */
async function orNote<T>(promise: Promise<T>): Promise<T | string> {
  try {
    return await promise
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    const [{ place, found }] = error.problems
    return `${place}: ${found}`
  }
}

/** Rows as the run made them of its own; without a run as they are found to be: answered, pairs, or prompts alone. */
async function promptsOfFiles(
  files: readonly string[],
  run: RunEvaluation | undefined,
  tokenizer: Tokenizer,
  count: number,
): Promise<EvaluationPrompt[]> {
  const plain = { preferences: undefined, isPrompts: false, variables: {} }
  const kinds = run
    ? [run]
    : [plain, { ...plain, preferences: 'pairs' as const }, { ...plain, isPrompts: true }]
  for (const kind of kinds) {
    const prompts = await readEvaluationPrompts(rowsOfFiles(files, kind), tokenizer, count)
    if (prompts.length > 0) return prompts
  }
  return []
}

function named(prompts: EvaluationPrompt[], from: RowsFrom): CertificateRows {
  return prompts.length > 0
    ? { prompts, from }
    : { prompts, note: 'No row has a prompt that could be asked.' }
}

/** Why a model is not run that nobody asked to run. */
function whatIsMissing({ model }: Pick<ExportSource, 'model'>, room: number): string | undefined {
  const counts = parametersOf(model.architecture).map((each) =>
    shapeOf(each).reduce((all, size) => all * size, 1),
  )
  const needed = counts.reduce((sum, count) => sum + count, 0) * 4 * memoryShare
  if (needed <= room) return undefined
  const gib = (value: number) => (value / 2 ** 30).toFixed(1)
  return `The live model takes about ${gib(needed)} GiB in float32, and ${gib(room)} are free: it was not run. --eval-data FILE runs it all the same.`
}

import { parametersOf, shapeOf } from '../../model/index.ts'
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
export type RowsFrom = RunEvaluation['role'] | 'files'

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
  const run = await findRunEvaluation(paths.adapter ?? paths.model)
  const known = typeof run === 'object' ? run : undefined
  if (files.length > 0) {
    const how = known ?? { preferences: undefined, isPrompts: false, variables: {} }
    return named(await readEvaluationPrompts(rowsOfFiles(files, how), tokenizer, count), 'files')
  }
  if (typeof run === 'string') return { prompts: [], note: `${run}; name others with --eval-data FILE.` }
  if (run === undefined)
    return {
      prompts: [],
      note: 'No evaluation rows were given: --eval-data FILE.',
    }
  const { bytes, ownBytes } = machineMemory()
  const tooLarge = whatIsMissing(source, bytes - ownBytes)
  if (tooLarge !== undefined) return { prompts: [], note: tooLarge }
  return named(await readEvaluationPrompts(run, tokenizer, count), run.role)
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

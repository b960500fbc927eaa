import {
  createDataReport,
  createSourceReport,
  type DataReport,
  type InvalidRowOptions,
  type SourceReport,
} from '../report.ts'
import { sourceName, type DataSource } from '../row-options.ts'
import type { Row } from '../row.ts'
import { isHeldOut } from './held-out.ts'
import { interleave, type StoppingStrategy } from './interleave.ts'
import { createOpening, type OpenedRow } from './open-sources.ts'
import { shuffleBuffer } from './shuffle-buffer.ts'
import { weightsOf } from './weights.ts'

/** How the rows of several sources become one stream. */
export interface MixOptions extends InvalidRowOptions {
  /** Decides the order of sources with weights, that of `shuffleBuffer` and what is held out (default 42). */
  seed?: number | undefined
  /** When mixing by weight ends (default `first_exhausted`). */
  stoppingStrategy?: StoppingStrategy | undefined
  /** Rows that are held to be shuffled as they stream (default none). */
  shuffleBuffer?: number | undefined
  /** Leave out rows that say the same as an earlier one (default false). */
  deduplicate?: boolean | undefined
  /** The part of the rows that is held out for evaluation (default none); their origin says so. */
  valSize?: number | undefined
  /** Is told what was found in each source (default one of its own, which the report has, too). */
  found?: SourceReport[] | undefined
}

/** A row, and which source it is of. */
export interface MixedRow {
  row: Row
  source: number
}

/**
 * The rows of all sources in the order in which they are learned: one source after the other, or mixed by weight; mapped, without
 * duplicates, with those marked that are held out for evaluation, and shuffled. Of a row that was read two numbers are kept at most, and
 * the rows of the buffer.
 *
 * @throws FettleError that names file and line of what cannot be read; when a source of a mixture has no rows; when only some sources have
 *   a weight; when a stream would have to be read again
 */
export async function* readMixedRows(
  sources: readonly DataSource[],
  options: MixOptions = {},
): AsyncGenerator<MixedRow> {
  const { seed = 42, shuffleBuffer: held = 0, report = createDataReport() } = options
  const { found = sourceReports(sources) } = options
  report.sources = found
  const mixing = { ...options, report, found, seed }
  const rows = markHeldOut(mixRows(sources, mixing), mixing)
  yield* held > 1 ? shuffleBuffer(rows, held, seed) : rows
}

/** What there is to say of each source before it is read. */
export function sourceReports(sources: readonly DataSource[]): SourceReport[] {
  return sources.map((source) => ({
    ...createSourceReport(sourceName(source)),
    ...(source.weight !== undefined && { weight: source.weight }),
  }))
}

type Mixing = MixOptions & { report: DataReport; found: SourceReport[]; seed: number }

async function* mixRows(sources: readonly DataSource[], options: Mixing): AsyncGenerator<OpenedRow> {
  const { seed, stoppingStrategy = 'first_exhausted', deduplicate = false, valSize } = options
  const withKeys = deduplicate || valSize !== undefined
  const open = createOpening(sources, { ...options, deduplicate, withKeys })
  const weights = weightsOf(sources)
  if (weights !== undefined) yield* interleave(open, { weights, seed, stoppingStrategy })
  else for (const source of sources.keys()) yield* open(source, false)
}

async function* markHeldOut(
  rows: AsyncIterable<OpenedRow>,
  { valSize, seed, report }: Mixing,
): AsyncGenerator<MixedRow> {
  for await (const { row, source, key, isRepeated } of rows) {
    const isOut = valSize !== undefined && key !== undefined && isHeldOut(key, valSize, seed)
    // Evaluation sees each row once.
    if (isOut && isRepeated) continue
    if (isRepeated) report.repeated += 1
    if (isOut) report.heldOut += 1
    yield { row: isOut ? { ...row, origin: { ...row.origin, heldOut: true } } : row, source }
  }
}

import { createTokenLedger, truncate, type LedgerReport } from '../../batch/index.ts'
import {
  createDataReport,
  createExampleStore,
  formatOrigin,
  formatRows,
  prepareExamples,
  sourceName,
  type DataReport,
  type DataSource,
  type EncodedExample,
  type Example,
  type ExampleStore,
  type MixOptions,
  type Origin,
  type PreferenceKind,
} from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { plural } from '../../plural.ts'
import { maskPolicyOf, type TrainOptions } from '../options/index.ts'
import { refuseUnknownTokens } from '../preparation/index.ts'
import { createDataHash } from '../runs/index.ts'

/** Answers in memory, as tokens with their mask. */
export interface AnswerSet {
  store: ExampleStore
  /** Examples of each item in the store: a chosen and a rejected answer, or one answer and, where its row has one, a mismatched one. */
  items: number[][]
  /** Of each item: whether its answer is wanted. */
  labels: boolean[]
  /** By how much the chosen answer of an item should win, where its row says so. */
  margins: ReadonlyMap<number, number>
  truncation: LedgerReport
  hash: string
  report: DataReport
}

/** How answers are read. */
interface Reading {
  options: TrainOptions
  mix: MixOptions
  tokenizer: Tokenizer
  vocabSize: number
  signal?: AbortSignal | undefined
}

/**
 * Reads preferences. Pairs whose answers are equal teach nothing, and of those whose prompt alone fills max_length no answer is left:
 * both are left out, counted and named.
 *
 * @returns the answers, and those of them that are held out for evaluation
 * @throws FettleError that names the row that cannot be used, or says that nothing is left to learn from
 */
export async function readAnswerSets(
  sources: readonly DataSource[],
  kind: PreferenceKind,
  { options, mix, tokenizer, vocabSize, signal }: Reading,
): Promise<{ set: AnswerSet; heldOut?: AnswerSet | undefined }> {
  const report = createDataReport()
  const [set, heldOut] = [createGathering(kind, options), createGathering(kind, options)]
  const examples = prepareExamples(sources, tokenizer, {
    ...mix,
    // What is scored as a whole has no borders.
    policy: kind === 'comparisons' ? { accept: ['dropped', 'inferred', 'no-stop'] } : maskPolicyOf(options),
    variables: options.chatTemplateKwargs,
    vocabSize,
    skipInvalid: options.skipInvalid,
    report,
    threads: 1,
    preferences: kind,
  })
  for await (const row of rowsOf(examples)) {
    signal?.throwIfAborted()
    for (const answer of row) {
      refuseUnknownTokens(answer.inputIds, answer.origin, { tokenizer, vocabSize })
      if (kind !== 'comparisons') refuseUnlearned(answer)
    }
    ;(row[0].origin.heldOut === true ? heldOut : set).add(row)
  }
  report.notes.push(...set.notes(), ...heldOut.notes())
  if (set.count === 0)
    throw new FettleError({
      place: sources.map(sourceName).join(', '),
      found: ['nothing to learn from', ...set.notes()].join('; '),
      expected: kind === 'answers' ? 'at least one answer' : 'at least one pair',
      cure: `Look at the rows with fettle inspect --method; longer ${kind === 'comparisons' ? 'answers need a larger max_length' : 'prompts need a larger max_length, or truncation_mode: keep_end'}.`,
    })
  return { set: set.finish(report), heldOut: heldOut.count === 0 ? undefined : heldOut.finish(report) }
}

/** Collects the answers of a set. */
function createGathering(kind: PreferenceKind, options: TrainOptions) {
  const limits = { maxLength: options.maxLength, mode: options.truncationMode }
  const ledger = createTokenLedger(limits)
  const store = createExampleStore()
  const hash = createDataHash()
  const items: number[][] = []
  const labels: boolean[] = []
  const margins = new Map<number, number>()
  const equal: Origin[] = []
  const tooLong: Origin[] = []
  const isPair = kind !== 'answers'
  const what = isPair ? 'pair' : 'answer'
  const isTooLong = (example: Example): boolean =>
    kind === 'comparisons'
      ? example.inputIds.length > options.maxLength
      : truncate(example, limits).cut?.isLost === true
  const addAnswer = (example: Example): number => {
    const admitted = ledger.admit(example) ?? example
    // Answers meet other prompts too, and are cut where they stand then.
    store.add(isPair ? admitted : example)
    hash.add(admitted.inputIds, admitted.mask)
    return store.count - 1
  }
  return {
    get count() {
      return items.length
    },
    /** The answers of a row. */
    add(row: readonly Example[]) {
      const [first, second] = row
      const { part, margin } = first.origin
      // Its other answer was left out.
      if (isPair && (part !== 'chosen' || second?.origin.part !== 'rejected')) return
      if (part === 'mismatched') return
      if (isPair && isSame(first.inputIds, second.inputIds)) equal.push(first.origin)
      else if (row.some(isTooLong)) tooLong.push(first.origin)
      else {
        items.push(row.map(addAnswer))
        labels.push(part === 'chosen' || part === 'desirable')
        if (margin !== undefined) margins.set(items.length - 1, margin)
        hash.add(new Int32Array(0), Uint8Array.of(labels[labels.length - 1] ? 1 : 0))
        if (margin !== undefined) hash.add(new Int32Array(0), new Uint8Array(Float64Array.of(margin).buffer))
      }
    },
    notes: () => [
      ...(equal.length > 0
        ? [
            `${plural(equal.length, 'pair is', 'pairs are')} left out, as chosen and rejected are equal: ${formatRows(equal)}`,
          ]
        : []),
      ...(tooLong.length > 0
        ? [
            `${plural(tooLong.length, `${what} is`, `${what}s are`)} left out, as ${kind === 'comparisons' ? 'an answer and its prompt are longer than' : 'the prompt alone fills'} max_length ${options.maxLength}: ${formatRows(tooLong)}`,
          ]
        : []),
    ],
    finish(report: DataReport): AnswerSet {
      const truncation = ledger.report()
      const lostExamples = truncation.lostExamples + tooLong.length
      return {
        store,
        items,
        labels,
        margins,
        truncation: { ...truncation, lostExamples },
        hash: hash.digest(),
        report,
      }
    },
  }
}

/** The answers of each row, which follow one another. */
async function* rowsOf(examples: AsyncIterable<EncodedExample>): AsyncGenerator<EncodedExample[]> {
  let row: EncodedExample[] = []
  for await (const example of examples) {
    const { part } = example.origin
    const belongs = part === 'rejected' || part === 'mismatched'
    if (row.length > 0 && !(belongs && isSameRow(row[0].origin, example.origin))) {
      yield row
      row = []
    }
    row.push(example)
  }
  if (row.length > 0) yield row
}

function isSameRow(a: Origin, b: Origin): boolean {
  return a.file === b.file && a.line === b.line && a.row === b.row
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i])
}

/** @throws FettleError at an answer of which nothing is learned */
function refuseUnlearned({ mask, origin }: Example): void {
  if (mask.includes(1, 1)) return
  throw new FettleError({
    place: formatOrigin(origin),
    found: 'an answer of which nothing is learned',
    expected: 'a message of the assistant, or a text that is not empty',
  })
}

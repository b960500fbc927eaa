import { availableParallelism } from 'node:os'
import { createTokenLedger, type LedgerReport } from '../batch/index.ts'
import {
  createDataReport,
  createExampleStore,
  formatOrigin,
  prepareExamples,
  sourceName,
  type DataReport,
  type DataSource,
  type EncodedExample,
  type ExampleStore,
  type MixOptions,
} from '../data/index.ts'
import { FettleError } from '../error.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import { maskPolicyOf, type TrainOptions } from './options/index.ts'
import { createDataHash } from './runs/index.ts'

/** A data set in memory, as tokens with their mask, and what truncation took from it. */
export interface PreparedSet {
  store: ExampleStore
  truncation: LedgerReport
  /** Examples left out because no token of them is learned. */
  withoutLearned: number
  /** Of the examples, in their order. */
  hash: string
  report: DataReport
}

/** What comes of sources: what is trained on, and what of them is held out. */
export interface PreparedSources {
  examples: PreparedSet
  heldOut?: PreparedSet
}

/** What reads and tokenises the sources of a run, and truncates their examples. */
export function createPreparation(
  options: TrainOptions,
  tokenizer: Tokenizer,
  vocabSize: number,
  signal: AbortSignal | undefined,
): (sources: readonly DataSource[], mix?: MixOptions) => Promise<PreparedSources> {
  return async (sources, mix = {}) => {
    const report = createDataReport()
    const train = createSet(options)
    const heldOut = createSet(options)
    const examples = prepareExamples(sources, tokenizer, {
      ...mix,
      policy: maskPolicyOf(options),
      perTurn: options.perTurn,
      variables: options.chatTemplateKwargs,
      vocabSize,
      skipInvalid: options.skipInvalid,
      report,
      threads: options.threads ?? availableParallelism(),
    })
    for await (const example of examples) {
      signal?.throwIfAborted()
      refuseUnknownTokens(example, tokenizer, vocabSize)
      const set = example.origin.heldOut === true ? heldOut : train
      set.add(example)
    }
    const place = sources.map(sourceName).join(', ')
    refuseEmptySplit(place, mix.valSize, report)
    const prepared = { examples: train.finish(place, report) }
    return mix.valSize === undefined
      ? prepared
      : { ...prepared, heldOut: heldOut.finish(`${place} (val_size)`, createDataReport()) }
  }
}

/** A set that examples are added to. */
function createSet({ packing, packingStrategy, maxLength, truncationMode }: TrainOptions) {
  // The strategies that split long examples need no truncation.
  const cuts = !packing || packingStrategy === 'bfd'
  const ledger = createTokenLedger({
    maxLength: cuts ? maxLength : Number.POSITIVE_INFINITY,
    mode: truncationMode,
  })
  const store = createExampleStore()
  const hash = createDataHash()
  let withoutLearned = 0
  return {
    add(example: EncodedExample): void {
      if (!example.mask.includes(1, 1)) {
        withoutLearned += 1
        return
      }
      const admitted = ledger.admit(example)
      if (!admitted) return
      store.add(admitted)
      hash.add(admitted.inputIds, admitted.mask)
    },
    /** @param place  what an error calls the set */
    finish(place: string, report: DataReport): PreparedSet {
      if (store.count === 0)
        throw new FettleError({
          place,
          found: `answers that all lie beyond max_length ${maxLength}`,
          expected: 'learned tokens within it',
          cure: 'Raise max_length, or set truncation_mode: keep_end.',
        })
      return { store, truncation: ledger.report(), withoutLearned, hash: hash.digest(), report }
    },
  }
}

/** Chance decides about each row: of a few it may take none, or all. */
function refuseEmptySplit(place: string, valSize: number | undefined, { rows, heldOut }: DataReport): void {
  if (valSize === undefined) return
  const found = heldOut === 0 ? 'no row was held out' : heldOut >= rows ? 'every row was held out' : undefined
  if (found === undefined) return
  throw new FettleError({
    place: `val_size ${valSize}`,
    found: `${found} of the ${rows} of ${place}`,
    expected: 'rows on both sides',
    cure: 'Set another val_size or seed, or put rows for evaluation into a file of their own (eval_data).',
  })
}

function refuseUnknownTokens(
  { inputIds, origin }: EncodedExample,
  tokenizer: Tokenizer,
  vocabSize: number,
): void {
  const unknown = inputIds.find((id) => id >= vocabSize)
  if (unknown === undefined) return
  throw new FettleError({
    place: formatOrigin(origin),
    found: `token ${unknown} ${JSON.stringify(tokenizer.convertIdsToTokens(unknown))}`,
    expected: `tokens below ${vocabSize}, the rows of the model's embedding`,
    cure: 'Use the tokenizer of this model, or resize the embeddings with model.resizeTokenEmbeddings(tokenizer.length).',
  })
}

import { availableParallelism } from 'node:os'
import { createTokenLedger } from '../../batch/index.ts'
import {
  cacheFolder,
  createDataReport,
  prepareExamples,
  sourceName,
  type DataReport,
  type DataSource,
  type EncodedExample,
  type FileContent,
  type GrowingStore,
  type MixOptions,
} from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { PrepareEvent } from '../events.ts'
import { maskPolicyOf, type TrainOptions } from '../options/index.ts'
import { createDataHash } from '../runs/index.ts'
import { preparationKey } from './preparation-key.ts'
import { prepareProgress } from './prepare-progress.ts'
import { preparedCache, type PreparedSet } from './prepared-cache.ts'
import { refuseUnknownTokens } from './refuse-unknown-tokens.ts'

/** What comes of sources: what is trained on, and what of them is held out. */
export interface PreparedSources {
  examples: PreparedSet
  heldOut?: PreparedSet | undefined
  /** The files that they were made of. */
  files: readonly FileContent[]
  /** Where they are kept, and whether they were there before. */
  cache: string | undefined
  reused: boolean
  /** What is to be said of that. */
  notes: readonly string[]
}

/** What preparing needs besides the sources. */
export interface PreparationInput {
  options: TrainOptions
  tokenizer: Tokenizer
  /** Rows of the model's embedding. */
  vocabSize: number
  /** Ends it at the next example. */
  signal?: AbortSignal | undefined
  /** Is told how far it is. */
  tell?: ((event: PrepareEvent) => void) | undefined
}

/** What reads and tokenises the sources of a run, and truncates their examples; or finds what was made of them before. */
export function createPreparation({
  options,
  tokenizer,
  vocabSize,
  signal,
  tell = () => {},
}: PreparationInput): (
  set: PrepareEvent['set'],
  sources: readonly DataSource[],
  mix?: MixOptions,
) => Promise<PreparedSources> {
  const folder = options.cache ? cacheFolder(options.cacheDir) : undefined
  const encoding = {
    policy: maskPolicyOf(options),
    perTurn: options.perTurn,
    variables: options.chatTemplateKwargs,
    vocabSize,
    skipInvalid: options.skipInvalid,
  }
  const truncation = truncationOf(options)
  return async (set, sources, mix = {}) => {
    const decisive = { ...encoding, ...truncation }
    const key = await preparationKey({ sources, mix, tokenizer, options: decisive }, folder)
    const cache = await preparedCache(folder, key)
    const { files } = key
    const known = await cache.open()
    const told = (reused: boolean) => ({ files, cache: cache.path, reused, notes: cache.notes })
    if (known !== undefined) {
      const { examples, heldOut } = known
      return { examples, heldOut, ...told(true) }
    }
    try {
      const report = createDataReport()
      const progress = await prepareProgress(
        set,
        files.map(({ path }) => path),
        tell,
      )
      const train = createSet(options, await cache.store('examples'))
      const heldOut = mix.valSize === undefined ? undefined : createSet(options, await cache.store('heldOut'))
      const examples = prepareExamples(sources, tokenizer, {
        ...mix,
        ...encoding,
        report,
        threads: options.threads ?? availableParallelism(),
      })
      for await (const example of examples) {
        signal?.throwIfAborted()
        refuseUnknownTokens(example.inputIds, example.origin, { tokenizer, vocabSize })
        const chosen = example.origin.heldOut === true ? heldOut : train
        chosen?.add(example)
        progress.add(example, report.rows)
      }
      const place = sources.map(sourceName).join(', ')
      refuseEmptySplit(place, mix.valSize, report)
      const prepared = {
        examples: train.finish(place, report),
        ...(heldOut && { heldOut: heldOut.finish(`${place} (val_size)`, createDataReport()) }),
      }
      await cache.save(prepared)
      return { ...prepared, ...told(false) }
    } catch (error) {
      await cache.discard()
      throw error
    }
  }
}

/** The strategies that split long examples need no truncation. */
function truncationOf({ packing, packingStrategy, maxLength, truncationMode }: TrainOptions) {
  const cuts = !packing || packingStrategy === 'bfd'
  return { maxLength: cuts ? maxLength : Number.POSITIVE_INFINITY, mode: truncationMode }
}

/** A set that examples are added to. */
function createSet(options: TrainOptions, store: GrowingStore) {
  const ledger = createTokenLedger(truncationOf(options))
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
          found: `answers that all lie beyond max_length ${options.maxLength}`,
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

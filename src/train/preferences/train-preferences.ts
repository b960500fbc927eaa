import { FettleError } from '../../error.ts'
import type { DataSource, MixOptions, PreferenceKind } from '../../data/index.ts'
import { composeRun, type MethodTask, type RunContext, type TrainInput } from '../setup/compose-run.ts'
import type { TrainEvent } from '../events.ts'
import { cpo } from '../objectives/cpo.ts'
import { dpo, type AnswerDocument } from '../objectives/dpo.ts'
import { kto, type LabelledAnswer } from '../objectives/kto.ts'
import type { PlainAnswer } from '../objectives/likelihood-pairs.ts'
import { orpo } from '../objectives/orpo.ts'
import type { PassSize } from '../memory/index.ts'
import { mixOf, type TrainOptions } from '../options/index.ts'
import type { ReferenceOptions } from '../loop/reference.ts'
import type { TrainingData } from '../task.ts'
import { prepareEvaluation, reportSummary } from '../preparation/index.ts'
import { readAnswerSets, type AnswerSet } from './answer-sets.ts'
import { itemData } from './item-data.ts'
import { labelledItems } from './labelled-items.ts'
import { lossTypeOf, lossTypesOf, weightsOf } from './losses-of.ts'
import { pairItems, pairsWithPrompts } from './pair-items.ts'
import { createReferences, precompute } from './references.ts'

/**
 * Direct preference optimisation: learns from pairs of a chosen and a rejected answer, compared with a reference. Events, options and what
 * is saved are as with `trainSft`; losses, options and metrics have TRL's names (docs/preferences.md).
 *
 * @throws FettleError as `trainSft` does
 */
export async function* trainDpo(input: TrainInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* composeRun<AnswerDocument>({ ...input, method: 'dpo' }, async (context) => {
    const { options } = context
    const losses = lossTypesOf('dpo', options.lossType)
    const objective = dpo({
      ...options,
      beta: options.beta ?? 0.1,
      lossType: losses,
      lossWeights: weightsOf(losses, options.lossWeights),
    })
    refuseSmoothing(losses, options)
    const { train, held } = await readSets(context, 'pairs')
    const references = createReferences()
    const heldReferences = createReferences()
    return {
      objective,
      data: itemData(
        pairItems(train, references),
        held && pairItems(held, heldReferences),
        options,
        toldOf(train, held),
      ),
      ...withReference(context, async (reference, how) => {
        await precompute(context.model, pairItems(train), references, reference, how)
        if (held) await precompute(context.model, pairItems(held), heldReferences, reference, how)
      }),
    }
  })
}

/**
 * Kahneman-Tversky optimisation: learns from answers that are wanted or not. As `trainDpo`.
 *
 * @throws FettleError as `trainSft` does
 */
export async function* trainKto(input: TrainInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* composeRun<LabelledAnswer>({ ...input, method: 'kto' }, async (context) => {
    const { options } = context
    const objective = kto({
      ...options,
      beta: options.beta ?? 0.1,
      lossType: lossTypeOf('kto', options.lossType),
    })
    const { train, held } = await readSets(context, 'answers')
    const references = createReferences()
    const heldReferences = createReferences()
    const items = labelledItems(train, options, references)
    const heldItems = held && labelledItems(held, options, heldReferences)
    return {
      objective,
      data: itemData(items, heldItems, options, toldOf(train, held)),
      ...withReference(context, async (reference, how) => {
        await precompute(context.model, items.all, references, reference, how)
        if (heldItems) await precompute(context.model, heldItems.all, heldReferences, reference, how)
      }),
    }
  })
}

/**
 * Odds ratio preference optimisation: learns the chosen answers, and by how much they are likelier than the rejected ones; without a
 * reference. As `trainDpo`.
 *
 * @throws FettleError as `trainSft` does
 */
export async function* trainOrpo(input: TrainInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* composeRun<PlainAnswer>({ ...input, method: 'orpo' }, async (context) => {
    const { train, held } = await readSets(context, 'pairs')
    return {
      objective: orpo(context.options.beta ?? 0.1),
      data: itemData(
        pairsWithPrompts(train),
        held && pairsWithPrompts(held),
        context.options,
        toldOf(train, held),
      ),
    }
  })
}

/**
 * Contrastive preference optimisation, and SimPO by `lossType: 'simpo'`; without a reference. As `trainDpo`.
 *
 * @throws FettleError as `trainSft` does
 */
export async function* trainCpo(input: TrainInput): AsyncGenerator<TrainEvent, void, undefined> {
  yield* composeRun<PlainAnswer>({ ...input, method: 'cpo' }, async (context) => {
    const { options } = context
    const lossType = lossTypeOf('cpo', options.lossType)
    const objective = cpo({ ...options, beta: options.beta ?? 0.1, lossType })
    const { train, held } = await readSets(context, 'pairs')
    return {
      objective,
      data: itemData(pairItems(train), held && pairItems(held), options, toldOf(train, held)),
    }
  })
}

/** The data of a run, and what it is evaluated on: what is held out, or as with `trainSft` a validation split beside the data. */
export async function readSets({ options, tokenizer, model, signal }: RunContext, kind: PreferenceKind) {
  const read = (sources: readonly DataSource[], mix: MixOptions = {}) =>
    readAnswerSets(sources, kind, { options, mix, tokenizer, vocabSize: model.vocabSize, signal })
  const { set: train, heldOut } = await read(options.data, mixOf(options))
  const { made, notes } = await prepareEvaluation(options, async (_, sources) => (await read(sources)).set)
  train.report.notes.push(...notes)
  return { train, held: made ?? heldOut }
}

/** What the start event tells. */
export function toldOf(
  { store, items, truncation, report, hash }: AnswerSet,
  held: AnswerSet | undefined,
): Pick<TrainingData, 'summary'> & { hash: string } {
  return {
    hash,
    summary: {
      ...reportSummary(report),
      data_notes: [...report.notes, ...(held?.report.notes ?? [])],
      examples: items.length,
      tokens: truncation.keptTokens,
      learned_tokens: truncation.keptLearned,
      spans: { ...store.statuses },
      truncated_tokens: truncation.droppedTokens,
      truncated_stops: truncation.cutStops,
      truncated_answers: truncation.lostAnswers,
      truncated_examples: truncation.lostExamples,
      examples_without_learned_tokens: 0,
    },
  }
}

/**
 * The reference of a run: the model without its new adapter; a copy of the adapter that is trained further; or, where every weight is
 * trained, what it says before training, which is computed then.
 *
 * @throws FettleError where it would have to follow the model and be fixed at once
 */
function withReference(
  { options, isNewAdapter, model, signal }: RunContext,
  compute: (
    reference: ReferenceOptions,
    how: {
      perBatch: number
      lowMemory: boolean
      passes: PassSize | undefined
      signal: AbortSignal | undefined
    },
  ) => Promise<void>,
): Pick<MethodTask<AnswerDocument>, 'reference' | 'ready'> {
  const { precomputeRefLogProbs, syncRefModel, lowMemory, perDeviceTrainBatchSize: perBatch } = options
  if (precomputeRefLogProbs && syncRefModel)
    throw new FettleError({
      place: 'sync_ref_model',
      found: 'true, beside precompute_ref_log_probs',
      expected: 'one of the two',
      cure: 'What is computed before training cannot follow it.',
    })
  const isWhole = options.lora === null && options.adapter === null && model.adapterConfig === null
  const kind = isNewAdapter && !syncRefModel ? 'base' : 'copy'
  const sync = syncRefModel
    ? { alpha: options.refModelMixupAlpha, steps: options.refModelSyncSteps }
    : undefined
  if (!precomputeRefLogProbs && !(isWhole && !syncRefModel)) return { reference: { kind, sync } }
  return { ready: (passes) => compute({ kind }, { perBatch, lowMemory, passes, signal }) }
}

/** @throws FettleError for a loss that is infinite or undefined at this label_smoothing */
function refuseSmoothing(losses: readonly string[], { labelSmoothing }: TrainOptions): void {
  if (!losses.includes('exo_pair') || labelSmoothing > 0) return
  throw new FettleError({
    place: 'label_smoothing',
    found: '0, with the loss exo_pair',
    expected: 'above 0, such as 1e-3',
  })
}

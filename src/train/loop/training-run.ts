import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { splitBatch, type Document, type TrainingBatch } from '../../batch/index.ts'
import type { FettleError } from '../../error.ts'
import { isSamePlace } from '../../formats/index.ts'
import { internalsOf } from '../../model/index.ts'
import { dataFailure } from './data-failure.ts'
import { divergence, spikeError } from './divergence.ts'
import { evaluate } from './evaluate.ts'
import type { CheckpointEvent, EndEvent, EvalEvent, StepEvent } from '../events.ts'
import { createForwardPasses } from './forward-passes.ts'
import { addGradients, type StepGradients } from './gradients.ts'
import { createMonitor } from '../monitor/index.ts'
import { copyReference } from './reference.ts'
import { passSize, peakRssMib } from '../memory/index.ts'
import { optimNotes } from '../options/index.ts'
import { learningRateAt } from './schedule.ts'
import {
  checkpointBytes,
  identityOf,
  keepNewest,
  lastCheckpointBefore,
  restoreCheckpoint,
  saveCheckpoint,
  saveModel,
  setAsDiverged,
  trainedStates,
  type RunFolder,
} from '../runs/index.ts'
import type { TrainingStep, TrainingTask } from '../task.ts'

/** A run under way. What computes waits for the model's calls before it. */
export interface TrainingRun<D extends Document> {
  /** Steps made. */
  readonly step: number
  /** What is to be said of going on. */
  readonly notes: readonly string[]
  /**
   * Makes a step.
   *
   * @param begun  when the first one began, by performance.now()
   * @throws FettleError (exit code 1) when the loss or its gradients are not finite, with the weights that gave it saved; the signal's reason,
   *   where that came while data were waited for
   */
  trainStep(begun: number): Promise<StepEvent>
  /** @throws FettleError as `trainStep` does */
  evaluate(batches: Iterable<TrainingBatch<D>>): Promise<EvalEvent>
  /**
   * Sees that the weights after the last step give finite numbers, which no step has shown yet.
   *
   * @throws FettleError as `trainStep` does
   */
  check(): Promise<void>
  checkpoint(): Promise<CheckpointEvent>
  /** Why the run ends before its last step, if evaluations say so. */
  readonly stopReason: string | undefined
  /** Writes the model into the run's folder: as it is, or as the best evaluation found it. */
  saveResult(interrupted: boolean): Promise<Pick<EndEvent, 'best'>>
  /** Gives back the memory of the passes. */
  rest(): Promise<void>
}

/** Makes ready what a task asks for, as far as its checkpoint had come. */
export async function openRun<D extends Document>(
  { model, tokenizer, objective, data, options, ...task }: TrainingTask<D>,
  folder: RunFolder,
): Promise<TrainingRun<D>> {
  const { lowMemory } = options
  const internals = internalsOf(model)
  const training = await internals.training()
  const optimiser = task.optimiser(training.trainable)
  const update = training.updateBy(optimiser.commands)
  const copy =
    task.reference?.kind === 'copy' ? await copyReference(internals, training, task.reference) : undefined
  const states = trainedStates(internals, training, optimiser, {
    ...objective.states,
    ...(copy && { reference: copy.parameters }),
  })
  const size = task.passes ?? passSize(internals.activationBytesPerToken(), lowMemory)
  const { perPass } = size
  const forward = createForwardPasses(internals, perPass, copy, objective)
  const identity = await identityOf(model, data, options, await folder.base, task.fingerprint)
  const notes = [
    ...optimNotes(options.optim),
    ...(task.passes?.notes ?? []),
    ...(await folder.begin(identity, data.steps, checkpointBytes(model, states))),
  ]
  let step = 0
  let passes = 0
  /** Of all steps together, as TRL counts them: num_tokens. */
  let tokensSeen = 0
  let lastBatches: readonly TrainingBatch<D>[] = []
  /** Whether the weights as they are gave finite numbers. */
  let isSeen = true
  /** Whether older checkpoints have gone: not before the newest one was seen to be good. */
  let isPruned = true
  const monitor = createMonitor(options)
  const { spikeGuard, loadBestModelAtEnd } = options
  const leaveOut = spikeGuard === 'skip' ? training.updateBy([]) : undefined
  if (folder.from) {
    const { monitor: seenBefore } = folder.from.state
    monitor.restore(seenBefore, isSamePlace(dirname(folder.from.path), folder.path))
    await restoreCheckpoint(folder.from.path, states)
    await internals.inTurn(() => training.parametersChanged())
    step = folder.from.state.step
    passes = folder.from.state.passes
    tokensSeen = folder.from.state.tokens ?? 0
  }

  const rest = (): Promise<void> =>
    internals.inTurn(async () => {
      training.streamWeights(0)
      training.rest()
    })
  const save = (kind: 'checkpoint' | 'diverged'): Promise<string> => {
    const state = {
      run: folder.run,
      step,
      steps: data.steps,
      passes,
      tokens: tokensSeen,
      monitor: monitor.state,
      ...(task.passes && {
        passes_found: { tokens: size.perPass, activation_bytes: size.activationBytes },
      }),
      identity,
    }
    return saveCheckpoint(model, tokenizer, states, folder.path, state, kind)
  }
  async function seen(): Promise<void> {
    isSeen = true
    if (!isPruned)
      await keepNewest(
        folder.path,
        options.saveTotalLimit,
        loadBestModelAtEnd ? monitor.state.best?.step : undefined,
      )
    isPruned = true
  }
  /** The weights after `step` steps give this; a checkpoint of them is none to go on from. */
  async function diverged(found: string, batches: readonly TrainingBatch<Document>[]): Promise<FettleError> {
    const saved =
      step === 0 ? undefined : ((await setAsDiverged(folder.path, step)) ?? (await save('diverged')))
    const lastGood = await lastCheckpointBefore(folder.path, step)
    return divergence({ step, found, batches, saved, lastGood })
  }

  /** @throws what getting the data throws; what was trained is saved before, but where the run was told to stop */
  async function nextStep(): Promise<TrainingStep<D>> {
    try {
      return await data.stepAt(step)
    } catch (error) {
      const isStopped = task.signal?.aborted === true && error === task.signal.reason
      if (isStopped || step === (folder.from?.state.step ?? 0)) throw error
      await rest()
      const path = join(folder.path, `checkpoint-${step}`)
      throw dataFailure(error, step, existsSync(path) ? path : await save('checkpoint'))
    }
  }

  return {
    get step() {
      return step
    },
    notes,
    rest,
    get stopReason() {
      return monitor.stopReason
    },
    async evaluate(batches) {
      const told = await internals.inTurn(() => evaluate(objective, batches, forward, step))
      if (!Number.isFinite(told.loss)) throw await diverged(`loss ${told.loss}`, [])
      await seen()
      return monitor.evaluated(told) ? { ...told, best: true } : told
    },
    async check() {
      if (isSeen || lastBatches.length === 0) return
      const [part] = splitBatch(lastBatches[0], perPass, objective.together)
      const logProbs = await internals.inTurn(() => forward.logProbs(part))
      const wrong = logProbs.find((logProb) => !Number.isFinite(logProb))
      if (wrong !== undefined) throw await diverged(`loss ${-wrong}`, lastBatches)
      await seen()
    },
    async checkpoint() {
      await rest()
      const path = await save('checkpoint')
      isPruned = false
      if (isSeen) await seen()
      return { type: 'checkpoint', step, path }
    },
    async saveResult(interrupted) {
      const { best } = monitor.state
      const path = best && join(folder.path, `checkpoint-${best.step}`)
      const checkpoint = path !== null && existsSync(path) ? path : undefined
      const loaded = loadBestModelAtEnd && !interrupted && checkpoint !== undefined
      if (loaded && best?.step !== step) {
        await restoreCheckpoint(checkpoint, states)
        await internals.inTurn(() => training.parametersChanged())
      }
      await saveModel(model, tokenizer, folder.path)
      await folder.finish({ step: loaded && best ? best.step : step, interrupted })
      if (!best) return {}
      return {
        best: { ...best, metric: monitor.metric, ...(checkpoint !== undefined && { checkpoint }), loaded },
      }
    },
    async trainStep(begun) {
      const stepBegun = performance.now()
      const { epoch, batches } = await nextStep()
      const learningRate = learningRateAt(step, data.steps, options) * monitor.rateFactor
      let skipped: string | undefined
      const how = { ...options, passesBefore: passes, passSize: size }
      const made = await internals.inTurn(async () => {
        const gradients = await addGradients(objective, batches, internals, training, forward, how)
        if (!isFinite(gradients)) return gradients
        skipped = monitor.spike(gradients)
        if (skipped !== undefined) await leaveOut?.()
        else {
          optimiser.begin({ learningRate, step: step + 1 - monitor.state.skipped })
          await update()
          await copy?.stepDone(step + 1)
        }
        return gradients
      })
      if (!isFinite(made)) {
        const { loss, norm } = made
        throw await diverged(Number.isFinite(loss) ? `gradient norm ${norm}` : `loss ${loss}`, batches)
      }
      await seen()
      if (skipped !== undefined && spikeGuard === 'stop') {
        const lastGood = await lastCheckpointBefore(folder.path, step + 1)
        throw spikeError({ step, found: skipped, batches, lastGood })
      }
      step += 1
      passes += made.passes
      lastBatches = batches
      isSeen = false
      const elapsedMs = performance.now() - stepBegun
      const tokens = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
      tokensSeen += tokens
      return {
        type: 'step',
        step,
        epoch,
        loss: made.loss,
        grad_norm: made.norm,
        learning_rate: learningRate,
        tokens,
        learned_tokens: batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0),
        tokens_per_second: (tokens / elapsedMs) * 1000,
        elapsed_ms: performance.now() - begun,
        peak_rss_mib: peakRssMib(),
        ...(made.metrics && { metrics: { ...made.metrics, num_tokens: tokensSeen } }),
        ...(made.sources && { sources: made.sources }),
        ...(skipped !== undefined && { skipped }),
      }
    },
  }
}

function isFinite({ loss, norm }: StepGradients): boolean {
  return Number.isFinite(loss) && Number.isFinite(norm)
}

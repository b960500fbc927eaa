import { FettleError } from '../../error.ts'
import { internalsOf } from '../../model/index.ts'
import { composeRun, type MethodTask, type RunContext, type TrainInput } from '../setup/compose-run.ts'
import type { TrainEvent } from '../events.ts'
import { grpo, type SampledAnswer } from '../objectives/grpo.ts'
import { mixOf, type TrainOptions } from '../options/index.ts'
import { reportSummary } from '../preparation/index.ts'
import { lossTypeOf } from '../preferences/losses-of.ts'
import type { TrainingData } from '../task.ts'
import { grpoData } from './grpo-data.ts'
import { planGrpo } from './grpo-plan.ts'
import { keptRollouts } from './kept-rollouts.ts'
import { loadRewards } from './load-rewards.ts'
import { readPromptSet, type PromptSet } from './prompt-set.ts'
import { nameRewards, type NamedReward } from './rewards.ts'
import type { RolloutFunction } from './rollouts.ts'
import { plural } from '../../plural.ts'

/** A run that learns from rewards; `rewards` of the options are functions, or modules of them. */
export type TrainGrpoInput = TrainInput & {
  /** Completes prompts in place of the model. */
  rolloutFunc?: RolloutFunction
}

/**
 * Group relative policy optimisation: completes each prompt several times, asks functions how good the completions are, and learns those
 * that are better than others of their prompt. As `trainDpo`; losses, options and metrics have TRL's names (docs/grpo.md).
 *
 * @throws FettleError as `trainSft` does, and where a reward function throws or returns what is no number
 */
export async function* trainGrpo({
  rolloutFunc,
  ...input
}: TrainGrpoInput): AsyncGenerator<TrainEvent, void, undefined> {
  let freeRewards = async (): Promise<void> => {}
  try {
    yield* composeRun<SampledAnswer>({ ...input, method: 'grpo' }, async (context) => {
      const { functions, free } = await loadRewards(givenRewards(context.options))
      freeRewards = free
      const rewards = nameRewards(functions)
      refuseOtherWeights(rewards, context.options)
      return taskOf(context, rewards, rolloutFunc)
    })
  } finally {
    await freeRewards()
  }
}

async function taskOf(
  context: RunContext,
  rewards: readonly NamedReward[],
  rollout: RolloutFunction | undefined,
): Promise<MethodTask<SampledAnswer>> {
  const { options, model, tokenizer, stopTokenIds, signal } = context
  const set = await readSets(context)
  const plan = planGrpo(set.prompts.length, options)
  const { groupSize } = plan
  const { engine } = internalsOf(model).state
  const { maxCompletionLength: longest, beta = 0, epsilon } = options
  const kept = plan.isLate
    ? keptRollouts(engine, { completions: plan.completions, longest, groupSize })
    : undefined
  let told: Readonly<Record<string, number>> = {}
  const objective = grpo({
    ...options,
    lossType: lossTypeOf('grpo', options.lossType),
    beta,
    epsilonHigh: options.epsilonHigh ?? epsilon,
    delta: options.delta,
    told: () => told,
  })
  const sources = {
    ...set,
    plan,
    tools: { model, tokenizer, options, stopTokenIds, rewards, groupSize, rollout, signal },
    kept,
    tell: (metrics: Readonly<Record<string, number>>) => void (told = finite(metrics)),
  }
  return {
    objective: kept ? { ...objective, states: { rollouts: kept.tensor } } : objective,
    data: grpoData(sources, toldOf(set)),
    reference: { kind: context.isNewAdapter ? 'base' : 'copy' },
    fingerprint: { rewards: rewards.map(({ name }) => name) },
  }
}

/** @throws FettleError where there are none */
function givenRewards({ rewards }: TrainOptions): NonNullable<TrainOptions['rewards']> {
  if (rewards) return rewards
  throw new FettleError({
    place: 'rewards',
    found: 'nothing, with method grpo',
    expected: 'a module whose functions say how good a completion is: rewards.mjs',
    cure: 'It may hold: export const short = (completion) => -completion.length',
  })
}

/** @throws FettleError where there are weights for others */
function refuseOtherWeights(rewards: readonly NamedReward[], { rewardWeights }: TrainOptions): void {
  if (rewardWeights === undefined || rewardWeights.length === rewards.length) return
  throw new FettleError({
    place: 'reward_weights',
    found: plural(rewardWeights.length, 'weight'),
    expected: `${rewards.length}, one for each function: ${rewards.map(({ name }) => name).join(', ')}`,
  })
}

async function readSets({ options, tokenizer, model, signal }: RunContext): Promise<PromptSet> {
  const { vocabSize } = model
  const read = (sources: TrainOptions['data'], mix = {}) =>
    readPromptSet(sources, tokenizer, options, { mix, vocabSize, signal })
  const set = await read(options.data, mixOf(options))
  return options.evalData ? { ...set, heldOut: (await read(options.evalData)).prompts } : set
}

/** What cannot be told as a number is not told. */
function finite(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)))
}

/** What the start event tells: of the prompts, since nothing was completed yet. */
function toldOf({ prompts, report, hash }: PromptSet): Pick<TrainingData, 'summary'> & { hash: string } {
  return {
    hash,
    summary: {
      ...reportSummary(report),
      data_notes: report.notes,
      examples: prompts.length,
      tokens: prompts.reduce((sum, { ids }) => sum + ids.length, 0),
      learned_tokens: 0,
      spans: {},
      truncated_tokens: 0,
      truncated_stops: 0,
      truncated_answers: 0,
      truncated_examples: 0,
      examples_without_learned_tokens: 0,
    },
  }
}

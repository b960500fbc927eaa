import { formatOrigin } from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { SampledAnswer } from '../objectives/grpo.ts'
import type { TrainOptions } from '../options/index.ts'
import { advantagesOf, deviationOf, meanOf } from './advantages.ts'
import type { EncodedPrompt } from './prompt-set.ts'
import { rewardsOf, type NamedReward } from './rewards.ts'
import { plural } from '../../plural.ts'

/** A completion of a prompt. */
export interface Completion {
  ids: readonly number[]
  /** Whether it ended by itself. */
  isWhole: boolean
}

/**
 * Completes prompts in place of the model, such as an engine of one's own; a prompt comes as often as it is to be completed.
 *
 * @returns  the tokens of each completion, with the stop token where it ended in one
 */
export type RolloutFunction = (
  promptIds: readonly (readonly number[])[],
  how: { seed: number; maxNewTokens: number; stopTokenIds: readonly number[] },
) => (readonly number[])[] | Promise<(readonly number[])[]>

/** What samples and judges. */
export interface RolloutTools {
  model: AutoModelForCausalLM
  tokenizer: Tokenizer
  options: TrainOptions
  stopTokenIds: readonly number[]
  rewards: readonly NamedReward[]
  /** Completions of each prompt. */
  groupSize: number
  rollout?: RolloutFunction | undefined
  /** Ends it before it is done. */
  signal?: AbortSignal | undefined
}

/** Completions that were judged, as what is learned from them. */
export interface Rollouts {
  answers: Omit<SampledAnswer, 'usualTokens'>[]
  /** What is told of them, by TRL's names. */
  metrics: Record<string, number>
}

/**
 * Completes each prompt `groupSize` times, and makes advantages of the rewards.
 *
 * @throws the signal's reason, when it comes before the last reward
 */
export async function rollOut(
  prompts: readonly EncodedPrompt[],
  seed: number,
  tools: RolloutTools,
): Promise<Rollouts> {
  const { rewards, groupSize, options } = tools
  const asked = prompts.flatMap((prompt) => Array.from({ length: groupSize }, () => prompt))
  const completions = await complete(asked, seed, tools)
  const judged = asked.map((prompt, i) => ({
    completion: tools.tokenizer.decode([...completions[i].ids], { skipSpecialTokens: true }),
    row: prompt.row,
    place: formatOrigin(prompt.origin),
    context: {
      prompt: prompt.prompt,
      promptIds: prompt.ids,
      completionIds: completions[i].ids,
      finishReason: completions[i].isWhole ? ('stop' as const) : ('length' as const),
    },
  }))
  const perFunction = await rewardsOf(rewards, judged, tools.signal)
  const { scaleRewards, rewardWeights = rewards.map(() => 1) } = options
  const made = advantagesOf(perFunction, { groupSize, scaleRewards, rewardWeights })
  return {
    answers: asked.map((prompt, i) =>
      answerOf(prompt, completions[i], made.advantages[i], options.maskTruncatedCompletions),
    ),
    metrics: {
      ...lengthsOf(completions),
      ...Object.fromEntries(
        rewards.flatMap(({ name }, i) => {
          const values = perFunction.map((row) => row[i])
          return [
            [`rewards/${name}/mean`, meanOf(values)],
            [`rewards/${name}/std`, deviationOf(values)],
          ]
        }),
      ),
      reward: meanOf(made.rewards),
      reward_std: deviationOf(made.rewards),
      frac_reward_zero_std: made.zeroSpread,
    },
  }
}

/** Prompt and completion; the completion is learned. */
export function answerOf(
  { ids, origin }: EncodedPrompt,
  completion: Completion,
  advantage: number,
  masksCutOff: boolean,
): Omit<SampledAnswer, 'usualTokens'> {
  const inputIds = Int32Array.from([...ids, ...completion.ids])
  const isLearned = completion.isWhole || !masksCutOff
  const mask = new Uint8Array(inputIds.length)
  if (isLearned) mask.fill(1, ids.length)
  return { inputIds, mask, origin, advantage }
}

async function complete(
  asked: readonly EncodedPrompt[],
  seed: number,
  { model, options, stopTokenIds, rollout, signal }: RolloutTools,
): Promise<Completion[]> {
  const { maxCompletionLength: maxNewTokens, temperature, topP, topK, minP, repetitionPenalty } = options
  const promptIds = asked.map(({ ids }) => ids)
  const stops = new Set(stopTokenIds)
  if (rollout) {
    const given = await rollout(promptIds, { seed, maxNewTokens, stopTokenIds })
    checkRollout(given, asked.length, { vocabSize: model.vocabSize, longest: maxNewTokens })
    return given.map((ids) => ({ ids, isWhole: stops.has(ids[ids.length - 1]) }))
  }
  const { sequences, finishReasons } = await model.generate(
    { inputIds: promptIds },
    {
      doSample: true,
      maxNewTokens,
      temperature,
      topP,
      topK,
      repetitionPenalty,
      ...(minP !== undefined && { minP }),
      stopTokenIds,
      seed,
      ...(signal && { signal }),
      returnDictInGenerate: true,
    },
  )
  signal?.throwIfAborted()
  return sequences.map((ids, i) => ({ ids, isWhole: finishReasons[i] === 'stop' }))
}

/** @throws FettleError for completions that are none */
function checkRollout(
  given: unknown,
  count: number,
  { vocabSize, longest }: { vocabSize: number; longest: number },
): void {
  const expected = `${count} lists of 1 to ${longest} token ids below ${vocabSize}, one for each prompt`
  const place = 'rolloutFunc'
  if (!Array.isArray(given) || given.length !== count)
    throw new FettleError({
      place,
      found: Array.isArray(given) ? plural(given.length, 'completion') : typeof given,
      expected,
    })
  const isToken = (id: unknown) => Number.isInteger(id) && Number(id) >= 0 && Number(id) < vocabSize
  const isRight = (ids: unknown) =>
    Array.isArray(ids) && ids.length > 0 && ids.length <= longest && ids.every(isToken)
  const wrong = given.findIndex((ids) => !isRight(ids))
  if (wrong >= 0)
    throw new FettleError({ place, found: `completion ${wrong}, which is no such list`, expected })
}

function lengthsOf(completions: readonly Completion[]): Record<string, number> {
  const lengths = completions.map(({ ids }) => ids.length)
  const whole = completions.flatMap(({ ids, isWhole }) => (isWhole ? [ids.length] : []))
  const ended = whole.length > 0 ? whole : [0]
  return {
    'completions/mean_length': meanOf(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
    'completions/clipped_ratio': 1 - whole.length / lengths.length,
    'completions/mean_terminated_length': meanOf(ended),
    'completions/min_terminated_length': Math.min(...ended),
    'completions/max_terminated_length': Math.max(...ended),
  }
}

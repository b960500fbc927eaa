import { collate, learnedRanges, type TrainingBatch } from '../../batch/index.ts'
import { internalsOf } from '../../model/index.ts'
import { createForwardPasses } from '../loop/forward-passes.ts'
import type { SampledAnswer } from '../objectives/grpo.ts'
import { passSize } from '../memory/index.ts'
import type { TrainingData } from '../task.ts'
import { divided, type GrpoPlan } from './grpo-plan.ts'
import type { KeptRollouts } from './kept-rollouts.ts'
import type { EncodedPrompt } from './prompt-set.ts'
import { rollOut, type RolloutTools } from './rollouts.ts'

/** Prompts, what completes them, and where what is told of the completions goes. */
export interface GrpoSources {
  prompts: readonly EncodedPrompt[]
  heldOut: readonly EncodedPrompt[]
  plan: GrpoPlan
  tools: RolloutTools
  /** Where weights change before all is learned from. */
  kept: KeptRollouts | undefined
  /** Is told of what was sampled for the next step or evaluation; nothing where a step learns from older completions. */
  tell(metrics: Readonly<Record<string, number>>): void
}

/** Seeds of held-out prompts: the same in every evaluation, and none of a generation. */
const evaluationSeed = 0xe7a1

/** The micro-batches of a run that completes its prompts itself, as it goes. */
export function grpoData(
  sources: GrpoSources,
  told: Pick<TrainingData, 'summary'> & { hash: string },
): TrainingData<SampledAnswer> {
  const { prompts, heldOut, plan, tools, kept, tell } = sources
  const { options } = tools
  const { gradientAccumulationSteps, seed } = options
  let current: { generation: number; parts: SampledAnswer[][] } | undefined
  let evaluation: TrainingBatch<SampledAnswer>[] = []
  return {
    ...told,
    steps: options.maxSteps ?? Math.ceil(options.numTrainEpochs * plan.stepsPerEpoch),
    stepsPerEpoch: plan.stepsPerEpoch,
    epochOf: plan.epochOf,
    prompts: [...heldOut, ...prompts].map(({ ids }) => ids),
    async stepAt(step) {
      const batches: TrainingBatch<SampledAnswer>[] = []
      let metrics: Record<string, number> = {}
      for (let i = 0; i < gradientAccumulationSteps; i += 1) {
        const { generation, part } = plan.placeOf(step * gradientAccumulationSteps + i)
        if (current?.generation !== generation) {
          const made = await answersOf(generation)
          current = { generation, parts: divided(made.answers, plan.parts) }
          metrics = { ...metrics, ...made.metrics }
        }
        const answers = current.parts[part]
        if (answers.length > 0) batches.push(collate(answers))
      }
      tell(metrics)
      return { epoch: plan.epochOf(step), batches }
    },
    ...(heldOut.length > 0 && {
      evaluation: {
        begin: async () => void (evaluation = await evaluationBatches()),
        batches: () => evaluation,
      },
    }),
  }

  async function answersOf(
    generation: number,
  ): Promise<{ answers: SampledAnswer[]; metrics: Record<string, number> }> {
    const asked = plan.promptsOf(generation).map((number) => prompts[number])
    const before = await kept?.read(generation, asked)
    if (before) return { answers: before, metrics: {} }
    // Steps of an odd number of about 2³² make the seeds of neighbours unlike each other.
    const { answers, metrics } = await rollOut(
      asked,
      (seed + Math.imul(generation + 1, 0x85ebca6b)) >>> 0,
      tools,
    )
    const whole = withTokens(answers, plan.parts)
    if (!kept) return { answers: whole, metrics }
    const withOld = await withLogProbs(whole, tools)
    kept.keep(
      generation,
      withOld.map((answer, i) => ({
        answer,
        promptLength: asked[Math.floor(i / plan.groupSize)].ids.length,
      })),
    )
    return { answers: withOld, metrics }
  }

  async function evaluationBatches(): Promise<TrainingBatch<SampledAnswer>[]> {
    const perBatch = options.perDeviceEvalBatchSize ?? options.perDeviceTrainBatchSize
    const { answers, metrics } = await rollOut(heldOut, evaluationSeed, tools)
    tell(metrics)
    const count = Math.ceil(answers.length / perBatch)
    return divided(withTokens(answers, count), count).map((part) => collate(part))
  }
}

/** Says of each answer how many tokens are learned of a part, as a mean. */
function withTokens(answers: readonly Omit<SampledAnswer, 'usualTokens'>[], parts: number): SampledAnswer[] {
  const tokens = answers.reduce((sum, { mask }) => sum + mask.reduce((count, bit) => count + bit, 0), 0)
  // As float32, so that a checkpoint holds it exactly.
  const usualTokens = Math.fround(Math.max(1, tokens) / parts)
  return answers.map((answer) => ({ ...answer, usualTokens }))
}

/** Says of each answer what the weights as they are make of it. */
async function withLogProbs(
  answers: readonly SampledAnswer[],
  { model, options }: RolloutTools,
): Promise<SampledAnswer[]> {
  const internals = internalsOf(model)
  const { perPass } = passSize(internals.activationBytesPerToken(), options.lowMemory)
  const forward = createForwardPasses(internals, perPass, undefined, {
    beginAlike: true,
    temperature: options.temperature,
  })
  const batch = collate(answers)
  const logProbs = await internals.inTurn(() => forward.logProbs(batch))
  return learnedRanges(batch).map(({ start, end }, i) => ({ ...answers[i], old: logProbs.slice(start, end) }))
}

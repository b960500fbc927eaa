import { z } from 'zod'
import type { RewardFunction } from '../grpo/rewards.ts'

const count = (most = 1e6) => z.int().min(1).max(most)
const positive = () => z.number().positive().max(1e6)
const isFunction = (value: unknown): boolean => typeof value === 'function'

const reward = z.union([
  z.string().min(1),
  z.custom<RewardFunction>(isFunction, 'a function (completion, row) => number'),
])

/** Options of learning from rewards, by TRL's names; without method grpo they change nothing. */
export const grpoOptions = {
  rewards: z
    .union([reward.transform((given) => [given]), z.array(reward).min(1)])
    .optional()
    .describe(
      'Modules whose functions say how good a completion is: rewards.mjs; folders of reward models; or functions of a program.',
    ),
  rewardWeights: z
    .array(z.number().min(-1e6).max(1e6))
    .min(1)
    .optional()
    .describe('What the reward of each function counts; default 1.'),
  numGenerations: z
    .int()
    .min(2)
    .max(4096)
    .optional()
    .describe('Completions of each prompt, which are compared; default 8, or as many as a generation has.'),
  maxCompletionLength: count(1 << 20)
    .default(512)
    .describe('Tokens of a completion at most.'),
  stepsPerGeneration: count(4096)
    .optional()
    .describe('Micro-batches that are sampled at once; default gradient_accumulation_steps.'),
  numIterations: count(1000).default(1).describe('How often what was sampled is learned from.'),
  scaleRewards: z
    .union([
      z.enum(['group', 'batch', 'none']),
      // As TRL had it before.
      z.boolean().transform((isScaled): 'group' | 'none' => (isScaled ? 'group' : 'none')),
    ])
    .default('group')
    .describe(
      'Divide advantages by the deviation of the rewards of a prompt (group), of all (batch), or not (none).',
    ),
  epsilon: z
    .number()
    .min(0)
    .lt(1)
    .default(0.2)
    .describe('How far probabilities move before a loss stops pulling.'),
  epsilonHigh: z.number().min(0).max(1e6).optional().describe('The same upwards; default epsilon.'),
  delta: positive()
    .optional()
    .describe('Above it ratios of probabilities count as it, also where a loss pulls back.'),
  useBiasCorrectionKl: z
    .boolean()
    .default(true)
    .describe('With beta: multiply the divergence by the ratio, which makes its gradient unbiased.'),
  importanceSamplingLevel: z
    .enum(['token', 'sequence'])
    .default('token')
    .describe('Whether ratios are those of tokens, or of completions (GSPO).'),
  maskTruncatedCompletions: z
    .boolean()
    .default(false)
    .describe('Learn nothing from completions that were cut off.'),
  temperature: positive().default(1).describe('Of sampling, and of the log-probabilities that are learned.'),
  topP: z.number().gt(0).max(1).default(1).describe('Sample from the likeliest tokens that make up so much.'),
  topK: z.int().min(0).max(1e6).default(0).describe('Sample from so many of the likeliest tokens; 0: all.'),
  minP: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Sample from tokens at least so likely, beside the likeliest.'),
  repetitionPenalty: positive().default(1).describe('Makes tokens that were there less likely in sampling.'),
}

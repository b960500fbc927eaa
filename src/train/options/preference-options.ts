import { z } from 'zod'

/** What a run learns by. */
export const methods = ['sft', 'dpo', 'kto', 'orpo', 'cpo', 'reward', 'grpo'] as const
/** How a run learns: from answers, from preferences, to score answers, or from rewards of what it says itself. */
export type Method = (typeof methods)[number]

/** Losses of each method, the default first, by TRL's names. */
export const lossTypes = {
  sft: [],
  dpo: [
    'sigmoid',
    'hinge',
    'ipo',
    'exo_pair',
    'nca_pair',
    'robust',
    'bco_pair',
    'sppo_hard',
    'aot',
    'aot_unpaired',
    'apo_zero',
    'apo_down',
    'discopop',
    'sft',
    'sigmoid_norm',
  ],
  kto: ['kto', 'apo_zero_unpaired'],
  orpo: [],
  cpo: ['sigmoid', 'hinge', 'ipo', 'simpo'],
  reward: [],
  grpo: ['dapo', 'grpo', 'dr_grpo', 'bnpo'],
} as const satisfies { [M in Method]: readonly string[] }

const number = () => z.number().min(-1e6).max(1e6)
const share = () => z.number().min(0).max(1)
const count = (most = 1e6) => z.int().min(1).max(most)
const list = <T extends z.ZodType>(item: T) => z.union([item, z.array(item).min(1)]).optional()

/** Options of learning from preferences, by TRL's names; those of a method that is not used change nothing. */
export const preferenceOptions = {
  method: z
    .enum(methods)
    .default('sft')
    .describe(
      'What is learned from: answers (sft), preferences (dpo, kto, orpo, cpo), preferences for a model that scores (reward), or rewards (grpo).',
    ),
  lossType: list(z.string().min(1)).describe(
    'Loss of dpo (several are added), kto, cpo or grpo, such as ipo, simpo, apo_zero or dr_grpo.',
  ),
  lossWeights: list(number()).describe('With several losses of dpo: what each is multiplied by.'),
  beta: z
    .number()
    .min(0)
    .max(1e6)
    .optional()
    .describe('How closely the reference is kept to; default 0.1, of grpo 0: there is none.'),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(0.5)
    .default(0)
    .describe('Share of preferences that are taken to be wrong.'),
  ldAlpha: share()
    .optional()
    .describe('LD-DPO: what tokens count by which an answer is longer than the other.'),
  fDivergenceType: z
    .enum(['reverse_kl', 'forward_kl', 'js_divergence', 'alpha_divergence'])
    .default('reverse_kl')
    .describe('The divergence from the reference that dpo bounds.'),
  fAlphaDivergenceCoef: number().default(0.5).describe('α of alpha_divergence.'),
  useWeighting: z
    .boolean()
    .default(false)
    .describe('WPO: weigh pairs of dpo by how likely the model would have said the answers.'),
  discopopTau: z.number().positive().max(1e6).default(0.05).describe('τ of the loss discopop.'),
  precomputeRefLogProbs: z
    .boolean()
    .default(false)
    .describe('Ask the reference once before training, not in every step.'),
  syncRefModel: z.boolean().default(false).describe('TR-DPO: let the reference follow the model.'),
  refModelMixupAlpha: share().default(0.6).describe('With sync_ref_model: how far it follows.'),
  refModelSyncSteps: count().default(512).describe('With sync_ref_model: every so many steps.'),
  desirableWeight: z.number().min(0).max(1e6).default(1).describe('KTO: weight of wanted answers.'),
  undesirableWeight: z.number().min(0).max(1e6).default(1).describe('KTO: weight of unwanted answers.'),
  cpoAlpha: z
    .number()
    .min(0)
    .max(1e6)
    .default(1)
    .describe("CPO: weight of the chosen answers' own likelihood; 0 for SimPO as published."),
  centerRewardsCoefficient: z
    .number()
    .min(0)
    .max(1e6)
    .optional()
    .describe('With method reward: how strongly the rewards of a pair are kept around zero, such as 0.01.'),
  simpoGamma: z
    .number()
    .min(0)
    .max(1e6)
    .default(0.5)
    .describe('SimPO: margin that chosen answers shall win by.'),
  alpha: number().default(0).describe('AlphaPO: the form of the reward of cpo; 0 is the log-probability.'),
}

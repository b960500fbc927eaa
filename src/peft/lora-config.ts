import { z } from 'zod'
import { FettleError, quoteValue, type Problem } from '../error.ts'
import { expectedBy } from '../schema-issue.ts'
import { evaConfig } from './eva.ts'

/** Beyond the width of any published model no rank can do more. */
const mostRank = 1 << 16
const rank = () => z.int().min(1).max(mostRank)
const countOrZero = () => z.int().min(0)
const positive = () => z.number().positive()
const names = () => z.array(z.string().min(1)).min(1)

/** The fields of LoRA, for `addAdapter`, run files and adapter_config.json alike, without defaults. */
export const loraFields = {
  r: rank(),
  loraAlpha: positive(),
  loraDropout: z.number().min(0).lt(1),
  /** An empty list, where `targetParameters` says what is adapted. */
  targetModules: z.union([z.string().min(1), z.array(z.string().min(1))]),
  targetParameters: names(),
  excludeModules: z.union([z.string().min(1), names()]),
  bias: z.enum(['none', 'all', 'lora_only']),
  useRslora: z.boolean(),
  useDora: z.boolean(),
  rankPattern: z.record(z.string(), rank()),
  alphaPattern: z.record(z.string(), positive()),
  layersToTransform: z.array(countOrZero()).min(1),
  layersPattern: names(),
  modulesToSave: names(),
  ensureWeightTying: z.boolean(),
  trainableTokenIndices: z.union([
    z.array(countOrZero()).min(1),
    z.record(z.string(), z.array(countOrZero()).min(1)),
  ]),
} as const

/**
 * How LoRA's weights begin. `pissa` and `olora` take something out of the base's weights, and `loftq` rounds these: that is done again
 * when the adapter is loaded. The others leave them as they are.
 */
export const loadedInits = ['gaussian', 'orthogonal', 'eva', 'pissa', 'olora', 'loftq'] as const
export type LoadedInit = (typeof loadedInits)[number]

/** What begins with a part of the base's weights. */
export type SplitInit = 'pissa' | 'olora' | `pissa_niter_${number}`

/** Whether LoRA begins with a part of the base's weights. */
export function isSplitInit(init: LoraConfig['initLoraWeights']): init is SplitInit {
  return init === 'olora' || (typeof init === 'string' && init.startsWith('pissa'))
}

/** Beginnings that change the base: a part of it is taken out, or it is rounded. */
export type ChangingInit = SplitInit | 'loftq'

export function changesBase(init: LoraConfig['initLoraWeights']): init is ChangingInit {
  return isSplitInit(init) || init === 'loftq'
}

const isRandomised = (text: unknown): text is `pissa_niter_${number}` =>
  typeof text === 'string' && /^pissa_niter_\d{1,3}$/.test(text)
const newInits = ['gaussian', 'eva', 'pissa', 'olora', 'loftq'] as const

/** How LoftQ rounds, and how often it goes round. */
export const loftqFields = {
  loftqBits: z
    .literal([4, 8])
    .default(4)
    .describe('Bits of the weights that LoftQ makes up for: nf4, or int8.'),
  loftqIter: z.int().min(1).max(100).default(1).describe('How often LoftQ rounds and decomposes in turn.'),
}
const loftqConfig = z.strictObject(loftqFields)
export interface LoftqConfig extends z.output<typeof loftqConfig> {}

/**
 * The fields of LoRA with their defaults, for `addAdapter`, `trainSft`, run files and flags alike. Names and meaning are
 * PEFT's, in camelCase; the defaults are what training wants, not those of PEFT's class (r 8, alpha 8).
 */
export const loraSchema = z.strictObject({
  r: loraFields.r.default(16).describe('Rank.'),
  loraAlpha: loraFields.loraAlpha.default(32).describe('Scaling: alpha / r.'),
  loraDropout: loraFields.loraDropout.default(0).describe("Dropout before LoRA's A."),
  targetModules: loraFields.targetModules
    .default('all-linear')
    .describe('Modules to adapt: all-linear, names, or a regular expression for the whole path.'),
  targetParameters: loraFields.targetParameters
    .optional()
    .describe('Tensors of experts to adapt besides: mlp.experts.gate_up_proj, mlp.experts.down_proj.'),
  excludeModules: loraFields.excludeModules.optional().describe('Modules to leave out.'),
  bias: loraFields.bias.default('none').describe('Which biases are trained.'),
  // Kalajdzievski 2023, https://arxiv.org/abs/2312.03732
  useRslora: loraFields.useRslora.default(false).describe('Scaling alpha / √r (rsLoRA).'),
  // Liu et al. 2024, https://arxiv.org/abs/2402.09353
  useDora: loraFields.useDora
    .default(false)
    .describe('DoRA: the length of each row of a weight is trained apart from its direction.'),
  rankPattern: loraFields.rankPattern.default({}).describe('Other ranks for modules by name.'),
  alphaPattern: loraFields.alphaPattern.default({}).describe('Other alphas for modules by name.'),
  layersToTransform: loraFields.layersToTransform.optional().describe('Only these layers.'),
  layersPattern: loraFields.layersPattern
    .optional()
    .describe('What the list is called that layers_to_transform counts in; default any.'),
  modulesToSave: loraFields.modulesToSave
    .optional()
    .describe('Modules trained whole and saved with the adapter.'),
  ensureWeightTying: loraFields.ensureWeightTying
    .default(false)
    .describe('With modules_to_save: keep a tied embedding and head one; else they part.'),
  trainableTokenIndices: loraFields.trainableTokenIndices
    .optional()
    .describe('Tokens whose embedding rows are trained too, or such lists for embed_tokens and lm_head.'),
  initLoraWeights: z
    .union([z.boolean(), z.enum(newInits), z.custom<`pissa_niter_${number}`>(isRandomised)])
    .default(true)
    .describe(
      'true: B starts at zero; false: both at random; or gaussian, eva, pissa, pissa_niter_N, olora, loftq, which begin as in PEFT.',
    ),
  loftqConfig: loftqConfig.optional().describe('With init_lora_weights: loftq.'),
  evaConfig: evaConfig.optional().describe('With init_lora_weights: eva.'),
})

/** LoRA's fields, all of them there that have a default. */
export interface LoraOptions extends z.output<typeof loraSchema> {}

/** The configuration of an adapter: its fields, and what its file says besides. */
export interface LoraConfig extends Omit<LoraOptions, 'initLoraWeights'> {
  initLoraWeights: boolean | LoadedInit | `pissa_niter_${number}`
  /** SEQ_CLS: of a reward model. */
  taskType: 'CAUSAL_LM' | 'SEQ_CLS'
  /** The model that the adapter belongs to: a path, or a name on the hub. */
  baseModelNameOrPath?: string
}

/**
 * Fills in defaults.
 *
 * @throws FettleError that lists every field that does not exist or has a value it cannot have
 */
export function loraConfig({
  taskType = 'CAUSAL_LM',
  baseModelNameOrPath,
  ...given
}: Partial<LoraConfig> = {}): LoraConfig {
  const result = loraSchema.safeParse(given)
  if (!result.success) throw new FettleError(result.error.issues.flatMap((issue) => problemsOf(issue, given)))
  if (result.data.targetModules.length === 0 && !result.data.targetParameters)
    throw new FettleError({
      place: 'lora.target_modules',
      found: '[]',
      expected: 'names of modules, or target_parameters beside it',
    })
  if (result.data.layersPattern && !result.data.layersToTransform)
    throw new FettleError({
      place: 'lora.layers_pattern',
      found: quoteValue(result.data.layersPattern),
      expected: 'layers_to_transform beside it: it says what these numbers count',
    })
  return { ...result.data, taskType, ...(baseModelNameOrPath !== undefined && { baseModelNameOrPath }) }
}

function problemsOf(issue: z.core.$ZodIssue, given: object): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const expected = Object.keys(loraSchema.shape).join(', ')
    return issue.keys.map((key) => ({ place: `lora.${key}`, found: 'an unknown field', expected }))
  }
  const value = issue.path.reduce<unknown>((at, key) => Reflect.get(Object(at) as object, key), given)
  return [
    {
      place: ['lora', ...issue.path].join('.'),
      found: quoteValue(value),
      expected: expectedBy(issue),
    },
  ]
}

import { z } from 'zod'
import { FettleError, quoteValue, type Problem } from '../error.ts'
import { expectedBy } from '../schema-issue.ts'

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
  targetModules: z.union([z.string().min(1), names()]),
  excludeModules: z.union([z.string().min(1), names()]),
  bias: z.enum(['none', 'all', 'lora_only']),
  useRslora: z.boolean(),
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
 * How LoRA's weights of a loaded adapter began. `pissa` and `olora` took something out of the base's weights, which is taken out
 * again when they are loaded; the others left them as they were.
 */
export const loadedInits = ['gaussian', 'orthogonal', 'eva', 'pissa', 'olora'] as const
export type LoadedInit = (typeof loadedInits)[number]

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
  excludeModules: loraFields.excludeModules.optional().describe('Modules to leave out.'),
  bias: loraFields.bias.default('none').describe('Which biases are trained.'),
  // Kalajdzievski 2023, https://arxiv.org/abs/2312.03732
  useRslora: loraFields.useRslora.default(false).describe('Scaling alpha / √r (rsLoRA).'),
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
  initLoraWeights: z.boolean().default(true).describe('B starts at zero; false starts both at random.'),
})

/** LoRA's fields, all of them there that have a default. */
export interface LoraOptions extends z.output<typeof loraSchema> {}

/** The configuration of an adapter: its fields, and what its file says besides. */
export interface LoraConfig extends Omit<LoraOptions, 'initLoraWeights'> {
  initLoraWeights: boolean | LoadedInit
  taskType: 'CAUSAL_LM'
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

import { z } from 'zod'

/** Of run.json; another one is another layout. */
export const handOffVersion = 1

const count = () => z.int().min(0)

const tensor = z.strictObject({
  name: z.string().describe('In adapter_model.safetensors, or model.safetensors.'),
  shape: z.array(count()),
  start: count().describe('Its first number in the flat parameters of optimizer.safetensors.'),
  rows: count(),
  columns: count(),
  stride: count().describe('Numbers between the beginnings of two rows.'),
  plus: z
    .number()
    .describe(
      'What the flat parameters have more than the file: 1 for gains that are stored as their distance from it.',
    ),
  weight_decay: z.number(),
  learning_rate_factor: z.number().describe('LoRA+: what the learning rate is multiplied by.'),
})

const shard = z.strictObject({
  file: z.string(),
  rows: count(),
  tokens: count(),
})

const step = z.strictObject({
  rows: z
    .tuple([count(), count()])
    .describe('The first row, counted over all shards, and how many follow each other.'),
  tokens: count(),
  learned_tokens: count().describe('What the sum of losses is divided by, over all rows and ranks together.'),
  learning_rate: z.number(),
  epoch: count(),
  micro_batches: z
    .array(count())
    .optional()
    .describe('With preferences: rows of each micro-batch, over which losses are means.'),
  chosen_tokens: z
    .array(count())
    .optional()
    .describe(
      'With orpo and cpo: learned tokens of each micro-batch’s chosen answers, over which −log P is a mean.',
    ),
  evaluate: z.literal(true).optional().describe('Held-out rows are evaluated after it.'),
  save: z.literal(true).optional().describe('A checkpoint is written after it.'),
})

const sft = z.strictObject({
  method: z.literal('sft'),
  stop_token_ids: z.array(count()).describe('The tokens that end a turn, the template’s own first.'),
})

const dpo = z.strictObject({
  method: z.literal('dpo'),
  loss_type: z.enum(['sigmoid', 'sigmoid_norm', 'hinge', 'ipo', 'robust']),
  beta: z.number(),
  label_smoothing: z.number(),
})

const kto = z.strictObject({
  method: z.literal('kto'),
  loss_type: z.enum(['kto', 'apo_zero_unpaired']),
  beta: z.number(),
})

const orpo = z.strictObject({
  method: z.literal('orpo'),
  beta: z.number(),
})

const cpo = z.strictObject({
  method: z.literal('cpo'),
  loss_type: z.enum(['sigmoid', 'hinge', 'ipo', 'simpo']),
  beta: z.number(),
  label_smoothing: z.number(),
  cpo_alpha: z.number().describe('Weight of −log P of the chosen answers.'),
  simpo_gamma: z.number(),
  alpha: z.number().describe('AlphaPO: rewards are (1 − p^−α) / α; 0: log p.'),
})

const clipped = { max_grad_norm: z.number().describe('0 does not clip.') }

const optimiser = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('adamw'),
    beta1: z.number(),
    beta2: z.number(),
    epsilon: z.number(),
    ...clipped,
  }),
  z.strictObject({ name: z.literal('lion'), beta1: z.number(), beta2: z.number(), ...clipped }),
  z.strictObject({
    name: z.literal('sgd'),
    momentum: z.number(),
    dampening: z.number(),
    nesterov: z.boolean(),
    ...clipped,
  }),
  z.strictObject({ name: z.literal('adafactor'), ...clipped }),
])

/** Losses of DPO that follow from a margin alone, and so from the weights of tokens. */
export const handedDpoLosses = dpo.shape.loss_type.options

/** What run.json of a hand-off says: all of a run but its tokens. */
export const handOffSchema = z.strictObject({
  format: z.literal('fettle-hand-off'),
  version: z.literal(handOffVersion),
  fettle: z.string().describe('The version that wrote it.'),
  model: z.strictObject({
    path: z.string().describe('Folder of the base model, or its name on the Hub.'),
    hash: z.string().nullable().describe('Tells it from others: docs/resuming.md says what is hashed.'),
    dtype: z.enum(['float32', 'bfloat16']),
    quantization: z.enum(['nf4', 'fp4', 'int8']).nullable(),
    double_quantization: z.boolean(),
  }),
  lora: z
    .record(z.string(), z.json())
    .nullable()
    .describe(
      'As in adapter_init/adapter_config.json; null: all weights are trained, and adapter_init/ is the model.',
    ),
  parameters: z.strictObject({
    size: count().describe('Numbers of the flat parameters.'),
    tensors: z.array(tensor),
  }),
  optimiser,
  objective: z.discriminatedUnion('method', [sft, dpo, kto, orpo, cpo]),
  seed: z.int().describe('Of dropout.'),
  gradient_checkpointing: z.boolean(),
  logging_steps: z.int().min(1),
  save_total_limit: z.int().min(1).nullable(),
  packed: z.boolean().describe('Whether rows hold several documents, which must not see each other.'),
  shards: z.array(shard),
  evaluation: z.strictObject({ shards: z.array(shard) }).nullable(),
  checkpoint: z.strictObject({
    run: z.record(z.string(), z.json()).describe('Which run its checkpoints are of.'),
    identity: z.record(z.string(), z.json()),
  }),
  start: z.record(z.string(), z.json()).describe('What the start event tells besides the engine.'),
  steps: z.array(step),
})

/** All of a run but its tokens. */
export type HandOffRecord = z.output<typeof handOffSchema>
/** A step of it. */
export type HandOffStep = z.output<typeof step>
/** A file of rows. */
export type HandOffShard = z.output<typeof shard>

/** JSON Schema of a hand-off's run.json, for readers in other languages. */
export function handOffJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(handOffSchema), title: 'fettle hand-off' }
}

import { z } from 'zod'
import { listNames, type Problem } from '../../../error.ts'
import { isOneOf, readForeign, type ForeignKeys, type JsonObject } from '../../../formats/foreign/index.ts'
import type { GgufFile } from '../../../formats/index.ts'

const number = z.union([z.number(), z.bigint().transform(Number)])
const optional = number.optional()

/** Keys under the name of the architecture, without it. What llama.cpp cannot do without is not optional. */
const obeyed = z.object({
  block_count: number,
  context_length: number,
  embedding_length: number,
  /** A number for each layer where they differ: see layerWidth. */
  feed_forward_length: z.union([number, z.array(number)]),
  'attention.head_count': number,
  /** A number for each layer where some do not attend: 0. */
  'attention.head_count_kv': z.union([number, z.array(number)]).optional(),
  'attention.key_length': optional,
  'attention.layer_norm_rms_epsilon': number,
  'rope.freq_base': optional,
  'rope.scaling.type': z.enum(['none', 'linear', 'yarn', 'longrope']).optional(),
  'rope.scaling.factor': optional,
  /** What older files call the factor of a linear scaling. */
  'rope.scale_linear': optional,
  'rope.scaling.original_context_length': optional,
  'rope.scaling.yarn_beta_fast': optional,
  'rope.scaling.yarn_beta_slow': optional,
  /** Of longrope; with other scalings it must be 1. */
  'rope.scaling.attn_factor': optional,
})

/** Further keys, which a family obeys where it says so. */
const further = z.object({
  /** In place of the root mean square's. */
  'attention.layer_norm_epsilon': number,
  'attention.sliding_window': optional,
  /** Every so many layers one sees everything, or whether each sees a window only. */
  'attention.sliding_window_pattern': z.union([number, z.array(z.boolean())]).optional(),
  'attention.scale': optional,
  'attention.temperature_scale': optional,
  attn_logit_softcapping: optional,
  final_logit_softcapping: optional,
  embedding_scale: optional,
  residual_scale: optional,
  logit_scale: optional,
  'rope.dimension_count': optional,
  'rope.freq_base_swa': optional,
  'rope.scaling.yarn_log_multiplier': optional,
  /** Taps of short convolutions, which layers without heads of keys have. */
  'shortconv.l_cache': optional,
  /** Experts, those that a token goes to, and their widths. */
  expert_count: optional,
  expert_used_count: optional,
  expert_feed_forward_length: optional,
  expert_shared_feed_forward_length: optional,
  /** Of the gated delta rule: taps, length of keys, heads of keys, heads of values, and their width together. */
  'ssm.conv_kernel': number,
  'ssm.state_size': number,
  'ssm.group_count': number,
  'ssm.time_step_rank': number,
  'ssm.inner_size': number,
  /** Every so many layers one attends. */
  full_attention_interval: optional,
  /** Layers at the end that guess further tokens, and are no part of the model. */
  nextn_predict_layers: optional,
  /** Text has one position where pictures have three: sections of a head for each of them change nothing. */
  'rope.dimension_sections': z.array(number).optional(),
  /** Of Gemma 4: layers at the end that read earlier ones' keys, inputs of layers, and what differs where a layer sees a window. */
  'attention.shared_kv_layers': optional,
  embedding_length_per_layer_input: optional,
  'attention.key_length_swa': optional,
  'attention.value_length_swa': optional,
  'rope.dimension_count_swa': optional,
})

/** A key that a family obeys beside those that every one does. */
export type FurtherGgufKey = keyof typeof further.shape

/** The metadata of an architecture that fettle obeys. */
export type GgufConfig = z.output<typeof obeyed> & Partial<z.output<typeof further>>

const none = { isHarmless: isOneOf(0), expected: '0' }
const one = { isHarmless: isOneOf(1), expected: '1' }
const wholeHead = {
  isHarmless: (value: unknown, file: JsonObject) => Number(value) === headLength(file),
  expected: 'the length of a head',
}

const unobeyed: NonNullable<ForeignKeys['unobeyed']> = {
  expert_count: { ...none, expected: '0: fettle knows no experts of this architecture' },
  'rope.dimension_count': wholeHead,
  'attention.value_length': wholeHead,
  'attention.causal': { isHarmless: isOneOf(true), expected: 'true' },
  'attention.scale': {
    isHarmless: (value, file) => Math.abs(Number(value) * Math.sqrt(headLength(file)) - 1) < 1e-4,
    expected: '1 / √(length of a head)',
  },
  'attention.clamp_kqv': none,
  'attention.max_alibi_bias': none,
  'attention.sliding_window_pattern': {
    isHarmless: () => false,
    expected: 'a window in every layer, or in none',
  },
  attn_logit_softcapping: none,
  final_logit_softcapping: none,
  router_logit_softcapping: none,
  logit_scale: one,
  residual_scale: one,
  embedding_scale: one,
  use_parallel_residual: { isHarmless: isOneOf(false), expected: 'false' },
  'attention.temperature_scale': none,
  'rope.freq_base_swa': { isHarmless: () => false, expected: 'one rotation for all layers' },
  'rope.scaling.yarn_attn_factor': one,
  'rope.scaling.yarn_ext_factor': { isHarmless: isOneOf(1, -1), expected: '1' },
  'rope.scaling.yarn_log_multiplier': none,
}

const harmless = ['vocab_size', 'rope.scaling.finetuned', 'tensor_data_layout', 'expert_used_count']

/** Columns of a head. */
export function headLength(file: Readonly<Record<string, unknown>>): number {
  return Number(
    file['attention.key_length'] ?? Number(file['embedding_length']) / Number(file['attention.head_count']),
  )
}

/** The width of an MLP, where all layers have the same; else undefined. */
export function layerWidth({
  feed_forward_length: given,
}: Pick<GgufConfig, 'feed_forward_length'>): number | undefined {
  if (typeof given === 'number') return given
  return new Set(given).size === 1 ? given[0] : undefined
}

/** The share of a head's columns that turn; a little more than it, so that no rounding takes a column away. */
export function rotaryShare(values: GgufConfig): number {
  const length = headLength(values)
  return Math.min(1, ((values['rope.dimension_count'] ?? length) + 1e-3) / length)
}

/** What a family obeys: keys of layer norms stand in place of the root mean square's. */
function schemaOf(own: readonly FurtherGgufKey[]): z.ZodObject {
  const added = Object.fromEntries(own.map((key) => [key, further.shape[key]]))
  const { 'attention.layer_norm_rms_epsilon': _, ...shape } = obeyed.shape
  const isOther = own.includes('attention.layer_norm_epsilon')
  return z.object({ ...(isOther ? shape : obeyed.shape), ...added })
}

/** Metadata that describe the file, are the tokenizer's, or tell how its numbers were rounded. */
const elsewhere = /^(general\.(?!sampling\.)|tokenizer\.|split\.|quantize\.|imatrix\.)/

/**
 * Reads what the metadata of a GGUF file say of the architecture.
 *
 * @param own  keys that the family obeys beside those that every one does
 * @throws FettleError that lists every value that its key cannot have, and every key that would change results
 */
export function readGgufKeys(
  path: string,
  { metadata }: GgufFile,
  architecture: string,
  own: readonly FurtherGgufKey[],
): { values: GgufConfig; notices: readonly Problem[] } {
  const prefix = `${architecture}.`
  const entries: [string, unknown][] = []
  const unread: string[] = []
  for (const [key, value] of metadata) {
    if (key.startsWith(prefix)) entries.push([key.slice(prefix.length), value])
    else if (!elsewhere.test(key)) unread.push(key)
  }
  const read = readForeign(
    { obeyed: schemaOf(own), harmless, unobeyed },
    Object.fromEntries(entries),
    `${path}: ${architecture}`,
  )
  const values = read.values as GgufConfig
  if (unread.length === 0) return { values, notices: read.notices }
  const found = `metadata that fettle does not read: ${listNames(unread)}`
  return { values, notices: [...read.notices, { place: path, found }] }
}

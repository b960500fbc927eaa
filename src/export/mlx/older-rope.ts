import { isJsonObject, type JsonObject } from '../../formats/foreign/index.ts'

/** Scalings that mlx-lm knows by these names in `rope_scaling`. */
const scalings: readonly unknown[] = ['linear', 'llama3', 'yarn', 'longrope']

/**
 * A config.json with its rotation in the spelling of transformers 4, too, which mlx-lm reads of most models: where it stands in
 * `rope_parameters` alone it computes with 10,000 as theta, and says nothing.
 * Source: mlx_lm/models/llama.py and gemma3_text.py (ModelArgs), https://github.com/ml-explore/mlx-lm
 */
export function withOlderRope(config: JsonObject): JsonObject {
  const { text_config: inside, rope_parameters: all } = config
  const older = isJsonObject(all) ? olderOf(all) : {}
  return { ...older, ...config, ...(isJsonObject(inside) && { text_config: withOlderRope(inside) }) }
}

/** Whether mlx-lm would not find the rotation, or that of the text part of a model with others. */
export function lacksOlderRope(config: JsonObject): boolean {
  const { text_config: inside, rope_parameters: all, rope_theta: theta } = config
  return (isJsonObject(all) && theta === undefined) || (isJsonObject(inside) && lacksOlderRope(inside))
}

function olderOf(all: JsonObject): JsonObject {
  const { full_attention: ofFull, sliding_attention: sliding } = all
  const full = isJsonObject(ofFull) ? ofFull : all
  const { rope_theta: theta, partial_rotary_factor: share, ...scaling } = full
  return {
    ...(theta !== undefined && { rope_theta: theta }),
    ...(share !== undefined && { partial_rotary_factor: share }),
    ...(scalings.includes(scaling['rope_type']) && { rope_scaling: scaling }),
    ...(isJsonObject(sliding) && { rope_local_base_freq: sliding['rope_theta'] }),
  }
}

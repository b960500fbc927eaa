import type { GgufKeys } from '../family.ts'
import type { GgufConfig } from '../gguf/gguf-keys.ts'

/** What GGUF files say of a Gemma 4, as llama.cpp's converter writes them. */
export const gemma4Gguf: GgufKeys = {
  architecture: 'gemma4',
  obeys: [
    'attention.sliding_window',
    'attention.sliding_window_pattern',
    'attention.shared_kv_layers',
    'attention.key_length_swa',
    'attention.value_length_swa',
    'embedding_length_per_layer_input',
    'expert_count',
    'expert_used_count',
    'expert_feed_forward_length',
    'final_logit_softcapping',
    'rope.dimension_count_swa',
    'rope.freq_base_swa',
  ],
  metadata(values, rope, shapeOf) {
    const slides = slidingOf(values)
    const shared = values['attention.shared_kv_layers'] ?? 0
    const widths = [values.feed_forward_length].flat()
    const keyHeads = [values['attention.head_count_kv'] ?? values['attention.head_count']].flat()
    const headsOf = (layer: number) => keyHeads[keyHeads.length === 1 ? 0 : layer]
    const full = slides.flatMap((isSliding, layer) => (isSliding ? [] : [layer]))
    const experts = values.expert_count ?? 0
    return {
      intermediate_size: widths[0],
      use_double_wide_mlp: widths.at(-1) === 2 * widths[0],
      layer_types: slides.map((isSliding) => (isSliding ? 'sliding_attention' : 'full_attention')),
      head_dim: values['attention.key_length_swa'] ?? values['attention.key_length'],
      num_key_value_heads: headsOf(Math.max(0, slides.indexOf(true))),
      // A string as key of each layer, as newer files of Transformers have them.
      per_layer_config: Object.fromEntries(
        full.map((layer) => [
          String(layer),
          { head_dim: values['attention.key_length'], num_key_value_heads: headsOf(layer) },
        ]),
      ),
      attention_k_eq_v: full.some(
        (layer) => layer < slides.length - shared && !shapeOf(`blk.${layer}.attn_v.weight`),
      ),
      num_kv_shared_layers: shared,
      hidden_size_per_layer_input: values.embedding_length_per_layer_input ?? 0,
      vocab_size_per_layer_input: shapeOf('per_layer_token_embd.weight')?.[0],
      sliding_window: values['attention.sliding_window'],
      final_logit_softcapping: values.final_logit_softcapping ?? null,
      rope_parameters: {
        sliding_attention: { rope_type: 'default', rope_theta: values['rope.freq_base_swa'] ?? 10_000 },
        full_attention: fullRope(rope),
      },
      ...(experts > 0 && {
        enable_moe_block: true,
        num_experts: experts,
        top_k_experts: values.expert_used_count,
        moe_intermediate_size: values.expert_feed_forward_length,
      }),
    }
  },
}

function slidingOf({
  block_count: layers,
  'attention.sliding_window_pattern': pattern = 6,
}: GgufConfig): boolean[] {
  if (typeof pattern === 'object') return [...pattern]
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % pattern !== 0)
}

/** Frequencies that do not turn are divided by very much. */
function fullRope({ gguf_divisors: divisors, ...rope }: Record<string, unknown>): Record<string, unknown> {
  if (!Array.isArray(divisors)) return rope
  const turning = divisors.filter((divisor) => divisor === 1).length
  return { ...rope, rope_type: 'proportional', partial_rotary_factor: turning / divisors.length }
}

import type { GgufKeys } from '../family.ts'
import { rotaryShare } from '../gguf/gguf-keys.ts'
import { flags, integers, llamaMetadata, whole, type GgufMetadata } from '../gguf/gguf-metadata.ts'
import { ropeOf } from '../keys/rope-keys.ts'
import { eachLayer, unless, type KeyProblem } from '../keys/values.ts'
import { attends, llamaConfig, rotary, type Qwen35Config } from './qwen3-5-keys.ts'

/** What GGUF files say of a Qwen3.5, as llama.cpp's converter writes them. */
export const qwen35Gguf: GgufKeys = {
  architecture: 'qwen35',
  obeys: [
    'ssm.conv_kernel',
    'ssm.state_size',
    'ssm.group_count',
    'ssm.time_step_rank',
    'ssm.inner_size',
    'full_attention_interval',
    'rope.dimension_count',
    'rope.dimension_sections',
    'nextn_predict_layers',
  ],
  metadata: (values, rope) => {
    const { 'ssm.time_step_rank': valueHeads = 0, 'ssm.inner_size': width = 0 } = values
    return {
      num_hidden_layers: values.block_count - (values.nextn_predict_layers ?? 0),
      linear_conv_kernel_dim: values['ssm.conv_kernel'],
      linear_key_head_dim: values['ssm.state_size'],
      linear_num_key_heads: values['ssm.group_count'],
      linear_num_value_heads: valueHeads,
      linear_value_head_dim: width / valueHeads,
      full_attention_interval: values.full_attention_interval ?? 4,
      rope_parameters: { ...rope, partial_rotary_factor: rotaryShare(values) },
    }
  },
}

/** The same keys to be written. */
export function qwen35Metadata(config: Qwen35Config): GgufMetadata {
  return {
    ...llamaMetadata(llamaConfig(config)),
    'ssm.conv_kernel': whole(config.linear_conv_kernel_dim),
    'ssm.state_size': whole(config.linear_key_head_dim),
    'ssm.group_count': whole(config.linear_num_key_heads),
    'ssm.time_step_rank': whole(config.linear_num_value_heads),
    'ssm.inner_size': whole(config.linear_value_head_dim * config.linear_num_value_heads),
    'attention.recurrent_layers': flags(eachLayer(config, (layer) => !attends(config, layer))),
    full_attention_interval: whole(config.full_attention_interval ?? 4),
    'rope.dimension_count': whole(ropeOf(config, config.head_dim, rotary).rotaryDim),
    // Text has one position in all of them.
    'rope.dimension_sections': integers(
      [...(config.rope_parameters?.mrope_section ?? [11, 11, 10]), 0, 0, 0].slice(0, 4),
    ),
  }
}

/** What such a file cannot say: values that are longer than keys. */
export function lostOfQwen35({
  linear_key_head_dim: key,
  linear_value_head_dim: value,
}: Qwen35Config): KeyProblem[] {
  return unless(key === value, 'linear_value_head_dim', `${key}, the length of keys, as llama.cpp computes`)
}

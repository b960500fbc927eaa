import { causalConv } from '../../blocks/causal-conv.ts'
import { deltaNet } from '../../blocks/delta-net.ts'
import { linear } from '../../blocks/linear.ts'
import { gain, vector } from '../../weights/parameters.ts'
import {
  composed,
  negatedExponential,
  reordered,
  reorderedColumns,
  transposed,
} from '../../weights/transforms.ts'
import type { LlamaLayerOptions } from '../layers/llama-layer.ts'

/** What a layer with a memory is made of. */
interface MemoryConfig {
  hidden_size: number
  rms_norm_eps: number
  linear_conv_kernel_dim: number
  linear_key_head_dim: number
  linear_value_head_dim: number
  linear_num_key_heads: number
  linear_num_value_heads: number
}

/** A layer whose memory is written by the gated delta rule. */
export function qwen35Memory(config: MemoryConfig): LlamaLayerOptions {
  const { hidden_size: width, rms_norm_eps: eps } = config
  const { linear_num_key_heads: keyHeads, linear_key_head_dim: keyDim } = config
  const { linear_num_value_heads: valueHeads, linear_value_head_dim: valueDim } = config
  const values = valueHeads * valueDim
  const keys = 2 * keyHeads * keyDim
  const channels = keys + values
  const tiled = (dim: number, first = 0) => reordered(tiledRow({ keyHeads, valueHeads, dim }, first))
  return {
    mixer: (named, norm) =>
      deltaNet({
        norm,
        heads: { keyHeads, keyDim, valueHeads, valueDim },
        qkv: linear(
          width,
          [
            {
              module: named('linear_attn.in_proj_qkv', 'attn_qkv'),
              rows: channels,
              ggufTransform: tiled(valueDim, keys),
            },
          ],
          false,
        ),
        conv: causalConv(named('linear_attn.conv1d', 'ssm_conv1d'), {
          channels,
          taps: config.linear_conv_kernel_dim,
          silu: true,
          parts: 1,
          ggufTransform: composed(transposed, tiled(valueDim, keys)),
        }),
        gate: linear(
          width,
          [
            {
              module: named('linear_attn.in_proj_z', 'attn_gate'),
              rows: values,
              ggufTransform: tiled(valueDim),
            },
          ],
          false,
        ),
        rates: linear(
          width,
          [
            { module: named('linear_attn.in_proj_b', 'ssm_beta'), rows: valueHeads, ggufTransform: tiled(1) },
            {
              module: named('linear_attn.in_proj_a', 'ssm_alpha'),
              rows: valueHeads,
              ggufTransform: tiled(1),
            },
          ],
          false,
        ),
        decay: {
          aLog: vector(
            named('linear_attn.A_log', 'ssm_a'),
            valueHeads,
            composed(tiled(1), negatedExponential),
          ),
          dtBias: vector(named('linear_attn.dt_bias', 'ssm_dt.bias'), valueHeads, tiled(1)),
        },
        headNorm: { gain: gain(named('linear_attn.norm', 'ssm_norm'), valueDim), eps },
        output: linear(
          values,
          [
            {
              module: named('linear_attn.out_proj', 'ssm_out'),
              rows: width,
              ggufTransform: reorderedColumns(tiledRow({ keyHeads, valueHeads, dim: valueDim })),
            },
          ],
          false,
        ),
      }),
  }
}

/**
 * Where llama.cpp keeps a row of value heads, behind `first` rows of others: heads of one key head are side by side in memory, and in its
 * files the first of each key head, then the second of each.
 */
function tiledRow(
  { keyHeads, valueHeads, dim }: { keyHeads: number; valueHeads: number; dim: number },
  first = 0,
): (row: number) => number {
  const perKey = valueHeads / keyHeads
  return (row) => {
    if (row < first) return row
    const [head, inHead] = [Math.floor((row - first) / dim), (row - first) % dim]
    return first + ((head % perKey) * keyHeads + Math.floor(head / perKey)) * dim + inHead
  }
}

import { causalConv } from '../../blocks/causal-conv.ts'
import { linear } from '../../blocks/linear.ts'
import { shortConv } from '../../blocks/short-conv.ts'
import type { LlamaLayerOptions } from '../layers/llama-layer.ts'
import type { Lfm2Config } from './lfm2-keys.ts'

/** A convolution over the last few tokens, between two gates. */
export function lfm2Convolution({
  hidden_size: width,
  conv_bias: hasBias,
  conv_L_cache: taps,
}: Lfm2Config): NonNullable<LlamaLayerOptions['mixer']> {
  return (named, norm) =>
    shortConv({
      norm,
      input: linear(
        width,
        [{ module: named('conv.in_proj', 'shortconv.in_proj'), rows: 3 * width }],
        hasBias,
      ),
      conv: causalConv(named('conv.conv', 'shortconv.conv'), {
        channels: width,
        taps,
        hasBias,
        silu: false,
        parts: 3,
      }),
      output: linear(width, [{ module: named('conv.out_proj', 'shortconv.out_proj'), rows: width }], hasBias),
    })
}

import type { Block } from './architecture.ts'
import type { CacheShape } from './cache-shape.ts'
import { convParts, convState, recordConv, type CausalConv } from './causal-conv.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'
import { addToStream } from './residual.ts'
import { selectRows } from './select-rows.ts'

/** What a gated short convolution is made of. */
export interface ShortConvParts {
  norm: Norm
  /** Gates b and c, and values v, in the order b, c, v. */
  input: Linear
  /** Of b · v, times c. */
  conv: CausalConv
  output: Linear
}

/**
 * x + out(c · conv(b · v)), (b, c, v) = in(norm(x)).
 * Source: LFM2, https://arxiv.org/abs/2511.23404
 */
export function shortConv({ norm, input, conv, output }: ShortConvParts): Block {
  const { width } = convState(conv)
  const cache: CacheShape = { widths: [], states: [convState(conv)] }
  return {
    parameters: [...norm.parameters, ...linearParts(input), ...convParts(conv), ...linearParts(output)],
    cache,
    mixesTokens: true,
    kept: { activations: input.weight.columns + 4 * width, again: 0, float32: 0 },
    record(pass, stream, { rows }) {
      const gated = recordLinear(pass, norm.record(pass, stream), input, null)
      const mixed = recordConv(pass, gated, conv, cache)
      if (!rows) return addToStream(pass, mixed, output, stream, {})
      const chosen = selectRows(pass.tape, mixed, rows)
      return addToStream(pass, chosen, output, selectRows(pass.tape, stream, rows), {})
    },
  }
}

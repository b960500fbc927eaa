import type { Block } from './architecture.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'

/** What a gated MLP is made of. */
export interface GatedMlpParts {
  norm: Norm
  /** Gate and up, in this order. */
  gateUp: Linear
  down: Linear
}

/**
 * x + down(silu(gate(norm(x))) · up(norm(x))).
 * Source: Shazeer 2020, https://arxiv.org/abs/2002.05202
 */
export function gatedMlp({ norm, gateUp, down }: GatedMlpParts): Block {
  const inner = down.weight.columns
  return {
    parameters: [...norm.parameters, ...linearParts(gateUp), ...linearParts(down)],
    mixesTokens: false,
    kept: { activations: gateUp.weight.columns + 2 * inner, again: 2 * inner, float32: 0 },
    record(pass, stream, { computesAgain }) {
      const input = norm.record(pass, stream)
      const gated = () => {
        const wide = recordLinear(pass, input, gateUp, null)
        const shape = [wide.shape[0], inner]
        const { y } = pass.tape.apply(
          'swiglu',
          { gateUp: wide },
          {},
          { y: { dtype: pass.options.activation, shape } },
        )
        return recordLinear(pass, present(y), down, stream)
      }
      return computesAgain ? pass.tape.recomputed(gated) : gated()
    },
  }
}

import { activations, type Activation } from '../../engine/index.ts'
import type { Block } from './architecture.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'
import type { Residual } from './residual.ts'
import { addToStream, residualParts } from './residual.ts'

/** What a gated MLP is made of. */
export interface GatedMlpParts {
  norm: Norm
  /** Gate and up, in this order. */
  gateUp: Linear
  down: Linear
  residual?: Residual
  /** Of the gate; default silu. */
  activation?: Activation | undefined
}

/**
 * x + down(f(gate(norm(x))) · up(norm(x))).
 * Source: Shazeer 2020, https://arxiv.org/abs/2002.05202
 */
export function gatedMlp({ norm, gateUp, down, residual = {}, activation = 'silu' }: GatedMlpParts): Block {
  const inner = down.weight.columns
  const added = residualParts(down, gateUp.weight.columns, residual)
  return {
    parameters: [...norm.parameters, ...linearParts(gateUp), ...added.parameters],
    mixesTokens: false,
    kept: {
      activations: gateUp.weight.columns + 2 * inner + added.kept,
      again: 2 * inner,
      float32: added.float32,
    },
    record(pass, stream, { computesAgain }) {
      const input = norm.record(pass, stream)
      const gated = () => {
        const wide = recordLinear(pass, input, gateUp, null)
        const shape = [wide.shape[0], inner]
        const { y } = pass.tape.apply(
          'glu',
          { gateUp: wide },
          { activation: activations.indexOf(activation) },
          { y: { dtype: pass.options.activation, shape } },
        )
        return addToStream(pass, present(y), down, stream, residual)
      }
      return computesAgain ? pass.tape.recomputed(gated) : gated()
    },
  }
}

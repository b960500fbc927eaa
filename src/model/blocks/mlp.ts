import { activations, type Activation } from '../../engine/index.ts'
import type { Block } from './architecture.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'
import type { Residual } from './residual.ts'
import { addToStream, residualParts } from './residual.ts'

/** What an MLP without a gate is made of. */
export interface MlpParts {
  norm: Norm
  up: Linear
  down: Linear
  residual?: Residual
  activation: Activation
}

/**
 * x + down(f(up(norm(x)))).
 * Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 */
export function mlp({ norm, up, down, residual = {}, activation }: MlpParts): Block {
  const inner = down.weight.columns
  const added = residualParts(down, up.weight.columns, residual)
  return {
    parameters: [...norm.parameters, ...linearParts(up), ...added.parameters],
    mixesTokens: false,
    kept: {
      activations: up.weight.columns + 2 * inner + added.kept,
      again: 2 * inner,
      float32: added.float32,
    },
    record(pass, stream, { computesAgain }) {
      const input = norm.record(pass, stream)
      const activated = () => {
        const x = recordLinear(pass, input, up, null)
        const number = { activation: activations.indexOf(activation) }
        const { y } = pass.tape.apply('activation', { x }, number, { y: x })
        return addToStream(pass, present(y), down, stream, residual)
      }
      return computesAgain ? pass.tape.recomputed(activated) : activated()
    },
  }
}

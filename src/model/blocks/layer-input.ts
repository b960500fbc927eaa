import { activations, type Activation } from '../../engine/index.ts'
import type { Block } from './architecture.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'
import { noNorm } from './norm.ts'
import { addToStream, residualParts } from './residual.ts'
import { selectRows } from './select-rows.ts'

/** What a layer does with its inputs. */
export interface LayerInputBlockParts {
  gate: Linear
  activation: Activation
  output: Linear
  /** Of what is added. */
  norm: Norm
  /** Its place among the layers. */
  layer: number
}

/** x + norm(output(f(gate(x)) · inputs of the layer)) */
export function layerInput({ gate, activation, output, norm, layer }: LayerInputBlockParts): Block {
  const inputs = output.weight.columns
  const width = gate.weight.columns
  const added = residualParts(output, width, { norm })
  return {
    parameters: [...linearParts(gate), ...added.parameters],
    mixesTokens: false,
    kept: { activations: width + 2 * inputs + added.kept, again: 0, float32: added.float32 },
    record(pass, stream, { chosen }) {
      const { tape, layerInputs } = pass
      if (!layerInputs) throw new Error('a layer reads inputs that the architecture does not make')
      const up = chosen ? selectRows(tape, layerInputs, chosen) : layerInputs
      const opened = recordLinear(pass, noNorm.record(pass, stream), gate, null)
      const attributes = { activation: activations.indexOf(activation), first: layer * inputs }
      const { y } = tape.apply('gateColumns', { gate: opened, up }, attributes, { y: opened })
      return addToStream(pass, present(y), output, stream, { norm })
    },
  }
}

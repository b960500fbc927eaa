import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount, withRows } from '../weights/parameters.ts'
import { scaleIn } from './embedding.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import { noNorm } from './norm.ts'

/** What every layer reads of each token besides the stream, columns of one tensor. */
export interface LayerInputs {
  parameters: readonly Parameter[]
  /** Of those: the one with a row for each token of the vocabulary. */
  table: Parameter
  /** Values of each token that training keeps for all layers together: in the compute type, and in float32. */
  kept: { activations: number; float32: number }
  /** The same for so many tokens. */
  withVocabulary(rows: number): LayerInputs
  /**
   * @param stream  the embedded tokens [M, width]
   * @returns       [M, layers · inputs of one] float32
   */
  record(pass: ForwardPass, stream: Tensor): Tensor
}

/** What the inputs of layers are made of. */
export interface LayerInputParts {
  /** [vocabulary, layers · inputs of one] */
  table: Parameter
  /** Of the stream: [layers · inputs of one, width]. */
  projection: Linear
  /** Of each layer's part of the projection: its gain [inputs of one]. */
  gain: Parameter
  eps: number
}

/**
 * (norm(projection(x) / √width) + √n · table[ids]) / √2, the norm of each layer's n inputs for itself.
 * Source: Gemma 3n and 4, transformers 5.24, modeling_gemma4.py
 */
export function embeddedInputs(parts: LayerInputParts): LayerInputs {
  const { table, projection, gain, eps } = parts
  const inputs = rowCount(gain)
  const columns = table.columns
  const width = projection.weight.columns
  return {
    parameters: [table, ...linearParts(projection), gain],
    table,
    kept: { activations: width + columns, float32: columns },
    withVocabulary: (rows) => embeddedInputs({ ...parts, table: withRows(table, rows) }),
    record(pass, stream) {
      const { tape, tensors, tokens, options } = pass
      const [count] = stream.shape
      const projected = recordLinear(pass, noNorm.record(pass, stream), projection, null)
      const layers = columns / inputs
      const { y: normalised } = tape.apply(
        'qkNorm',
        { qkv: projected, qGain: tensors.tensor(gain), kGain: null },
        {
          // As if the projection had been divided by √width.
          eps: eps * width,
          queryParts: layers,
          queryWidth: inputs,
          keyParts: 0,
          keyWidth: 0,
          valueWidth: 0,
          valueParts: 0,
          givenWidth: 0,
        },
        { y: projected, rstd: { dtype: 'float32', shape: [count, layers] } },
      )
      const y = { dtype: 'float32' as const, shape: [count, columns] }
      const factor = scaleIn({ factor: Math.sqrt(inputs), isRounded: true }, options.activation)
      const { y: rows } = tape.apply(
        'embedding',
        { ids: tokens.ids, table: tensors.tensor(table) },
        { scale: factor * Math.SQRT1_2 },
        { y },
      )
      const sum = { x: present(normalised), residual: present(rows) }
      return present(tape.apply('addScaled', sum, { scale: Math.SQRT1_2 }, { y }).y)
    },
  }
}

import { FettleError } from '../../error.ts'
import type { DecoderParameters, LinearParameters } from '../families/architecture.ts'
import type { ModelState } from '../model-state.ts'
import { decoderParameters } from '../model-state.ts'

/**
 * The parameters of a pass by the model as it was before its adapter.
 *
 * @throws FettleError where the adapter holds trained weights in place of the model's
 */
export function withoutAdapter(state: ModelState): DecoderParameters {
  const { modulesToSave = [], bias = 'none', trainableTokenIndices } = state.adapter?.config ?? {}
  if (!state.adapter || modulesToSave.length > 0 || bias !== 'none' || trainableTokenIndices !== undefined)
    throw new FettleError({
      place: 'reference',
      found: state.adapter
        ? 'an adapter that changes weights of the model itself'
        : 'a model without adapter',
      expected: 'LoRA alone, which can be switched off',
      cure: 'Compute the log-probabilities of the reference before training.',
    })
  const plain = (linear: LinearParameters): LinearParameters => ({ ...linear, lora: null })
  const parameters = decoderParameters(state)
  return {
    ...parameters,
    layers: parameters.layers.map((layer) => ({
      ...layer,
      qkv: plain(layer.qkv),
      output: plain(layer.output),
      gateUp: plain(layer.gateUp),
      down: plain(layer.down),
    })),
  }
}

import { FettleError } from '../error.ts'
import { trainedTensors } from './adapters/save-adapter.ts'
import { vocabularyOf } from './blocks/architecture.ts'
import type { ForwardInputs } from './passes/flatten.ts'
import { flattenBatch } from './passes/flatten.ts'
import type { Passes } from './passes/passes.ts'
import { clearGradients } from './passes/training-state.ts'
import type { ModelState } from './state/model-state.ts'
import { trainAllParameters } from './state/train-state.ts'

/** Numbers with a shape. */
export interface NumberArray {
  data: Float32Array
  shape: number[]
}

/** Logits [batch, time, vocab] (zeros at padding) and, with labels, the mean loss over the unmasked shifted labels. */
export async function forwardLogits(
  state: ModelState,
  passes: Passes,
  inputs: ForwardInputs,
): Promise<{ logits: NumberArray; loss?: number }> {
  const width = vocabularyOf(state.architecture)
  const flat = flattenBatch(inputs, width, state.architecture.maxPositions)
  const logits = await passes.logits(flat)
  const data = new Float32Array(flat.batch * flat.time * width)
  flat.places.forEach((place, i) => data.set(logits.subarray(i * width, (i + 1) * width), place * width))
  const shaped = { data, shape: [flat.batch, flat.time, width] }
  if (!inputs.labels) return { logits: shaped }
  const logProbs = await passes.logProbs(flat)
  return {
    logits: shaped,
    loss: -logProbs.reduce((sum, logProb) => sum + logProb, 0) / logProbs.length,
  }
}

/**
 * Gradients of the mean loss, by name: of the adapter, or without one of every parameter.
 *
 * @throws FettleError where no label is learned
 */
export async function lossGradients(
  state: ModelState,
  passes: Passes,
  inputs: ForwardInputs,
): Promise<Map<string, NumberArray>> {
  await trainAllParameters(state)
  const flat = flattenBatch(inputs, vocabularyOf(state.architecture), state.architecture.maxPositions)
  const { learnedTokens } = flat
  if (learnedTokens === 0)
    throw new FettleError({
      place: 'labels',
      found: inputs.labels ? 'nothing to learn' : 'nothing',
      expected: 'token ids, −100 where nothing is learned; the first of a row is never predicted',
    })
  await clearGradients(state)
  await passes.train(flat, new Float64Array(learnedTokens).fill(1 / learnedTokens))
  const gradients = new Map<string, NumberArray>()
  for (const { name, shape, data } of trainedTensors(state, 'gradient'))
    gradients.set(name, { data: await data(), shape: [...shape] })
  await clearGradients(state)
  return gradients
}

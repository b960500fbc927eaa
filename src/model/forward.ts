import { FettleError } from '../error.ts'
import { trainedTensors } from './adapters/save-adapter.ts'
import { vocabularyOf } from './blocks/architecture.ts'
import type { ForwardInputs } from './passes/flatten.ts'
import { flattenBatch } from './passes/flatten.ts'
import type { Passes } from './passes/passes.ts'
import { clearGradients } from './passes/training-state.ts'
import type { ModelState } from './state/model-state.ts'
import { refuseScores } from './score-head.ts'
import { trainAllParameters } from './state/train-state.ts'

/** Numbers with a shape. */
export interface NumberArray {
  data: Float32Array
  shape: number[]
}

/** What a forward pass gives. */
export interface ForwardOutputs {
  /** [batch, time, vocab], zeros at padding. */
  logits: NumberArray
  /** With labels: the mean over the unmasked shifted labels, and of a model with experts what `outputRouterLogits` adds. */
  loss?: number
  /** With `outputRouterLogits`: [batch, time, experts] of each layer that has some, before the softmax, zeros at padding. */
  routerLogits?: NumberArray[]
  /** With `outputRouterLogits`: how unevenly experts are used, without its coefficient; of all tokens, padding left out. */
  auxLoss?: number
}

export async function forwardLogits(
  state: ModelState,
  passes: Passes,
  inputs: ForwardInputs,
): Promise<ForwardOutputs> {
  refuseScores(state, 'forward')
  const { architecture } = state
  const width = vocabularyOf(architecture)
  const flat = flattenBatch(inputs, width, architecture.maxPositions)
  const { batch, time } = flat
  const padded = (values: Float32Array, columns: number): NumberArray => {
    const data = new Float32Array(batch * time * columns)
    flat.places.forEach((place, i) =>
      data.set(values.subarray(i * columns, (i + 1) * columns), place * columns),
    )
    return { data, shape: [batch, time, columns] }
  }
  const outputs: ForwardOutputs = { logits: padded(await passes.logits(flat), width) }
  const coefficient = balanceCoefficient(state, inputs)
  if (coefficient !== null) {
    const { logits, loss } = await passes.routing(flat)
    outputs.routerLogits = logits.map((values) => padded(values, values.length / flat.inputIds.length))
    outputs.auxLoss = loss
  }
  if (!inputs.labels) return outputs
  const logProbs = await passes.logProbs(flat)
  const loss = -logProbs.reduce((sum, logProb) => sum + logProb, 0) / logProbs.length
  return { ...outputs, loss: loss + (coefficient ?? 0) * (outputs.auxLoss ?? 0) }
}

/** What the loss of unevenly used experts is multiplied by; null: it is not asked for, or there are no experts. */
function balanceCoefficient(
  { architecture: { balance } }: ModelState,
  { outputRouterLogits }: ForwardInputs,
): number | null {
  return balance && (outputRouterLogits ?? balance.isAdded) ? balance.coefficient : null
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
  refuseScores(state, 'gradients')
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
  await passes.train(flat, new Float64Array(learnedTokens).fill(1 / learnedTokens), {
    balance: balanceCoefficient(state, inputs) ?? 0,
  })
  const gradients = new Map<string, NumberArray>()
  for (const { name, shape, data } of trainedTensors(state, 'gradient'))
    gradients.set(name, { data: await data(), shape: [...shape] })
  await clearGradients(state)
  return gradients
}

import { FettleError } from '../error.ts'
import { createAssistant, defaultAssistantTokens } from '../generate/index.ts'
import type { Assistant, Decoder } from '../generate/index.ts'

/** What guesses tokens for another model. */
export interface AssistantModel {
  readonly vocabSize: number
  readonly maxPositions: number
  /**
   * A cache for `slots` sequences of at most `capacity` tokens each, of whose newest tokens `rewinds` may be fed again,
   * differently; default 1, for models whose cache does not remember every position.
   */
  decoder(slots: number, capacity: number, rewinds?: number): Decoder
}

/**
 * @throws FettleError when the assistant has another number of tokens: then it cannot guess
 */
export function checkAssistant(model: { readonly vocabSize: number }, assistant: AssistantModel): void {
  if (assistant.vocabSize === model.vocabSize) return
  throw new FettleError({
    place: 'assistantModel',
    found: `a vocabulary of ${assistant.vocabSize} tokens`,
    expected: `${model.vocabSize}, as the model has`,
    cure: 'Choose an assistant with the same tokenizer, such as the same model with quantization: nf4.',
  })
}

/**
 * An assistant for one sequence.
 *
 * @param capacity  tokens of the longest sequence; where it has more than the assistant can, the rest goes without guesses
 * @param count     how many tokens are guessed at once
 */
export function openAssistant(
  model: AssistantModel,
  capacity: number,
  count = defaultAssistantTokens,
): Assistant {
  return createAssistant(model.decoder(1, Math.min(capacity, model.maxPositions), count), count)
}

import { FettleError } from '../error.ts'
import type { Decoder, GenerateOptions } from '../generate/index.ts'

/** What guesses tokens for another model. */
interface AssistantModel {
  readonly vocabSize: number
  decoder(slots: number, capacity: number): Decoder
}

/** How a model generates, alone or with another one's help. */
export interface ModelGenerateOptions extends GenerateOptions {
  /** A smaller model with the same tokenizer that guesses tokens; the answer is the model's own, sooner. */
  assistantModel?: AssistantModel
  /** How many tokens the assistant guesses at once; default 3. */
  numAssistantTokens?: number
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

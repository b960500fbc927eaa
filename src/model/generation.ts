import { FettleError } from '../error.ts'
import {
  defaultAssistantTokens,
  generateSequences,
  obeyGenerationConfig,
  streamTokens,
  withText,
} from '../generate/index.ts'
import type {
  FinishReason,
  LengthOptions,
  Sequence,
  StreamPiece,
  TextOptions,
  TextPiece,
} from '../generate/index.ts'
import type { GenerationConfig } from '../tokenizer/index.ts'
import { checkAssistant, openAssistant, type AssistantModel } from './assistant-model.ts'
import { checkArgument, checkList, checkObject, isList } from '../check-argument.ts'
import { flattenBatch, type TokenMatrix } from './passes/flatten.ts'
import { plural } from '../plural.ts'

/** What a model goes on from. */
export interface GenerateInputs {
  /** Prompts. Without an attention mask rows may differ in length. */
  inputIds: TokenMatrix
  /** 1: token, 0: padding on whichever side. */
  attentionMask?: TokenMatrix
}

/** How a model generates, alone or with another one's help. */
export interface ModelGenerateOptions extends Omit<LengthOptions, 'cachedTokens'> {
  /** A smaller model with the same tokenizer that guesses tokens; the answer is the model's own, sooner. */
  assistantModel?: AssistantModel | undefined
  /** How many tokens the assistant guesses at once; default 3. */
  numAssistantTokens?: number | undefined
}

/** How a model streams. */
export type StreamOptions = Omit<ModelGenerateOptions, 'onToken'>

/** What was generated, with the reasons why it ended. */
export interface GenerateOutput {
  /** The new tokens of each prompt. */
  sequences: number[][]
  /** Why each of them ended. */
  finishReasons: FinishReason[]
}

/** What generates: the public model. */
interface GeneratingModel extends AssistantModel {
  readonly generationConfig: GenerationConfig
}

/** More tokens than any model's positions: a cache has room for each. */
const mostTokens = 10_000_000

function checkTokenCount(name: string, count: unknown): void {
  const isRight =
    count === undefined || (Number.isInteger(count) && Number(count) >= 0 && Number(count) <= mostTokens)
  checkArgument(name, count, isRight, 'a whole number from 0 to 10,000,000')
}

/**
 * Continues each prompt, in a key-value cache that lives as long as it takes. What no option says, generation_config.json says.
 */
export async function generateWith(
  model: GeneratingModel,
  inputs: GenerateInputs,
  given: ModelGenerateOptions,
): Promise<Sequence[]> {
  const settings = obeyGenerationConfig(given, model.generationConfig)
  const { assistantModel, numAssistantTokens, maxLength: asked = Infinity, ...options } = settings
  if (assistantModel) checkAssistant(model, assistantModel)
  checkObject('inputs', inputs)
  checkTokenCount('maxNewTokens', given.maxNewTokens)
  checkTokenCount('maxLength', given.maxLength)
  const prompts = promptsOf(inputs, model.vocabSize)
  checkArgument('inputIds', inputs.inputIds, prompts.length > 0, 'at least one prompt')
  const longest = prompts.reduce((length, prompt) => Math.max(length, prompt.length), 0)
  const isOfFile = given.maxNewTokens === undefined && options.maxNewTokens !== undefined
  if (isOfFile && asked !== (given.maxLength ?? Infinity) && longest >= asked)
    throw new FettleError({
      place: 'generation_config.json: max_length',
      found: `${asked}, and a prompt of ${plural(longest, 'token')}`,
      expected: 'more than the prompt has',
      cure: 'Say how many tokens are new: maxNewTokens, --max-new-tokens.',
    })
  // A file may ask for any number; memory is taken for what the model can.
  const maxLength = isOfFile ? Math.min(asked, Math.max(model.maxPositions, longest)) : asked
  const capacity = Math.min(longest + (options.maxNewTokens ?? 256), maxLength)
  const guesses = assistantModel
    ? (numAssistantTokens ?? defaultAssistantTokens)
    : options.promptLookupNumTokens
  const decoder = model.decoder(prompts.length, capacity, guesses || 1)
  const assistant = assistantModel && openAssistant(assistantModel, capacity, numAssistantTokens)
  try {
    return await generateSequences(decoder, prompts, {
      ...options,
      drafter: assistant ?? options.drafter,
    })
  } finally {
    decoder.free()
    assistant?.free()
  }
}

/** A generation as a stream: of text where there is a tokenizer, else of tokens. */
export function streamWith(
  generate: (options: ModelGenerateOptions) => Promise<Sequence[]>,
  { tokenizer, skipSpecialTokens, ...options }: StreamOptions & Partial<TextOptions>,
): AsyncGenerator<StreamPiece> | AsyncGenerator<TextPiece> {
  const { stopStrings } = options
  const pieces = streamTokens(
    (hooks) => generate({ ...options, ...(tokenizer && { tokenizer }), ...hooks }),
    options.signal,
  )
  if (tokenizer === undefined) return pieces
  return withText(pieces, {
    tokenizer,
    ...(skipSpecialTokens !== undefined && { skipSpecialTokens }),
    ...(stopStrings !== undefined && { stopStrings }),
  })
}

function checkedRow(row: readonly number[], index: number, vocabSize: number): readonly number[] {
  const isToken = (id: unknown): boolean =>
    typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize
  checkArgument(`inputIds[${index}]`, row, row.length > 0, 'at least one token')
  checkList(`inputIds[${index}]`, row, isToken, `a token id below ${vocabSize}`)
  return row
}

/** The tokens of each row without its padding. */
export function promptsOf(
  { inputIds, attentionMask }: GenerateInputs,
  vocabSize: number,
): (readonly number[])[] {
  if (
    (attentionMask ?? undefined) === undefined &&
    Array.isArray(inputIds) &&
    isList(inputIds) &&
    inputIds.findIndex((row) => !Array.isArray(row)) < 0
  )
    return inputIds.map((row, i) => checkedRow(row, i, vocabSize))
  const { batch, time, places } = flattenBatch(
    { inputIds, ...(attentionMask && { attentionMask }) },
    vocabSize,
  )
  const prompts: number[][] = Array.from({ length: batch }, () => [])
  for (const place of places) {
    const row = Math.floor(place / time)
    prompts[row].push('data' in inputIds ? inputIds.data[place] : inputIds[row][place % time])
  }
  return prompts
}

import type { Message } from '../chat/index.ts'
import { FettleError, quoteValue } from '../error.ts'
import { cutAtStopString, type FinishReason } from '../generate/index.ts'
import type { AutoModelForCausalLM, StreamOptions } from '../model/index.ts'
import type { ChatTemplateOptions, Tokenizer } from '../tokenizer/index.ts'
import type { LoadedModel } from './load-model.ts'
import { camelCaseOptions, type EitherSpelling } from './option-names.ts'
import { encodePrompt, type Prompt } from './prompt.ts'
import type { Streamer } from './text-streamer.ts'

/**
 * How a pipeline answers: the options of `model.generate`, and some of its own. How tokens are drawn is as
 * generation_config.json says where no option does.
 */
export interface TextGenerationSettings
  extends Omit<StreamOptions, 'tokenizer'>, Pick<ChatTemplateOptions, 'tools' | 'documents'> {
  /** Prompts that are answered together; default 16, with guesses 1. */
  batchSize?: number
  /** Begin `generated_text` with the text that was given (default true). Messages always come back whole. */
  returnFullText?: boolean
  /** Whether a text gets the tokenizer's special tokens, such as bos (default true). */
  addSpecialTokens?: boolean
  /** The name of one of the tokenizer's chat templates. */
  chatTemplate?: string
  /** What else the chat template reads: `{ enable_thinking: false }`. */
  tokenizerEncodeKwargs?: Record<string, unknown>
  /** Hears the tokens as they come; for one input at a time. */
  streamer?: Streamer
}

/** How a pipeline answers, in either spelling: `maxNewTokens` or `max_new_tokens`. */
export type TextGenerationOptions = EitherSpelling<TextGenerationSettings>

/** Every option, and who reads it. */
const readers: {
  readonly [Name in keyof Required<TextGenerationSettings>]: Name extends keyof StreamOptions
    ? 'model'
    : 'pipeline'
} = {
  maxNewTokens: 'model',
  maxLength: 'model',
  doSample: 'model',
  temperature: 'model',
  topK: 'model',
  topP: 'model',
  minP: 'model',
  repetitionPenalty: 'model',
  minNewTokens: 'model',
  minLength: 'model',
  suppressTokens: 'model',
  beginSuppressTokens: 'model',
  badWordsIds: 'model',
  noRepeatNgramSize: 'model',
  forcedBosTokenId: 'model',
  forcedEosTokenId: 'model',
  stopStrings: 'model',
  seed: 'model',
  firstRow: 'model',
  promptLookupNumTokens: 'model',
  assistantModel: 'model',
  numAssistantTokens: 'model',
  drafter: 'model',
  stopTokenIds: 'model',
  signal: 'model',
  batchSize: 'pipeline',
  returnFullText: 'pipeline',
  addSpecialTokens: 'pipeline',
  tools: 'pipeline',
  documents: 'pipeline',
  chatTemplate: 'pipeline',
  tokenizerEncodeKwargs: 'pipeline',
  streamer: 'pipeline',
}

/** An answer to a text or to messages. */
export interface GeneratedText<T extends string | Message[] = string> {
  /** The text with its continuation, or the messages with the assistant's. */
  generated_text: T
  /** Whether it ended by itself, was cut off, or stopped by a signal. */
  finish_reason: FinishReason
}

/** A model that answers texts and messages. */
export interface TextGenerationPipeline {
  (text: string, options?: TextGenerationOptions): Promise<[GeneratedText]>
  (texts: readonly string[], options?: TextGenerationOptions): Promise<[GeneratedText][]>
  (messages: readonly Message[], options?: TextGenerationOptions): Promise<[GeneratedText<Message[]>]>
  (
    chats: readonly (readonly Message[])[],
    options?: TextGenerationOptions,
  ): Promise<[GeneratedText<Message[]>][]>
  readonly task: 'text-generation'
  readonly model: AutoModelForCausalLM
  readonly tokenizer: Tokenizer
  /** Gives the model's memory back; answers that are under way come first. */
  dispose(): Promise<void>
  /** `dispose()` at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

type Input = string | readonly Message[]

/** Makes a pipeline of a model that is loaded. */
export function createTextGeneration(loaded: LoadedModel): TextGenerationPipeline {
  const { model, tokenizer } = loaded
  const underWay = new Set<Promise<unknown>>()
  const generator = async (given: unknown, options: TextGenerationOptions = {}): Promise<unknown> => {
    const { inputs, isBatch } = readInputs(given)
    const settings = camelCaseOptions<TextGenerationSettings>(options, Object.keys(readers), place)
    const answering = answerAll(loaded, inputs, settings)
    underWay.add(answering)
    try {
      const answers = await answering
      return isBatch ? answers.map((answer) => [answer]) : answers
    } finally {
      underWay.delete(answering)
    }
  }
  const dispose = async () => {
    await Promise.allSettled(underWay)
    await model.free()
  }
  return Object.assign(generator as TextGenerationPipeline, {
    task: 'text-generation' as const,
    model,
    tokenizer,
    dispose,
    [Symbol.asyncDispose]: dispose,
  })
}

/** What errors call the function. */
const place = 'generator'

/** One text, several, the messages of a chat, or several chats. */
function readInputs(given: unknown): { inputs: readonly Input[]; isBatch: boolean } {
  if (typeof given === 'string' || isChat(given)) return { inputs: [given], isBatch: false }
  if (Array.isArray(given)) {
    if (given.every((item) => typeof item === 'string')) return { inputs: given, isBatch: true }
    if (given.every(isChat)) return { inputs: given, isBatch: true }
  }
  throw new FettleError({
    place,
    found: Array.isArray(given) ? 'a list of something else' : quoteValue(given),
    expected: 'a text, a list of texts, messages with role and content, or a list of such chats',
  })
}

function isChat(value: unknown): value is Message[] {
  const isMessage = (item: unknown) => typeof item === 'object' && item !== null && 'role' in item
  return Array.isArray(value) && value.length > 0 && value.every(isMessage)
}

async function answerAll(
  loaded: LoadedModel,
  inputs: readonly Input[],
  options: TextGenerationSettings,
): Promise<GeneratedText<string | Message[]>[]> {
  const guesses = (options.promptLookupNumTokens ?? 0) > 0 || options.assistantModel || options.drafter
  const { batchSize = guesses ? 1 : 16, streamer } = options
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new FettleError({
      place: 'batch_size',
      found: quoteValue(batchSize),
      expected: 'a whole number from 1',
    })
  if (streamer && inputs.length !== 1)
    throw new FettleError({
      place: 'streamer',
      found: `${inputs.length} inputs`,
      expected: 'one: a streamer does not hear which of several a token belongs to',
      cure: 'model.stream does.',
    })
  const answers: GeneratedText<string | Message[]>[] = []
  for (let start = 0; start < inputs.length; start += batchSize)
    answers.push(
      ...(await answerBatch(loaded, inputs.slice(start, start + batchSize), {
        ...options,
        firstRow: (options.firstRow ?? 0) + start,
      })),
    )
  return answers
}

/** Answers some inputs together. */
async function answerBatch(
  loaded: LoadedModel,
  inputs: readonly Input[],
  settings: TextGenerationSettings,
): Promise<GeneratedText<string | Message[]>[]> {
  const { model, tokenizer } = loaded
  const { returnFullText = true, streamer } = settings
  const inputIds = await Promise.all(
    inputs.map((input) => encodePrompt(tokenizer, promptOf(input, settings))),
  )
  streamer?.put(inputIds)
  const answers = inputIds.map(() => ({ tokenIds: [] as number[], finishReason: 'abort' as FinishReason }))
  const options = modelOptions(loaded, settings)
  for await (const { row, tokenIds, finishReason } of model.stream({ inputIds }, options)) {
    answers[row].tokenIds.push(...tokenIds)
    answers[row].finishReason = finishReason ?? 'abort'
    if (tokenIds.length > 0) streamer?.put([tokenIds])
  }
  streamer?.end()
  return answers.map(({ tokenIds, finishReason }, i) => {
    const input = inputs[i]
    const text = (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecialTokens: true })
    const cut = (answer: string) =>
      finishReason === 'stop' ? cutAtStopString(answer, options.stopStrings) : answer
    if (typeof input !== 'string') {
      const message = { role: 'assistant', content: cut(text(tokenIds)) }
      return { generated_text: [...input, message], finish_reason: finishReason }
    }
    // Decoded behind its prompt: whether a word begins with a space is seen from the one before it.
    const continuation = cut(text([...inputIds[i], ...tokenIds]).slice(text(inputIds[i]).length))
    return { generated_text: (returnFullText ? input : '') + continuation, finish_reason: finishReason }
  })
}

/** @throws FettleError where an option of chats is given with a text */
function promptOf(input: Input, { addSpecialTokens, ...settings }: TextGenerationSettings): Prompt {
  const { tools, documents, chatTemplate: template, tokenizerEncodeKwargs: variables } = settings
  if (typeof input !== 'string') return { messages: input, tools, documents, template, variables }
  const ofChats = { tools, documents, chat_template: template, tokenizer_encode_kwargs: variables }
  const [name] = Object.entries(ofChats).flatMap(([key, value]) => (value === undefined ? [] : [key]))
  if (name !== undefined)
    throw new FettleError({
      place: name,
      found: 'given with a text',
      expected: 'messages',
      cure: 'Leave it out.',
    })
  return { text: input, ...(addSpecialTokens !== undefined && { addSpecialTokens }) }
}

/** The options of `model.stream`; what they leave open, generation_config.json says. */
function modelOptions(
  { model, tokenizer, stopTokenIds }: LoadedModel,
  settings: TextGenerationSettings,
): StreamOptions {
  const isOfModel = ([name]: [string, unknown]) => readers[name as keyof TextGenerationSettings] === 'model'
  const options: StreamOptions = Object.fromEntries(Object.entries(settings).filter(isOfModel))
  const stopStrings = settings.stopStrings ?? model.generationConfig.stopStrings
  return {
    stopTokenIds,
    maxLength: model.maxPositions,
    ...options,
    ...(stopStrings !== undefined && { stopStrings, tokenizer }),
  }
}

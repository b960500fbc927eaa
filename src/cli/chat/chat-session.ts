import type { Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import type { Assistant, Decoder, FinishReason, GenerateOptions, TextPiece } from '../../generate/index.ts'
import {
  defaultAssistantTokens,
  generateSequences,
  obeyGenerationConfig,
  sharedBeginning,
  streamTokens,
  withText,
} from '../../generate/index.ts'
import { openAssistant } from '../../model/index.ts'
import { encodePrompt } from '../../pipeline/index.ts'
import type { LoadedModel } from '../../pipeline/index.ts'
import type { LoadedAssistant } from '../flags/assistant-flags.ts'
import { textOf } from '../generate.ts'
import { stopProbabilities } from './stop-probabilities.ts'
import { plural } from '../../plural.ts'

/** A conversation with a model, which remembers it. */
export interface ChatSession {
  /** Says something and hears the answer as it comes; both are remembered at its end, also where a signal ends it. */
  ask(content: string, options: GenerateOptions): AsyncGenerator<TextPiece>
  /** Forgets everything but the system message. */
  reset(): void
  /** What was said, the system message first. */
  readonly messages: readonly Message[]
  /** Begins anew with another system message, or with none. */
  setSystem(content: string | undefined): void
  /** What the cache holds was computed by another model, such as the one without its adapter. */
  forgetCache(): void
  /** Tokens of the conversation so far, of those that fit, and the last answer's own. */
  usage(): Promise<{ tokens: number; context: number; answer: readonly number[] }>
  /**
   * How likely a token that ends an answer was, before each token of the last answer; where it did not end by itself, also behind it.
   * Undefined when there is no answer. Of the model as it is, without temperature and the like.
   */
  stopProbabilities(): Promise<{ answer: readonly number[]; probabilities: number[] } | undefined>
  /** Earliest turns that no longer fit and were forgotten, so far. */
  readonly forgotten: number
  free(): void
}

/** The newest answer, and what it was given for. */
interface Answered {
  prompt: readonly number[]
  answer: readonly number[]
  /** Whether its last token is one that ends an answer. */
  isEnded: boolean
}

/** How many tokens are guessed at once, at most. */
function guessesOf(
  assistant: LoadedAssistant | undefined,
  { promptLookupNumTokens }: GenerateOptions,
): number {
  return (assistant ? (assistant.numAssistantTokens ?? defaultAssistantTokens) : promptLookupNumTokens) || 1
}

/** Tokens that an answer should have room for before turns are forgotten. */
const answerRoom = 256

/**
 * Starts a conversation of at most `context` tokens. The key-value cache lives as long as it does: a turn only computes
 * the tokens that differ from what the cache holds.
 */
export function createChatSession(
  loaded: LoadedModel,
  context: number,
  { system, assistant }: { system?: string | undefined; assistant?: LoadedAssistant | undefined } = {},
): ChatSession {
  const { model, tokenizer, stopTokenIds } = loaded
  const openWith = (content: string | undefined): Message[] =>
    content === undefined ? [] : [{ role: 'system', content }]
  let opening = openWith(system)
  let decoder: Decoder | undefined
  let drafter: Assistant | undefined
  let history = [...opening]
  let cached: number[] = []
  let last: Answered | undefined
  let forgotten = 0

  return {
    async *ask(content, options) {
      const asked: Message[] = [...history, { role: 'user', content }]
      const prompt = await fittingPrompt(asked)
      decoder ??= model.decoder(1, context, guessesOf(assistant, options))
      if (assistant)
        drafter ??= openAssistant(assistant.assistantModel, context, assistant.numAssistantTokens)
      const sharedTokens = sharedBeginning(cached, prompt)
      // While tokens are under way, what the cache holds is not known if they fail or are stopped.
      cached = []
      const settings = {
        ...obeyGenerationConfig({ stopTokenIds, ...options }, model.generationConfig),
        cachedTokens: [sharedTokens],
        drafter,
      }
      const cache = decoder
      const pieces = streamTokens(
        (hooks) => generateSequences(cache, [prompt], { ...settings, ...hooks }),
        options.signal,
      )
      const answer: number[] = []
      let finishReason: FinishReason = 'abort'
      const { stopStrings = [] } = settings
      for await (const piece of withText(pieces, { tokenizer, stopStrings })) {
        answer.push(...piece.tokenIds)
        finishReason = piece.finishReason ?? finishReason
        yield piece
      }
      // A question whose answer was stopped before its first word was not asked.
      if (answer.length === 0) return
      cached = [...prompt, ...answer.slice(0, -1)]
      last = { prompt, answer, isEnded: stopTokenIds.includes(answer[answer.length - 1]) }
      history = [
        ...asked,
        { role: 'assistant', content: textOf(loaded, { tokenIds: answer, finishReason }, { stopStrings }) },
      ]
    },
    reset: beginAnew,
    get messages() {
      return history
    },
    setSystem(content) {
      opening = openWith(content)
      beginAnew()
    },
    forgetCache() {
      cached = []
    },
    async usage() {
      const tokens = history.length === 0 ? 0 : (await encodeMessages(history)).length
      return { tokens, context, answer: last?.answer ?? [] }
    },
    async stopProbabilities() {
      if (last === undefined || decoder === undefined) return undefined
      const { prompt, answer, isEnded } = last
      const tokens = [...prompt, ...(isEnded ? answer.slice(0, -1) : answer)]
      const held = decoder.resumable(0, Math.min(sharedBeginning(cached, tokens), prompt.length - 1))
      cached = []
      const probabilities = await stopProbabilities(decoder, tokens, {
        held,
        from: prompt.length - 1,
        stopTokenIds,
      })
      cached = tokens
      return { answer, probabilities }
    },
    get forgotten() {
      return forgotten
    },
    free() {
      decoder?.free()
      drafter?.free()
    },
  }

  function beginAnew(): void {
    history = [...opening]
    last = undefined
  }

  async function encodeMessages(messages: readonly Message[]): Promise<readonly number[]> {
    const text = tokenizer.applyChatTemplate(messages, {})
    return (await tokenizer.encode(text, { addSpecialTokens: false })).inputIds
  }

  /** Messages as tokens; the earliest turns are taken out where they would leave no room for an answer. */
  async function fittingPrompt(messages: Message[]): Promise<number[]> {
    const room = context - Math.min(answerRoom, Math.floor(context / 2))
    for (;;) {
      const prompt = await encodePrompt(tokenizer, { messages })
      if (prompt.length <= room) return prompt
      if (messages.length < opening.length + 3)
        throw new FettleError({
          place: 'message',
          found: plural(prompt.length, 'token'),
          expected: `at most ${room}`,
          cure: 'Shorten it, or start with a larger --context.',
        })
      messages.splice(opening.length, 2)
      forgotten += 2
    }
  }
}

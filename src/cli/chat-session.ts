import type { Message } from '../chat/index.ts'
import { FettleError } from '../error.ts'
import type { Assistant, Decoder, GenerateOptions, Sequence } from '../generate/index.ts'
import { generateSequences, sharedBeginning } from '../generate/index.ts'
import type { OpenAssistant } from './assistant-flags.ts'
import { textOf } from './generate.ts'
import type { LoadedModel } from './model-flags.ts'
import { encodePrompt } from './prompts.ts'

/** A conversation with a model, which remembers it. */
export interface ChatSession {
  /** Says something and hears the answer; both are remembered. */
  ask(content: string, options: GenerateOptions): Promise<Sequence>
  /** Forgets everything but the system message. */
  reset(): void
  /** Earliest turns that no longer fit and were forgotten, so far. */
  readonly forgotten: number
  free(): void
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
  { system, openAssistant }: { system?: string | undefined; openAssistant?: OpenAssistant | undefined } = {},
): ChatSession {
  const { model, tokenizer, stopTokenIds } = loaded
  const opening: Message[] = system === undefined ? [] : [{ role: 'system', content: system }]
  let decoder: Decoder | undefined
  let assistant: Assistant | undefined
  let history = [...opening]
  let cached: number[] = []
  let forgotten = 0

  return {
    async ask(content, options) {
      const asked: Message[] = [...history, { role: 'user', content }]
      const prompt = await fittingPrompt(asked)
      decoder ??= model.decoder(1, context)
      assistant ??= openAssistant?.(context)
      const sharedTokens = sharedBeginning(cached, prompt)
      // While tokens are under way, what the cache holds is not known if they fail or are stopped.
      cached = []
      const [sequence] = await generateSequences(decoder, [prompt], {
        stopTokenIds,
        ...options,
        cachedTokens: [sharedTokens],
        drafter: assistant,
      })
      // A question whose answer was stopped before its first word was not asked.
      if (sequence.tokenIds.length === 0) return sequence
      cached = [...prompt, ...sequence.tokenIds.slice(0, -1)]
      history = [...asked, { role: 'assistant', content: textOf(loaded, sequence.tokenIds) }]
      return sequence
    },
    reset() {
      history = [...opening]
    },
    get forgotten() {
      return forgotten
    },
    free() {
      decoder?.free()
      assistant?.free()
    },
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
          found: `${prompt.length} tokens`,
          expected: `at most ${room}`,
          cure: 'Shorten it, or start with a larger --context.',
        })
      messages.splice(opening.length, 2)
      forgotten += 2
    }
  }
}

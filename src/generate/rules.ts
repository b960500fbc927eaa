import type { Settings } from './options.ts'

/** A sequence that a next token is chosen for. */
export interface SequenceSoFar {
  /** Prompt and answer. */
  tokens: readonly number[]
  promptLength: number
  /** How many tokens it may still get. */
  room: number
}

/** What may come next beside what the logits say. */
export interface NextRule {
  /** Tokens that cannot come. */
  ruledOut: ReadonlySet<number>
  /** The only ones that can. */
  forced: readonly number[] | null
}

/** What rules tokens out, as the logits processors of Hugging Face's generate do. */
export interface Rules {
  /** The rule for the next token; null where any may come. */
  next(sequence: SequenceSoFar): NextRule | null
  /** Whether any token may come from here on. */
  areOver(sequence: Pick<SequenceSoFar, 'promptLength'>, newTokens: number): boolean
}

/** @param stopTokenIds  tokens that end a sequence, and that a shortest length holds back */
export function createRules(settings: Settings, stopTokenIds: ReadonlySet<number>): Rules {
  const { minNewTokens, minLength, suppressTokens, beginSuppressTokens, noRepeatNgramSize } = settings
  const { forcedBosTokenId, forcedEosTokenId } = settings
  const badWords = settings.badWordsIds.filter(
    (word) => word.length > 1 || word.some((id) => !stopTokenIds.has(id)),
  )
  const isEndless =
    suppressTokens.length > 0 || badWords.length > 0 || noRepeatNgramSize > 0 || forcedEosTokenId.length > 0
  const isShort = (promptLength: number, newTokens: number): boolean =>
    newTokens < minNewTokens || promptLength + newTokens < minLength
  // A forced first token is no beginning yet.
  const beginningOf = (promptLength: number): number =>
    promptLength <= 1 && forcedBosTokenId !== null ? 1 : 0
  return {
    next({ tokens, promptLength, room }) {
      const newTokens = tokens.length - promptLength
      const ruledOut = new Set(suppressTokens)
      if (isShort(promptLength, newTokens)) for (const id of stopTokenIds) ruledOut.add(id)
      if (newTokens === beginningOf(promptLength)) for (const id of beginSuppressTokens) ruledOut.add(id)
      for (const id of repeatingTokens(tokens, noRepeatNgramSize)) ruledOut.add(id)
      for (const word of badWords) if (isBegun(tokens, word)) ruledOut.add(word[word.length - 1])
      const forced =
        forcedEosTokenId.length > 0 && room === 1
          ? forcedEosTokenId
          : forcedBosTokenId !== null && tokens.length === 1
            ? [forcedBosTokenId]
            : null
      return ruledOut.size === 0 && forced === null ? null : { ruledOut, forced }
    },
    areOver: ({ promptLength }, newTokens) =>
      !isEndless &&
      !isShort(promptLength, newTokens) &&
      (forcedBosTokenId === null || promptLength + newTokens > 1) &&
      (beginSuppressTokens.length === 0 || newTokens > beginningOf(promptLength)),
  }
}

/** The tokens that stood behind the latest `size` − 1 tokens before. */
function* repeatingTokens(tokens: readonly number[], size: number): Generator<number> {
  if (size === 0) return
  const latest = tokens.length - (size - 1)
  for (let start = 0; start < latest; start += 1) {
    let same = 0
    while (same < size - 1 && tokens[start + same] === tokens[latest + same]) same += 1
    if (same === size - 1) yield tokens[start + same]
  }
}

/** Whether all of a word but its last token stands at the end. */
function isBegun(tokens: readonly number[], word: readonly number[]): boolean {
  if (word.length === 1) return true
  if (word.length > tokens.length + 1) return false
  const start = tokens.length - (word.length - 1)
  return word.every((id, i) => i === word.length - 1 || tokens[start + i] === id)
}

import { allCandidates } from './candidates.ts'
import type { Candidates } from './candidates.ts'
import type { Decoder, FedTokens } from './decoder.ts'
import type { Settings } from './options.ts'
import type { NextRule } from './rules.ts'
import { chooseToken, decidingCount, unusableLogits } from './sample.ts'

/** Whose next token a pass makes known. */
export interface Chooser {
  /** Distinct tokens of prompt and answer, for the repetition penalty. */
  seen: ReadonlySet<number>
  random: () => number
}

/** What is asked of a pass: the token after some of the tokens that are fed. */
export interface WantedTokens {
  /** Which of the fed tokens, in ascending order. */
  rows: Int32Array
  /** The rule for each of them. */
  rules: readonly (NextRule | null)[]
  /** The most tokens that any of them has seen. */
  mostSeen: number
}

/** More tokens than these are not worth finding one by one: all logits are read. */
const mostFound = 1024

/** Nothing but the most likely token is asked for: no logits need to come back. */
export function isGreedy({ doSample, repetitionPenalty }: Settings): boolean {
  return !doSample && repetitionPenalty === 1
}

/** One pass of the model, and how the token after each of its wanted rows is chosen: once each, in their order. */
export async function nextTokens(
  decoder: Decoder,
  tokens: FedTokens,
  { rows, rules, mostSeen }: WantedTokens,
  settings: Settings,
): Promise<(i: number, chooser: Chooser, place: string) => number> {
  if (isGreedy(settings) && rules.every((rule) => rule === null)) {
    const best = await decoder.feedGreedy(tokens, rows)
    return (i, _, place) => finiteChoice(best[i], place)
  }
  const ruledOut = rules.reduce((most, rule) => Math.max(most, rule?.ruledOut.size ?? 0), 0)
  const count = decidingCount(settings, mostSeen, ruledOut)
  const candidates = await candidatesAfter(decoder, tokens, rows, count)
  return (i, { seen, random }, place) => chooseToken(candidates(i), seen, settings, random, rules[i], place)
}

/** A greedy choice of the engine, which says −1 where there is none. */
export function finiteChoice(token: number, place: string): number {
  if (token < 0) throw unusableLogits(place)
  return token
}

/** One pass of the model, and the candidates after each of its wanted rows: `count` of them decide, or all. */
async function candidatesAfter(
  decoder: Decoder,
  tokens: FedTokens,
  rows: Int32Array,
  count: number | undefined,
): Promise<(i: number) => Candidates> {
  if (count !== undefined && count <= mostFound) {
    const largest = await decoder.feedLargest(tokens, rows, count)
    return (i) => largest[i]
  }
  const logits = await decoder.feed(tokens, rows)
  const width = decoder.vocabSize
  return (i) => allCandidates(logits.subarray(i * width, (i + 1) * width))
}

import type { Tokenizer } from '../../tokenizer/index.ts'
import type { EvaluationPrompt } from './evaluation-prompts.ts'
import { answerGreedily, argmax, type Answer, type Runner } from './runner.ts'

/** An answer, as a certificate shows it. */
export interface ShownAnswer {
  text: string
  ids: number[]
  stop: 'stop' | 'length'
}

/** One row: what the live model says, and what the exported form says. */
export interface ComparedRow {
  origin: string
  prompt: string
  prompt_ids: number[]
  /** Whether the form's own template and tokenizer make the same of the row; else what they make. */
  same_prompt: boolean
  exported_prompt?: string
  exported_prompt_ids?: number[]
  /** Of the token that follows the prompt: the likeliest of the live model, with the logits of both (llama.cpp tells them up to a constant). */
  first_logits: { id: number; token: string; live: number; exported: number }[]
  live: ShownAnswer
  exported: ShownAnswer
  /** Σ p log(p / q), in nats, the mean of all places of the live answer. */
  kl: number
  /** The largest difference of two logits at the place behind the prompt. */
  logit_difference: number
  /** The share of places where both have the same likeliest token. */
  agreement: number
  same_answer: boolean
  /** Whether the token that ended the live answer ends one of the form, too; true where the answer was cut. */
  stops_alike: boolean
}

/** How many of the first logits are shown. */
const shownLogits = 8

export interface CompareOptions {
  tokenizer: Tokenizer
  newTokens: number
  signal: AbortSignal | undefined
  /** Is told of each row that was asked. */
  onRow(): void
}

/** What the live model says to a prompt. */
export interface LiveAnswer {
  answer: Answer
  /** [tokens of the answer, vocabulary] */
  logits: Float32Array
}

/** Answers of the live model; they need no exported form, so that only one model is in memory. */
export async function answersOf(
  live: Runner,
  prompts: readonly EvaluationPrompt[],
  { newTokens, signal, onRow }: CompareOptions,
): Promise<LiveAnswer[]> {
  const answers: LiveAnswer[] = []
  for (const { ids } of prompts) {
    const answer = await answerGreedily(live, ids, newTokens, signal)
    answers.push({
      answer,
      logits: await live.logits([...ids, ...answer.ids.slice(0, -1)], answer.ids.length),
    })
    onRow()
  }
  return answers
}

/** The same row to the exported form: its own answer, and its logits place by place along the live one. */
export async function compareRow(
  exported: Runner,
  prompt: EvaluationPrompt,
  { answer, logits }: LiveAnswer,
  { tokenizer, newTokens, signal }: CompareOptions,
): Promise<ComparedRow> {
  const places = answer.ids.length
  const rendered = await exported.render(prompt.request)
  const isSame = rendered.text === prompt.text && rendered.ids.join() === prompt.ids.join()
  const found = await exported.logits([...prompt.ids, ...answer.ids.slice(0, -1)], places)
  const own = await answerGreedily(exported, rendered.ids, newTokens, signal)
  const [width, theirWidth] = [logits.length / places, found.length / places]
  let kl = 0
  let agreed = 0
  for (let place = 0; place < places; place += 1) {
    const p = logits.subarray(place * width, (place + 1) * width)
    // A form may have more rows than the vocabulary, for padding.
    const q = found.subarray(place * theirWidth, place * theirWidth + Math.min(width, theirWidth))
    kl += divergence(p.subarray(0, q.length), q)
    if (argmax(p) === argmax(q)) agreed += 1
  }
  const first = logits.subarray(0, width)
  const unknown = exported.givesLogits ? 0 : logSum(first)
  const theirs = found.subarray(0, Math.min(width, theirWidth)).map((value) => value + unknown)
  return {
    origin: prompt.origin,
    prompt: prompt.text,
    prompt_ids: prompt.ids,
    same_prompt: isSame,
    ...(!isSame && { exported_prompt: rendered.text, exported_prompt_ids: rendered.ids }),
    first_logits: largest(first, shownLogits).map((id) => ({
      id,
      token: tokenizer.convertIdsToTokens(id) ?? '',
      live: first[id],
      exported: theirs[id],
    })),
    live: shown(answer, tokenizer),
    exported: shown(own, tokenizer),
    kl: kl / places,
    logit_difference: theirs.reduce((most, value, id) => Math.max(most, Math.abs(value - first[id])), 0),
    agreement: agreed / places,
    same_answer: answer.ids.join() === own.ids.join(),
    stops_alike: !answer.isStopped || exported.isStop(answer.ids[places - 1]),
  }
}

function shown({ ids, isStopped }: Answer, tokenizer: Tokenizer): ShownAnswer {
  return {
    text: tokenizer.decode(ids, { skipSpecialTokens: true }),
    ids,
    stop: isStopped ? 'stop' : 'length',
  }
}

/** Σ p log(p / q) of two rows of logits. */
function divergence(p: Float32Array, q: Float32Array): number {
  const [logP, logQ] = [logSum(p), logSum(q)]
  let sum = 0
  for (let i = 0; i < p.length; i += 1) {
    const own = p[i] - logP
    sum += Math.exp(own) * (own - (q[i] - logQ))
  }
  return sum
}

function logSum(values: Float32Array): number {
  const most = values[argmax(values)]
  let sum = 0
  for (const value of values) sum += Math.exp(value - most)
  return most + Math.log(sum)
}

function largest(values: Float32Array, count: number): number[] {
  return Array.from(values.keys())
    .toSorted((a, b) => values[b] - values[a])
    .slice(0, count)
}

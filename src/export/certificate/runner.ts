import type { PromptRequest, RenderedPrompt } from './prompt-request.ts'

/** Who computes: the live model, or what was exported, in a runtime. */
export interface Runner extends Speech {
  runtime: RuntimeInfo
  /** Otherwise logarithms of probabilities: all of a row are smaller by one number. */
  givesLogits: boolean
  /** Logits [rows, vocabulary] that follow each of the last `rows` tokens. */
  logits(ids: readonly number[], rows: number): Promise<Float32Array>
  close(): Promise<void>
}

/** How a form is spoken to: its own template, tokenizer and stop tokens. */
export interface Speech {
  render(request: PromptRequest): Promise<RenderedPrompt>
  /** Whether a token ends an answer. */
  isStop(id: number): boolean
}

/** What ran an exported form. */
export interface RuntimeInfo {
  name: string
  version: string
  /** Whether it is the runtime that the form was made for; else fettle read the files back. */
  isTarget: boolean
}

/** What a model says to a prompt: the likeliest tokens, one after the other. */
export interface Answer {
  ids: number[]
  /** Whether it stopped by itself. */
  isStopped: boolean
}

/** Greedy tokens until one that stops, or `most`. */
export async function answerGreedily(
  runner: Runner,
  prompt: readonly number[],
  most: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const ids: number[] = []
  while (ids.length < most) {
    signal?.throwIfAborted()
    const best = argmax(await runner.logits([...prompt, ...ids], 1))
    ids.push(best)
    if (runner.isStop(best)) return { ids, isStopped: true }
  }
  return { ids, isStopped: false }
}

/** The place of the largest number, the first of equals. */
export function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i += 1) if (values[i] > values[best]) best = i
  return best
}

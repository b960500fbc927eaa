// How the page asks its worker.
import type { FromWorker, Progress, Question, Questions, ToWorker } from './messages.ts'

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' })
const waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
let nextId = 1
let onProgress: (progress: Progress) => void = () => {}
let onEnd: (failure: string) => void = () => {}
/** Why nothing is answered any more. */
let ended: Error | undefined

worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
  if ('progress' in data) {
    onProgress(data.progress)
    return
  }
  const asked = waiting.get(data.id)
  waiting.delete(data.id)
  if ('failure' in data) asked?.reject(new Error(data.failure))
  else asked?.resolve(data.answer)
}
worker.onerror = ({ message }) => {
  const failure = `What computes has ended: ${message || 'this browser cannot start it'}. Load the page again.`
  ended = new Error(failure)
  onEnd(failure)
  for (const { reject } of waiting.values()) reject(ended)
  waiting.clear()
}

/** Tells the worker something that it does not answer. */
export function post(message: ToWorker): void {
  worker.postMessage(message)
}

/** Asks the worker. @throws Error in its words */
export function ask<Q extends Question>(
  question: Q,
  asks: Questions[Q]['asks'],
): Promise<Questions[Q]['answer']> {
  if (ended) return Promise.reject(ended)
  const id = nextId
  nextId += 1
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject })
    post({ id, question, asks } as ToWorker)
  })
}

/** @param body  hears of each step of training */
export function whenProgressing(body: (progress: Progress) => void): void {
  onProgress = body
}

/** @param body  hears why nothing is computed any more */
export function whenEnded(body: (failure: string) => void): void {
  onEnd = body
}

import { importInstalled } from './installed-package.ts'
import type { Runner } from './runner.ts'

/** What of node-llama-cpp 3 is used. */
interface LlamaModule {
  getLlama(options: { gpu: false; build: 'never'; logLevel: 'error' }): Promise<Llama>
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<LlamaModel>
  dispose(): Promise<void>
}
interface LlamaModel {
  createContext(options: { contextSize: number }): Promise<{ getSequence(): LlamaSequence }>
}
interface LlamaSequence {
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>
  controlledEvaluate(
    input: (number | [number, { generateNext: { probabilities: true } }])[],
  ): Promise<({ next: { probabilities?: Map<number, number> } } | undefined)[]>
}

const name = 'node-llama-cpp'

/** A GGUF file in llama.cpp, on the processor; undefined where node-llama-cpp is not installed, or has no program for this machine. */
export async function llamaRunner(path: string, capacity: number): Promise<Runner | undefined> {
  const found = await importInstalled<LlamaModule>(name)
  const llama = await found?.module
    .getLlama({ gpu: false, build: 'never', logLevel: 'error' })
    .catch(() => undefined)
  if (!found || !llama) return undefined
  const model = await llama.loadModel({ modelPath: path })
  const context = await model.createContext({ contextSize: capacity })
  const sequence = context.getSequence()
  let fed: readonly number[] = []
  return {
    runtime: { name: `llama.cpp (${name})`, version: found.version, isTarget: true },
    givesLogits: false,
    async logits(ids, rows) {
      const differing = ids.findIndex((id, i) => id !== fed[i])
      const start = Math.min(differing < 0 ? ids.length : differing, ids.length - rows)
      if (start < fed.length) await sequence.eraseContextTokenRanges([{ start, end: fed.length }])
      fed = ids
      const first = ids.length - rows
      const results = await sequence.controlledEvaluate(
        ids
          .slice(start)
          .map((id, i) => (start + i < first ? id : [id, { generateNext: { probabilities: true } }])),
      )
      return logarithms(results.slice(-rows).map((result) => result?.next.probabilities ?? new Map()))
    },
    close: () => llama.dispose(),
  }
}

/** It tells probabilities: their logarithms differ from logits by a number that is the same for all tokens. */
function logarithms(rows: readonly ReadonlyMap<number, number>[]): Float32Array {
  const width = rows[0].size
  const values = new Float32Array(rows.length * width).fill(-100)
  for (const [row, probabilities] of rows.entries())
    for (const [id, share] of probabilities) if (share > 0) values[row * width + id] = Math.log(share)
  return values
}

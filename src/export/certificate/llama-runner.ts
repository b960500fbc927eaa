import { AutoTokenizer } from '../../tokenizer/index.ts'
import { importInstalled } from './installed-package.ts'
import { renderMessages } from './prompt-request.ts'
import type { Runner, Speech } from './runner.ts'

/** What of node-llama-cpp 3 is used. */
interface LlamaModule {
  getLlama(options: { gpu: false; build: 'never'; logLevel: 'error' }): Promise<Llama>
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<LlamaModel>
  dispose(): Promise<void>
}
interface LlamaModel {
  readonly tokens: { readonly bos: number | null; readonly shouldPrependBosToken: boolean }
  tokenize(text: string, specialTokens: boolean): number[]
  isEogToken(id: number): boolean
  createContext(options: {
    contextSize: number
    threads?: number
    experimentalKvCacheKeyType: 'F32'
    experimentalKvCacheValueType: 'F32'
    lora?: { adapters: { filePath: string }[] }
  }): Promise<{ getSequence(): LlamaSequence }>
}
interface LlamaSequence {
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>
  controlledEvaluate(
    input: (number | [number, { generateNext: { probabilities: true } }])[],
  ): Promise<({ next: { probabilities?: Map<number, number> } } | undefined)[]>
}

const name = 'node-llama-cpp'

/** A GGUF file, and the adapter beside it. */
export interface GgufFiles {
  model: string
  lora?: string
}

/** What it may take. */
export interface LlamaRoom {
  /** Tokens. */
  capacity: number
  threads: number | undefined
}

/**
 * A GGUF file in llama.cpp, on the processor, with keys and values in float32; undefined where node-llama-cpp is not installed, or has no
 * program for this machine.
 */
export async function llamaRunner(
  { model: path, lora }: GgufFiles,
  room: LlamaRoom,
): Promise<Runner | undefined> {
  const found = await importInstalled<LlamaModule>(name)
  const llama = await found?.module
    .getLlama({ gpu: false, build: 'never', logLevel: 'error' })
    .catch(() => undefined)
  if (!found || !llama) return undefined
  const { model, context } = await loaded(llama, { model: path, ...(lora !== undefined && { lora }) }, room)
  const sequence = context.getSequence()
  let fed: readonly number[] = []
  return {
    ...(await speechOfLlama(model, path)),
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

/** @throws Error where llama.cpp does not take the file */
async function loaded(llama: Llama, { model: modelPath, lora }: GgufFiles, { capacity, threads }: LlamaRoom) {
  try {
    const model = await llama.loadModel({ modelPath })
    const context = await model.createContext({
      contextSize: capacity,
      ...(threads !== undefined && { threads }),
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
      ...(lora !== undefined && { lora: { adapters: [{ filePath: lora }] } }),
    })
    return { model, context }
  } catch (error) {
    await llama.dispose()
    throw error
  }
}

/**
 * llama.cpp cuts the text itself, puts the beginning of a text where its file says so, and ends where it finds an end; the template of the
 * file is rendered by fettle, since the package renders none.
 */
async function speechOfLlama(model: LlamaModel, path: string): Promise<Speech> {
  const tokenizer = await AutoTokenizer.fromPretrained(path)
  const { bos, shouldPrependBosToken: adds } = model.tokens
  return {
    async render(request) {
      if (request.kind === 'tokens') return { text: tokenizer.decode(request.ids), ids: request.ids }
      const text = request.kind === 'text' ? request.text : renderMessages(request, tokenizer)
      const ids = model.tokenize(text, true)
      const isMissing = adds && bos !== null && ids[0] !== bos
      return { text, ids: isMissing ? [bos, ...ids] : ids }
    },
    isStop: (id) => model.isEogToken(id),
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

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSafetensorsHeader, readTensorBytes, toFloat32 } from '../../src/formats/index.ts'

/** The cases that Transformers and PEFT recorded; see the README of the fixtures. */
export const goldenModels = [
  'llama',
  'llama-tied-rope3',
  'mistral',
  'qwen2',
  'qwen3',
  'smollm3',
  'gemma2',
  'gemma3',
  'gemma4',
  'gemma4-moe',
  'granite',
  'olmo2',
  'olmo3',
  'ministral3',
  'starcoder2',
  'phi3',
  'phi3-long',
  'phi4-mini',
  'gpt2',
  'lfm2',
  'qwen3-5',
  'mixtral',
  'qwen2-moe',
  'qwen3-moe',
  'gpt-oss',
] as const

export const fixture = (model: string, ...path: string[]): string =>
  join(import.meta.dirname, '..', 'fixtures', 'models', model, ...path)

export interface GoldenTensors {
  names: string[]
  floats(name: string): Promise<Float32Array>
  /** Integers as rows of numbers. */
  rows(name: string): Promise<number[][]>
}

export async function readTensors(path: string): Promise<GoldenTensors> {
  const { tensors } = await readSafetensorsHeader(path)
  const bytes = async (name: string) => {
    const info = tensors.get(name)
    if (!info) throw new Error(`${path} has no ${name}`)
    return { info, data: await readTensorBytes(info) }
  }
  return {
    names: [...tensors.keys()],
    async floats(name) {
      const { info, data } = await bytes(name)
      return toFloat32(data, info.dtype)
    },
    async rows(name) {
      const { info, data } = await bytes(name)
      const integers = new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4)
      const [rows, columns] = info.shape
      return Array.from({ length: rows }, (_, row) => [
        ...integers.subarray(row * columns, (row + 1) * columns),
      ])
    },
  }
}

/** What was recorded of a model of the fixtures, and the batch that it is of. */
export async function goldenBatch(model: string) {
  const tensors = await readTensors(fixture(model, 'golden.safetensors'))
  const inputs = {
    inputIds: await tensors.rows('input_ids'),
    attentionMask: await tensors.rows('attention_mask'),
    labels: await tensors.rows('labels'),
  }
  return { tensors, inputs }
}

export function readGoldenJson<T>(model: string, name: string): T {
  return JSON.parse(readFileSync(fixture(model, name), 'utf8')) as T
}

/** Largest absolute difference. */
export function maxDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`)
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i])), 0)
}

/** The largest error and the root mean square of all, over the values of those tokens, [rows][length], that are wanted. */
export function errorsOfTokens(
  actual: Float32Array,
  expected: Float32Array,
  wanted: readonly (readonly boolean[])[],
): { largest: number; rootMeanSquare: number } {
  const tokens = wanted.flat()
  const each = expected.length / tokens.length
  const errors = tokens.flatMap((isWanted, token) =>
    isWanted
      ? Array.from({ length: each }, (_, i) =>
          Math.abs(actual[token * each + i] - expected[token * each + i]),
        )
      : [],
  )
  const squares = errors.reduce((sum, error) => sum + error * error, 0)
  return { largest: Math.max(...errors), rootMeanSquare: Math.sqrt(squares / errors.length) }
}

/** Norm of the difference, divided by the norm of `expected`. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values against ${expected.length}`)
  let difference = 0
  let norm = 0
  expected.forEach((value, i) => {
    difference += (actual[i] - value) ** 2
    norm += value ** 2
  })
  return Math.sqrt(difference / norm)
}

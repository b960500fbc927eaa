import type { ActivationQuantization, Quantization } from '../../engine/index.ts'
import type { TrainOptionsInput } from '../../train/index.ts'

/** A training run that is measured. */
export interface TrainCase {
  kind: 'train'
  summary: string
  options: Omit<TrainOptionsInput, 'data' | 'outputDir'>
  /** Optimiser steps; the first two are not counted. */
  steps: number
  threads?: number
  isa?: string
  /** Instead of conversations: rows of this many tokens, every one learned. */
  rowTokens?: number
}

/** Greedy generation by several streams at once. */
export interface GenerateCase {
  kind: 'generate'
  summary: string
  streams: number
  quantization?: Quantization
  /** What is asked instead of a story. */
  question?: string
  promptLookupNumTokens?: number
}

/** Reading one prompt. */
export interface PromptCase {
  kind: 'prompt'
  summary: string
  tokens: number
  quantization?: Quantization
  activationQuantization?: ActivationQuantization
}

/** Every kernel alone, on the model's shapes. */
export interface KernelsCase {
  kind: 'kernels'
  summary: string
}

export type BenchCase = TrainCase | GenerateCase | PromptCase | KernelsCase

const adapter = { r: 16, loraAlpha: 32, targetModules: 'all-linear' }
const shared = {
  seed: 1,
  learningRate: 2e-4,
  lrSchedulerType: 'constant',
  warmupSteps: 0,
  saveSteps: 0,
} as const
const packed = {
  ...shared,
  lora: adapter,
  packing: true,
  maxLength: 512,
  perDeviceTrainBatchSize: 2,
} as const
const row = (tokens: number, batch: number) =>
  ({
    ...packed,
    packing: false,
    trainOnInput: true,
    maxLength: tokens,
    perDeviceTrainBatchSize: batch,
  }) as const

/** An answer to it repeats most of it. */
const edit = `Rename the variable "sign" to "prefix" in this code. Answer with the whole code.

function parsePrice(text) {
  const trimmed = text.trim()
  if (trimmed === '') return null
  const sign = trimmed.startsWith('-') ? -1 : 1
  const digits = trimmed.replace(/[^0-9.]/g, '')
  const value = Number(digits)
  return Number.isNaN(value) ? null : sign * Math.round(value * 100)
}

function formatPrice(cents) {
  const sign = cents < 0 ? '-' : ''
  const whole = Math.floor(Math.abs(cents) / 100)
  const rest = String(Math.abs(cents) % 100).padStart(2, '0')
  return sign + whole + '.' + rest
}`

/** What `fettle bench` measures, by name; the peers' scripts do the same jobs. */
export const benchCases: ReadonlyMap<string, BenchCase> = new Map<string, BenchCase>([
  ['kernels', { kind: 'kernels', summary: 'every kernel alone' }],
  ['packed', { kind: 'train', summary: 'LoRA, packed 2 × 512', options: packed, steps: 12 }],
  [
    'packed-all',
    {
      kind: 'train',
      summary: 'the same, questions learned too',
      options: { ...packed, trainOnInput: true },
      steps: 12,
    },
  ],
  [
    'docs',
    {
      kind: 'train',
      summary: 'LoRA, conversations unpacked, batch 4',
      options: { ...packed, packing: false, perDeviceTrainBatchSize: 4 },
      steps: 16,
    },
  ],
  [
    'full',
    { kind: 'train', summary: 'all weights, packed 2 × 512', options: { ...packed, lora: null }, steps: 8 },
  ],
  [
    'nf4',
    {
      kind: 'train',
      summary: 'LoRA on 4-bit weights, packed 2 × 512',
      options: { ...packed, quantization: 'nf4' },
      steps: 8,
    },
  ],
  [
    'int8-products',
    {
      kind: 'train',
      summary: 'LoRA, 8-bit weights and activations, packed 2 × 512',
      options: { ...packed, quantization: 'int8', activationQuantization: 'int8' },
      steps: 12,
    },
  ],
  [
    'low-memory',
    {
      kind: 'train',
      summary: 'LoRA, packed 2 × 512, low_memory',
      options: { ...packed, lowMemory: true },
      steps: 8,
    },
  ],
  ['one-thread', { kind: 'train', summary: 'LoRA, packed 2 × 512', options: packed, steps: 6, threads: 1 }],
  [
    'float32',
    {
      kind: 'train',
      summary: 'LoRA, packed 2 × 512, float32',
      options: { ...packed, dtype: 'float32' },
      steps: 6,
    },
  ],
  ['avx2', { kind: 'train', summary: 'LoRA, packed 2 × 512', options: packed, steps: 6, isa: 'avx2' }],
  [
    'row-512',
    { kind: 'train', summary: 'LoRA, 2 rows of 512 tokens', options: row(512, 2), steps: 8, rowTokens: 512 },
  ],
  [
    'row-8192',
    {
      kind: 'train',
      summary: 'LoRA, one row of 8,192 tokens',
      options: row(8192, 1),
      steps: 3,
      rowTokens: 8192,
    },
  ],
  ['stream', { kind: 'generate', summary: 'greedy, one stream', streams: 1 }],
  [
    'stream-int8',
    { kind: 'generate', summary: 'greedy, one stream, weights in 8 bits', streams: 1, quantization: 'int8' },
  ],
  [
    'stream-nf4',
    { kind: 'generate', summary: 'greedy, one stream, weights in 4 bits', streams: 1, quantization: 'nf4' },
  ],
  [
    'stream-edit',
    { kind: 'generate', summary: 'greedy, one stream, the edit of a given code', streams: 1, question: edit },
  ],
  [
    'stream-lookup',
    {
      kind: 'generate',
      summary: 'the same with guesses by prompt lookup',
      streams: 1,
      question: edit,
      promptLookupNumTokens: 10,
    },
  ],
  ['streams', { kind: 'generate', summary: 'greedy, 16 streams', streams: 16 }],
  ['prompt', { kind: 'prompt', summary: 'prompt of 1,024 tokens', tokens: 1024 }],
  [
    'prompt-int8-products',
    {
      kind: 'prompt',
      summary: 'the same, 8-bit weights and activations',
      tokens: 1024,
      quantization: 'int8',
      activationQuantization: 'int8',
    },
  ],
])

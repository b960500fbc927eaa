import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import type { TrainSftInput } from '../../src/index.ts'

/** Where everything of a comparison is. */
export interface InteropPaths {
  /** Folder that bench/peers/setup.sh made: venv, smollm2, docs.jsonl. */
  peers: string
  python: string
  model: string
  /** Folder of the tokenizer. */
  tokenizer: string
  data: string
  /** What both sides write. */
  out: string
  rows: string
  initial: string
  run: string
  /** The adapters whose logits are compared: those that both sides trained, unless another is named. */
  adapters: readonly string[]
  /** Where PEFT saves its own. */
  peftRun: string
  /** The family of which a small model of random weights is made first. */
  family: string | undefined
  /** Tensors of experts that have LoRA beside every linear layer. */
  targetParameters: readonly string[]
}

/** Optimiser steps that are compared. */
export const comparedSteps = 6

/**
 * Reads `--peers DIR [--model DIR | --family NAME] [--out DIR] [--adapter DIR] [--target-parameters NAME,NAME]`. A model without
 * tokenizer, such as one of random weights, gets SmolLM2's.
 */
export function readPaths(args: readonly string[]): InteropPaths {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string', default: '/work/peers' },
      model: { type: 'string' },
      family: { type: 'string' },
      out: { type: 'string', default: 'runs/interop' },
      adapter: { type: 'string' },
      'target-parameters': { type: 'string', default: '' },
    },
  })
  const { peers, out, family } = values
  const run = join(out, 'run')
  const smollm2 = join(peers, 'smollm2')
  const peftRun = join(out, 'peft')
  const model = values.model ?? (family === undefined ? smollm2 : join(out, family))
  return {
    peers,
    out,
    run,
    python: join(peers, 'venv', 'bin', 'python'),
    model,
    tokenizer: existsSync(join(model, 'tokenizer.json')) ? model : smollm2,
    data: join(peers, 'docs.jsonl'),
    rows: join(out, 'rows.json'),
    initial: join(out, 'initial'),
    adapters: values.adapter === undefined ? [run, peftRun] : [values.adapter],
    peftRun,
    family,
    targetParameters: values['target-parameters'].split(',').filter((name) => name !== ''),
  }
}

/** The run that both sides make: two packs of 512 a step, LoRA on every linear layer, warm-up, decay and clipping on. */
export function runOptions({ data, run, targetParameters }: InteropPaths) {
  return {
    data: [data],
    outputDir: run,
    dtype: 'float32',
    lora: {
      r: 16,
      loraAlpha: 32,
      targetModules: 'all-linear',
      ...(targetParameters.length > 0 && { targetParameters: [...targetParameters] }),
    },
    packing: true,
    maxLength: 512,
    perDeviceTrainBatchSize: 2,
    maxSteps: comparedSteps,
    learningRate: 1e-3,
    lrSchedulerType: 'cosine',
    warmupSteps: 2,
    weightDecay: 0.01,
    maxGradNorm: 1,
    saveSteps: 0,
    overwrite: true,
    seed: 1,
  } as const satisfies Omit<TrainSftInput, 'model' | 'tokenizer'>
}

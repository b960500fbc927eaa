import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parity, runArgs, type Trial } from './trial.ts'

const torch = ['torch', ['--on', 'torch']] as const
const ddp = ['torchrun:2 ddp', ['--on', 'torchrun:2']] as const
const fsdp = ['torchrun:2 fsdp', ['--on', 'torchrun:2', '--parallel', 'fsdp']] as const

/** DPO, KTO, ORPO and CPO, with losses that weigh tokens. */
export async function preferences(trial: Trial, model: string): Promise<void> {
  const words = ['Much water.', 'Salt and fish, and ships upon it.', 'A lake.', 'Wide.']
  const pairs = Array.from({ length: 8 }, (_, i) => ({
    prompt: `What is the sea, number ${i}?`,
    chosen: words[i % 4],
    rejected: words[(i + 1) % 4],
  }))
  const write = (file: string, rows: object[]): string => {
    writeFileSync(join(trial.out, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return join(trial.out, file)
  }
  const dpo = write('pairs.jsonl', pairs)
  const kto = write(
    'labels.jsonl',
    pairs.map(({ prompt, chosen }, i) => ({ prompt, completion: chosen, label: i % 2 === 0 })),
  )
  const cpo = ['--method', 'cpo', '--loss-type']
  for (const [name, data, more, targets] of [
    ['dpo', dpo, ['--method', 'dpo', '--ld-alpha', '0.5'], [torch, ddp, fsdp]],
    ['dpo ipo', dpo, ['--method', 'dpo', '--loss-type', 'ipo'], [torch, ddp]],
    ['dpo of all weights', dpo, ['--method', 'dpo', '--lora', 'null'], [torch, ddp]],
    ['kto', kto, ['--method', 'kto', '--undesirable-weight', '2'], [torch, ddp]],
    ['orpo', dpo, ['--method', 'orpo'], [torch, ddp, fsdp]],
    ['cpo', dpo, [...cpo, 'sigmoid', '--label-smoothing', '0.1'], [torch, ddp]],
    ['simpo', dpo, [...cpo, 'simpo', '--cpo-alpha', '0'], [torch]],
    ['alphapo', dpo, [...cpo, 'simpo', '--alpha', '0.25'], [torch]],
    ['cpo ipo', dpo, [...cpo, 'ipo'], [torch]],
  ] as const)
    await parity(trial, name, runArgs(trial, model, data, 4, more), targets)
}

/** All weights, other optimisers, and adapters that begin with a part of the base. */
export async function kinds(trial: Trial, models: { qwen3: string; gemma3: string }): Promise<void> {
  const whole = ['--lora', 'null']
  for (const [name, model, more, targets] of [
    ['all weights', models.qwen3, whole, [torch, ddp, fsdp]],
    ['all weights, gemma3', models.gemma3, whole, [torch]],
    ['all weights, adafactor', models.qwen3, [...whole, '--optim', 'adafactor'], [torch, ddp]],
    ['adafactor', models.qwen3, ['--optim', 'adafactor'], [torch, ddp]],
    ['sgd', models.qwen3, ['--optim', 'sgd', '--optim-args', 'momentum=0.9,nesterov=true'], [torch, fsdp]],
    ['sgd without momentum', models.qwen3, ['--optim', 'sgd'], [torch]],
    ['lion', models.qwen3, ['--optim', 'lion', '--learning-rate', '1e-4'], [torch, fsdp]],
    ['pissa', models.qwen3, ['--lora-init-lora-weights', 'pissa'], [torch]],
    ['olora', models.qwen3, ['--lora-init-lora-weights', 'olora'], [torch]],
    ['loftq', models.qwen3, ['--lora-init-lora-weights', 'loftq'], [torch]],
  ] as const)
    await parity(trial, name, runArgs(trial, model, trial.data, 6, more), targets)
}

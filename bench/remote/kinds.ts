import { execFileSync } from 'node:child_process'
import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AutoModelForCausalLM, AutoTokenizer } from '../../src/index.ts'
import { writeHandOff } from '../../src/remote/index.ts'
import { train, type Execute, type TrainOptionsInput } from '../../src/train/index.ts'
import { compare, runOf, type Told } from './run-fettle.ts'
import { check, most, note, outputOf, type Trial } from './trial.ts'

const engines = {
  torch: { program: [], how: 'ddp' },
  ddp: { program: ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'], how: 'ddp' },
  fsdp: { program: ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'], how: 'fsdp' },
} as const
type Engine = keyof typeof engines

interface Kind {
  name: string
  model: string
  data: string
  options: Partial<TrainOptionsInput>
  on: readonly Engine[]
}

const six = {
  maxSteps: 6,
  saveSteps: 4,
  maxLength: 64,
  perDeviceTrainBatchSize: 4,
  learningRate: 1e-3,
  warmupSteps: 1,
  weightDecay: 0.01,
  samplePrompts: 0,
  report: false,
  evalData: null,
  lora: { r: 8 },
} as const

/** Preferences, all weights, other optimisers, and adapters that begin with a part of the base: in few processes, by fettle's API. */
export async function kinds(trial: Trial, models: { qwen3: string; gemma3: string }): Promise<void> {
  const all = [...methodsOf(trial, models.qwen3), ...weightsOf(trial, models)]
  const here = new Map<string, Told[]>()
  for (const kind of all) {
    const execute: Execute = async function* (task) {
      await writeHandOff(task, outputOf(trial, `${kind.name} handed`))
      yield* []
    }
    try {
      await told(kind, undefined, execute)
      here.set(kind.name, await told(kind, outputOf(trial, `${kind.name} here`)))
    } catch (error) {
      check(trial, kind.name, false, String(error))
    }
  }
  for (const engine of Object.keys(engines) as Engine[]) {
    const own = all.filter(({ name, on }) => here.has(name) && on.includes(engine))
    const folders = own.flatMap(({ name }) => {
      const output = outputOf(trial, `${name} ${engine}`)
      rmSync(output, { recursive: true, force: true })
      return [outputOf(trial, `${name} handed`), output]
    })
    const { program, how } = engines[engine]
    execFileSync(trial.python, [...program, resolve('bench/remote/many.py'), how, ...folders], {
      stdio: ['ignore', 'ignore', openSync(join(trial.out, `${engine}.log`), 'a')],
      env: { ...process.env, PYTHONPATH: resolve('python') },
    })
    for (const { name } of own) {
      const [output, start] = [outputOf(trial, `${name} ${engine}`), outputOf(trial, `${name} handed`)]
      const lines = readFileSync(join(output, 'events.jsonl'), 'utf8').trim().split('\n')
      const there = runOf(
        output,
        lines.map((line) => JSON.parse(line) as Told),
      )
      if (there.events.at(-1)?.type !== 'end') {
        check(trial, name, false, `${engine}: ${lines.at(-1)}`)
        continue
      }
      const mine = runOf(outputOf(trial, `${name} here`), here.get(name) ?? [])
      note(trial, name, engine, await compare(mine, there, join(start, 'adapter_init')), most)
    }
  }
}

/** A run by fettle's API; its events. */
async function told(kind: Kind, output?: string, execute?: Execute): Promise<Told[]> {
  if (output !== undefined) rmSync(output, { recursive: true, force: true })
  const model = await AutoModelForCausalLM.fromPretrained(kind.model, { dtype: 'float32' })
  const tokenizer = await AutoTokenizer.fromPretrained(kind.model)
  const events: Told[] = []
  for await (const event of train({
    ...six,
    data: [{ path: kind.data }],
    ...kind.options,
    ...(output !== undefined && { outputDir: output }),
    model,
    tokenizer,
    execute,
  }))
    events.push(event as Told)
  await model.free()
  return events
}

/** DPO, KTO, ORPO and CPO, with losses that weigh tokens. */
function methodsOf({ out }: Trial, model: string): Kind[] {
  const words = ['Much water.', 'Salt and fish, and ships upon it.', 'A lake.', 'Wide.']
  const pairs = Array.from({ length: 8 }, (_, i) => ({
    prompt: `What is the sea, number ${i}?`,
    chosen: words[i % 4],
    rejected: words[(i + 1) % 4],
  }))
  const write = (file: string, rows: object[]): string => {
    writeFileSync(join(out, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return join(out, file)
  }
  const dpo = write('pairs.jsonl', pairs)
  const kto = write(
    'labels.jsonl',
    pairs.map(({ prompt, chosen }, i) => ({ prompt, completion: chosen, label: i % 2 === 0 })),
  )
  const kind = (name: string, options: Kind['options'], on: readonly Engine[] = ['torch']): Kind => ({
    name,
    model,
    data: options.method === 'kto' ? kto : dpo,
    options: { ...options, maxSteps: 4, gradientAccumulationSteps: 2, perDeviceTrainBatchSize: 2 },
    on,
  })
  return [
    kind('dpo, ld_alpha', { method: 'dpo', ldAlpha: 0.5 }, ['torch', 'ddp', 'fsdp']),
    kind('dpo, ipo', { method: 'dpo', lossType: 'ipo' }, ['torch', 'ddp']),
    kind('dpo, all weights', { method: 'dpo', lora: null }, ['torch', 'ddp']),
    kind('kto', { method: 'kto', undesirableWeight: 2 }, ['torch', 'ddp']),
    kind('orpo', { method: 'orpo' }, ['torch', 'ddp', 'fsdp']),
    kind('cpo', { method: 'cpo', labelSmoothing: 0.1 }, ['torch', 'ddp']),
    kind('cpo, hinge', { method: 'cpo', lossType: 'hinge' }),
    kind('cpo, ipo', { method: 'cpo', lossType: 'ipo' }),
    kind('simpo', { method: 'cpo', lossType: 'simpo', cpoAlpha: 0 }),
    kind('alphapo', { method: 'cpo', lossType: 'simpo', alpha: 0.25 }),
  ]
}

function weightsOf({ data }: Trial, { qwen3, gemma3 }: { qwen3: string; gemma3: string }): Kind[] {
  const kind = (
    name: string,
    options: Kind['options'],
    on: readonly Engine[] = ['torch'],
    model = qwen3,
  ): Kind => ({
    name,
    model,
    data,
    options,
    on,
  })
  const init = (initLoraWeights: 'pissa' | 'olora'): Kind['options'] => ({ lora: { r: 8, initLoraWeights } })
  return [
    kind('all weights', { lora: null }, ['torch', 'ddp', 'fsdp']),
    kind('all weights, gemma3', { lora: null }, ['torch'], gemma3),
    kind('all weights, adafactor', { lora: null, optim: 'adafactor' }, ['torch', 'ddp']),
    kind('adafactor', { optim: 'adafactor' }, ['torch', 'ddp']),
    kind('sgd', { optim: 'sgd', optimArgs: { momentum: 0.9, nesterov: true } }, ['torch', 'ddp', 'fsdp']),
    kind('sgd without momentum', { optim: 'sgd' }),
    kind('lion', { optim: 'lion', learningRate: 1e-4 }, ['torch', 'ddp', 'fsdp']),
    kind('dora, rslora', { lora: { r: 8, useDora: true, useRslora: true } }, ['torch', 'ddp', 'fsdp']),
    kind('pissa', init('pissa')),
    kind('olora', init('olora')),
  ]
}

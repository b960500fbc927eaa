import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { readSafetensorsHeader, readTensorBytes, toFloat32 } from '../../src/formats/index.ts'

/** An event of `fettle train --json`. */
export interface Told {
  type: string
  step?: number
  loss?: number
  grad_norm?: number
  first_step?: number
  interrupted?: boolean
}

/** What a run told. Of a step that was made twice the second time counts. */
export interface Run {
  output: string
  steps: Map<number, { loss: number; gradNorm: number }>
  attempts: number
  events: Told[]
  /** Null where a signal ended it. */
  code: number | null
  errors: string
}

/**
 * Runs the built command line with `--json`.
 *
 * @param see  is shown each event, with the id of fettle's process
 */
export async function runFettle(
  args: readonly string[],
  output: string,
  environment: Record<string, string> = {},
  see: (event: Told, pid: number) => void = () => {},
): Promise<Run> {
  const child = spawn(process.execPath, ['dist/cli.mjs', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const events: Told[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as Told
    events.push(event)
    see(event, child.pid ?? 0)
  }
  return { ...runOf(output, events), code: await ended, errors }
}

/** A run by its events. */
export function runOf(output: string, events: Told[]): Run {
  const steps = events.flatMap(({ type, step, loss, grad_norm }) =>
    type === 'step' ? [[Number(step), { loss: Number(loss), gradNorm: Number(grad_norm) }] as const] : [],
  )
  const attempts = events.filter(({ type }) => type === 'start').length
  return { output, steps: new Map(steps), attempts, events, code: 0, errors: '' }
}

/** How far two runs are apart. */
export interface Apart {
  /** Largest difference of losses. */
  loss: number
  /** Largest relative difference of gradient norms. */
  gradNorm: number
  /** L2 of the final adapters' difference / L2 of what training changed. */
  adapter: number
}

/** @param start  folder of the adapter that both began with */
export async function compare(one: Run, other: Run, start: string): Promise<Apart> {
  if (one.steps.size !== other.steps.size) throw new Error(`${one.steps.size} and ${other.steps.size} steps`)
  let [loss, gradNorm] = [0, 0]
  for (const [step, { loss: own, gradNorm: norm }] of one.steps) {
    const beside = other.steps.get(step)
    if (!beside) throw new Error(`${other.output} has no step ${step}`)
    loss = Math.max(loss, Math.abs(own - beside.loss))
    gradNorm = Math.max(gradNorm, Math.abs(norm - beside.gradNorm) / norm)
  }
  const [a, b, first] = [await adapterOf(one.output), await adapterOf(other.output), await adapterOf(start)]
  let [difference, movement] = [0, 0]
  for (const [name, values] of a) {
    const [beside, begun] = [b.get(name), first.get(name)]
    if (!beside || !begun) throw new Error(`${other.output} has no ${name}`)
    values.forEach((value, i) => {
      difference += (value - beside[i]) ** 2
      movement += (value - begun[i]) ** 2
    })
  }
  return { loss, gradNorm, adapter: Math.sqrt(difference / movement) }
}

async function adapterOf(folder: string): Promise<Map<string, Float32Array>> {
  const file = ['adapter_model.safetensors', 'model.safetensors'].find((name) =>
    existsSync(join(folder, name)),
  )
  const { tensors } = await readSafetensorsHeader(join(folder, file ?? ''))
  const read = [...tensors].map(
    async ([name, info]) => [name, toFloat32(await readTensorBytes(info), info.dtype)] as const,
  )
  return new Map(await Promise.all(read))
}

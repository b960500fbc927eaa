import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TrainableParameters, TrainedMatrix } from '../../src/model/index.ts'
import { createTape, type Engine } from '../../src/engine/index.ts'
import { dynamicMap } from '../../src/engine/dynamic-map.ts'
import { optimiserOf } from '../../src/train/optimisers/optimiser-of.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'
import { engines } from '../engine/engines.ts'
import { readTensors } from '../model/golden.ts'

/** See record_optimisers.py. */
const golden = await readTensors(join(import.meta.dirname, '../fixtures/optimisers/steps.safetensors'))
const rates = [1e-2, 5e-3, 2e-2]

const shapes: { [name: string]: readonly [rows: number, columns: number, kind: TrainedMatrix['kind']] } = {
  wide: [6, 10, 'matrix'],
  tall: [12, 5, 'matrix'],
  large: [64, 66, 'matrix'],
  table: [8, 5, 'embedding'],
  vector: [1, 10, 'vector'],
}

const matrices: TrainedMatrix[] = []
let size = 0
for (const [name, [rows, columns, kind]] of Object.entries(shapes)) {
  matrices.push({ name, start: size, rows, columns, stride: columns, kind })
  size += rows * columns
}

async function flat(prefix: string): Promise<Float32Array> {
  const parts = await Promise.all(matrices.map(({ name }) => golden.floats(`${prefix}.${name}`)))
  return Float32Array.from(parts.flatMap((part) => [...part]))
}

/** Three steps of an optimiser, which a checkpoint may part. */
async function steps(engine: Engine, given: object, resumeAfter?: number) {
  const options = readTrainOptions({ data: ['not read'], weightDecay: 0.1, ...given })
  const start = async (): Promise<TrainableParameters> => ({
    engine,
    size,
    parameters: engine.tensor('float32', [size], await flat('initial')),
    gradients: engine.tensor('float32', [size]),
    stats: engine.tensor('float32', [2]),
    groups: [
      { start: 0, length: size - 10, decays: true, decaysInLoraPlus: true, rate: 'inputs' },
      { start: size - 10, length: 10, decays: false, decaysInLoraPlus: true, rate: 'outputs' },
    ],
    matrices,
  })
  let trainable = await start()
  let optimiser = (await optimiserOf(options))(trainable)
  for (const [i, learningRate] of rates.entries()) {
    if (i === resumeAfter) {
      const kept = { parameters: trainable.parameters, ...optimiser.states }
      trainable = await start()
      optimiser = (await optimiserOf(options))(trainable)
      const now: typeof kept = { parameters: trainable.parameters, ...optimiser.states }
      expect(Object.keys(now)).toEqual(Object.keys(kept))
      for (const [name, tensor] of Object.entries(now))
        engine.write(tensor, await engine.read(kept[name as 'parameters']))
    }
    const { gradients, stats } = trainable
    engine.write(gradients, await flat(`gradient.${i}`))
    const tape = createTape()
    tape.apply('gradNorm', { gradients }, { maxNorm: 1 }, { stats: null })
    await engine.run(engine.compile([{ ...tape.commands()[0], outputs: [stats] }], []))
    optimiser.begin({ learningRate, step: i + 1 })
    await engine.run(engine.compile([...optimiser.commands], []))
  }
  return { parameters: (await engine.read(trainable.parameters)) as Float32Array, states: optimiser.states }
}

const cases: [name: string, options: object, tolerance: number, states: string[]][] = [
  ['adamw', { optim: 'adamw_torch' }, 1e-6, ['m', 'v']],
  ['sgd', { optim: 'sgd' }, 1e-6, []],
  ['sgd_momentum', { optim: 'sgd', optimArgs: { momentum: 0.9, dampening: 0.1 } }, 1e-6, ['velocity']],
  ['sgd_nesterov', { optim: 'sgd', optimArgs: 'momentum=0.9,nesterov=true' }, 1e-6, ['velocity']],
  ['adafactor', { optim: 'adafactor' }, 1e-6, ['row_squares', 'column_squares']],
  ['lion', { optim: 'lion_32bit' }, 1e-6, ['m']],
  ['adamw_8bit', { optim: 'adamw_bnb_8bit' }, 1e-6, ['m_codes', 'm_scales', 'v_codes', 'v_scales', 'm', 'v']],
  ['lion_8bit', { optim: 'lion_8bit' }, 1e-6, ['m_codes', 'm_scales', 'm']],
  // Products are rounded to bfloat16: what lies between two of its numbers may fall to either side.
  ['muon', { optim: 'muon' }, 2e-4, ['momentum', 'm', 'v']],
  [
    'muon_original',
    { optim: 'muon', optimArgs: { momentum: 0.9, nesterov: false, adjustLrFn: 'original' } },
    2e-4,
    ['momentum', 'm', 'v'],
  ],
]

describe.each(engines)('$name', ({ create }) => {
  const engine = create(2)

  it.each(cases)('%s: three steps are those recorded', async (name, options, tolerance, states) => {
    const found = await steps(engine, options)
    const expected = await flat(name)
    const apart = expected.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - found.parameters[i])),
      0,
    )
    expect(apart).toBeLessThan(tolerance)
    expect(Object.keys(found.states)).toEqual(states)
  })

  it.each(cases)('%s: goes on to the same bits', async (_, options) => {
    const whole = await steps(engine, options)
    const resumed = await steps(engine, options, 2)
    expect(Buffer.from(resumed.parameters.buffer).equals(Buffer.from(whole.parameters.buffer))).toBe(true)
  })
})

it.each([
  ['signed', true],
  ['unsigned', false],
] as const)('codes of 8-bit states are bitsandbytes’ own: %s', async (name, signed) => {
  expect([...dynamicMap(signed)]).toEqual([...(await golden.floats(`map.${name}`))])
})

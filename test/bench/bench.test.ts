import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rooflineLines } from '../../src/cli/bench/view.ts'
import { createEngine } from '../../src/engine/index.ts'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { kernelRuns } from '../../src/cli/bench/kernel-runs.ts'
import { Workshop } from '../../src/cli/bench/workshop.ts'
import { kernelShape, modelShape } from '../../src/cli/bench/model-shape.ts'
import { describeModel } from '../../src/model/index.ts'
import { runCli } from '../cli/run-cli.ts'

const assets = join(import.meta.dirname, '..', '..', 'assets')
const paths = ['--model', join(assets, 'tiny-llama'), '--data', join(assets, 'demo.jsonl')]

describe('fettle bench', () => {
  test.each([
    ['no model', ['bench'], '--model: not given'],
    ['an unknown case', ['bench', ...paths, '--only', 'paked'], 'case paked: no such case'],
    ['a wrong number of rounds', ['bench', ...paths, '--repeat', '0'], '--repeat: 0'],
    ['peers that are not there', ['bench', '--peers', '/nowhere'], 'bench/peers/setup.sh'],
  ])('refuses %s', async (_, args, words) => {
    const { code, stderr } = await runCli(args)
    expect(stderr).toContain(words)
    expect(code).toBe(2)
  })

  test('measures a training run and a stream against the peaks of the machine', async () => {
    const { code, stdout, stderr } = await runCli([
      'bench',
      ...paths,
      '--only',
      'packed',
      '--only',
      'stream',
      '--json',
    ])
    if (nativeProblem() !== undefined) {
      expect(stderr).toMatch(/(?:fettle|cli\.mjs'?) build-native/)
      expect(code).toBe(2)
      return
    }
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const [peaks, training, stream] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(peaks).toMatchObject({
      type: 'peaks',
      one: { float32: expect.any(Number), read: expect.any(Number) },
    })
    expect(training).toMatchObject({
      type: 'measurement',
      case: 'packed',
      figures: { kind: 'train', steps: 10, dtype: 'bfloat16' },
    })
    expect(training['share']).toBeGreaterThan(0)
    expect(training['share']).toBeLessThan(1)
    expect(stream).toMatchObject({ type: 'measurement', case: 'stream', figures: { kind: 'generate' } })
  })
})

test('every kernel that is measured runs, and no two have the same name', async () => {
  const problem = nativeProblem()
  if (problem !== undefined) return
  const raw = JSON.parse(await readFile(join(assets, 'tiny-llama', 'config.json'), 'utf8'))
  const config = kernelShape(modelShape((await describeModel(raw, 'tiny-llama')).architecture))
  const engine = await createEngine({ engine: 'native' })
  const names = new Set<string>()
  for (const prepare of kernelRuns(config)) {
    const workshop = new Workshop(engine, 1024)
    const { kernel, weights, tokens, amount, commands } = prepare(workshop)
    names.add(`${kernel} ${weights ?? ''} ${tokens}`)
    expect(amount).toBeGreaterThan(0)
    engine.profile()
    await engine.run(engine.compile(commands, []))
    expect([...engine.profile().keys()]).toHaveLength(1)
    workshop.free()
  }
  expect(names.size).toBe(kernelRuns(config).length)
})

test('the roofline takes the longer of arithmetic and reading, and counts what no op explains', () => {
  const ops = [
    { op: 'linear', ms: 20, flops: 10e9, bytes: 1e6 },
    { op: 'rmsNorm', ms: 4, flops: 0, bytes: 100e6 },
  ]
  const lines = rooflineLines(ops, 25, { arithmetic: 1e12, read: 50e9 }).map((line) => line.split(/ {2,}/))
  expect(lines[1]).toEqual(['linear', '10.0', '1', '10.0', '20.0', '80.0%', '50.0%'])
  expect(lines[2]).toEqual(['rmsNorm', '–', '100', '2.0', '4.0', '16.0%', '50.0%'])
  expect(lines[3]).toEqual(['between ops', '–', '–', '0.0', '1.0', '4.0%', '–'])
  expect(lines[4]).toEqual(['step', '10.0', '101', '12.0', '25.0', '100.0%', '48.0%'])
})

import { describe, expect, it } from 'vitest'
import { infoOf, opNames } from '../../src/engine/ops.ts'
import { createReferenceEngine } from '../../src/engine/reference/index.ts'
import { kernels } from '../../src/engine/reference/kernels.ts'
import { random } from './random.ts'
import type { AnyCase, Named } from './run-case.ts'
import {
  allCases,
  gradientsOfOutputs,
  prepareForward,
  runForward,
  runVjp,
  wantedGradients,
} from './run-case.ts'

const engine = createReferenceEngine()

it.each(opNames)('%s has cases, each of its gradients in a small one', (op) => {
  const ofOp = allCases.filter((testCase) => testCase.op === op)
  expect(ofOp).not.toEqual([])
  const differentiated = new Set(ofOp.filter(({ large }) => !large).flatMap(wantedGradients))
  expect([...differentiated].toSorted()).toEqual(infoOf(op).gradients.toSorted())
})

it.each(opNames)('%s has a vjp exactly if the table lists gradients', (op) => {
  expect(kernels[op].vjp !== null).toBe(infoOf(op).gradients.length > 0)
})

describe.each(opNames.filter((op) => infoOf(op).gradients.length > 0))('%s', (op) => {
  for (const testCase of allCases) {
    if (testCase.op !== op || testCase.large || wantedGradients(testCase).length === 0) continue
    it(`${testCase.name}: vjp is what finite differences say`, async () => {
      const forward = await runForward(engine, testCase, 'float32')
      const given = gradientsOfOutputs(testCase)
      const wanted = wantedGradients(testCase)
      const gradients = new Map(await runVjp(engine, testCase, 'float32', { forward, given, wanted }))
      const [input, made] = infoOf(op).gradientMadeForward ?? ['', '']
      const madeForward = forward.get(made)
      if (madeForward) gradients.set(input, madeForward)
      for (const [name, gradient] of gradients) await compareWithDifferences(testCase, name, gradient, given)
    })

    it(`${testCase.name}: one gradient at a time, and added to what is there`, async () => {
      const forward = await runForward(engine, testCase, 'float32')
      const given = gradientsOfOutputs(testCase)
      const wanted = wantedGradients(testCase)
      const together = await runVjp(engine, testCase, 'float32', { forward, given, wanted })
      for (const [name, gradient] of together) {
        const alone = await runVjp(engine, testCase, 'float32', { forward, given, wanted: [name] })
        expect(alone.get(name)).toEqual(gradient)
        const start = random(3).normal(gradient.length)
        const startAt = new Map([[name, start]])
        const added = await runVjp(engine, testCase, 'float32', { forward, given, wanted: [name], startAt })
        added.get(name)?.forEach((value, i) => expect(value - start[i]).toBeCloseTo(gradient[i], 4))
      }
    })
  }
})

/** Compares a gradient with the slope of the loss Σ given · output along two random directions and three axes. */
async function compareWithDifferences(
  testCase: AnyCase,
  name: string,
  gradient: ArrayLike<number>,
  given: Named,
): Promise<void> {
  const value = testCase.inputs[name]
  if (!value) throw new Error(`no input ${name}`)
  const base = value.data
  const program = await prepareForward(engine, testCase, 'float32')
  const r = random(11)
  const directions = [r.normal(base.length), r.normal(base.length)]
  for (const axis of r.integers(3, base.length)) {
    const direction = new Float32Array(base.length)
    direction[axis] = 1
    directions.push(direction)
  }
  const size = Math.sqrt(dot(gradient, gradient))
  for (const direction of directions) {
    const h = 0.02
    // Fourth order, so that a step large enough for float32 is still exact enough.
    const measured = (8 * (await change(h, direction)) - (await change(2 * h, direction))) / (12 * h)
    const length = Math.sqrt(dot(direction, direction) / base.length)
    const difference = Math.abs(measured - dot(gradient, direction))
    expect(difference, `${name}: ${measured}, vjp ${dot(gradient, direction)}`).toBeLessThan(
      1e-3 * size * Math.min(1, length) + 2e-5,
    )
  }
  program.free()

  /** loss(base + h · direction) − loss(base − h · direction) */
  async function change(h: number, direction: Float32Array): Promise<number> {
    const losses: number[] = []
    for (const step of [h, -h]) {
      program.write(
        name,
        Float32Array.from(base, (x, i) => x + step * direction[i]),
      )
      losses.push(lossOf(testCase, await program.run(), given))
    }
    return losses[0] - losses[1]
  }
}

function lossOf(testCase: AnyCase, outputs: Named, given: Named): number {
  let loss = 0
  for (const [name, gradient] of given) loss += dot(gradient, outputs.get(name) ?? [])
  const { gradientMadeForward, outputNames } = infoOf(testCase.op)
  if (gradientMadeForward) {
    const values = outputs.get(outputNames[0]) ?? []
    const [, , by] = gradientMadeForward
    const ones = new Float32Array(values.length).fill(1)
    // What is weighed are log-probabilities, the other losses themselves.
    loss += by === undefined ? dot(values, ones) : -dot(values, testCase.inputs[by]?.data ?? ones)
  }
  return loss
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i]
  return sum
}

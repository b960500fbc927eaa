import { describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { Command } from '../../src/engine/ops.ts'
import { infoOf } from '../../src/engine/ops.ts'
import { flattenAttributes } from '../../src/engine/tape.ts'
import type { DType, Tensor, TensorData } from '../../src/engine/tensor.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'
import { engines } from './engines.ts'
import { range } from './make-case.ts'
import type { Act, AnyCase } from './run-case.ts'
import {
  allCases,
  bytesOf,
  dtypeOf,
  gradientRole,
  gradientsOfOutputs,
  runForward,
  wantedGradients,
} from './run-case.ts'

/** Which of a command's inputs may leave its memory to which of its outputs, by the op table. */
interface Sharing {
  direction: Command['direction']
  from: number
  to: number
}

function sharingsOf({ op }: AnyCase): Sharing[] {
  const { inputNames, outputNames, gradients, ...info } = infoOf(op)
  const given = (output: string) => inputNames.length + outputNames.length + outputNames.indexOf(output)
  const forward = info.inPlace && [inputNames.indexOf(info.inPlace[0]), outputNames.indexOf(info.inPlace[1])]
  const vjp = [
    info.inPlaceGradient && [given(info.inPlaceGradient[0]), gradients.indexOf(info.inPlaceGradient[1])],
    info.overwritesInput && [
      inputNames.indexOf(info.overwritesInput),
      gradients.indexOf(info.overwritesInput),
    ],
    info.remade && [given(info.remade), gradients.length],
  ]
  return [
    ...(forward ? [{ direction: 'forward' as const, from: forward[0], to: forward[1] }] : []),
    ...vjp.flatMap((pair) => (pair ? [{ direction: 'vjp' as const, from: pair[0], to: pair[1] }] : [])),
  ]
}

describe.each(engines)('$name', ({ create }) => {
  const engine = create(2)
  describe.each(engine.activationTypes.filter((type) => type !== 'int32'))('%s', (act) => {
    for (const testCase of allCases) {
      if (testCase.large && engine.name === 'reference') continue
      const wanted = wantedGradients(testCase)
      for (const { direction, from, to } of sharingsOf(testCase)) {
        if (direction === 'vjp' && wanted.length === 0) continue
        it(`${testCase.op} ${direction} ${from} → ${to}: ${testCase.name}`, async () => {
          const made = await commandOf(engine, testCase, act, direction)
          const input = made.inputs[from]
          const shape = made.outputShapes[to]
          // An optional argument that this case has not.
          if (!input || !shape) return
          expect([shape.dtype, shape.shape]).toEqual([input.dtype, input.shape])
          const apart = await run(engine, made, to, input)
          const together = await run(engine, made, to, input, from)
          expect(together.arenaBytes).toBeLessThan(apart.arenaBytes)
          expect(Buffer.compare(bytesOf(together.values), bytesOf(apart.values)), 'the same bits').toBe(0)
          for (const tensor of made.owned) engine.free(tensor)
        })
      }
    }
  })
})

interface Made {
  op: AnyCase['op']
  direction: Command['direction']
  attributes: number[]
  inputs: (Tensor | null)[]
  /** null: not asked for. */
  outputShapes: ({ dtype: DType; shape: readonly number[] } | null)[]
  owned: Tensor[]
}

/** A case's command with inputs that persist, for outputs that do not. */
async function commandOf(
  engine: Engine,
  testCase: AnyCase,
  act: Act,
  direction: Command['direction'],
): Promise<Made> {
  const { op } = testCase
  const info = infoOf(op)
  const owned: Tensor[] = []
  const tensor = (name: string, data?: TensorData): Tensor | null => {
    const argument = testCase.inputs[name] ?? testCase.outputs[name]
    const values = data ?? testCase.inputs[name]?.data
    if (!argument || !values) return null
    const made = engine.tensor(dtypeOf(argument.role, act), argument.shape, values)
    owned.push(made)
    return made
  }
  const outputShapes = info.outputNames.map((name) => {
    const output = testCase.outputs[name]
    return output ? { dtype: dtypeOf(output.role, act), shape: output.shape } : null
  })
  const attributes = flattenAttributes(op, testCase.attributes as never)
  if (direction === 'forward')
    return {
      op,
      direction,
      attributes,
      inputs: info.inputNames.map((name) => tensor(name)),
      outputShapes,
      owned,
    }
  const forward = await runForward(engine, testCase, act)
  const given = gradientsOfOutputs(testCase)
  const inputs = [
    ...info.inputNames.map((name) => tensor(name)),
    ...info.outputNames.map((name) => tensor(name, forward.get(name))),
    ...info.outputNames.map((name) => (given.has(name) ? tensor(name, given.get(name)) : null)),
  ]
  const gradients = info.gradients.map((name) => {
    const value = testCase.inputs[name]
    return value ? { dtype: dtypeOf(gradientRole(op, name, value), act), shape: value.shape } : null
  })
  const remade = info.remade === undefined ? [] : [outputShapes[info.outputNames.indexOf(info.remade)]]
  return { op, direction, attributes, inputs, outputShapes: [...gradients, ...remade], owned }
}

/**
 * Runs the command for one of its outputs, with a copy of `input` that lives no longer than that: where it is the command's
 * input `at`, the planner may give its memory to the output.
 */
async function run(engine: Engine, made: Made, output: number, input: Tensor, at?: number) {
  const { op, direction, attributes } = made
  const [rows] = input.shape
  const copied = tensorHandle('transient', input.dtype, input.shape)
  const places = engine.tensor('int32', [rows], Int32Array.from(range(rows)))
  const copy: Command = {
    op: 'selectRows',
    direction: 'forward',
    inputs: [input, places],
    outputs: [copied],
    attributes: [],
  }
  const outputs = made.outputShapes.map(
    (shape) => shape && tensorHandle('transient', shape.dtype, shape.shape),
  )
  const wanted = outputs[output]
  if (!wanted) throw new Error('the output is not asked for')
  const inputs = made.inputs.map((tensor, i) => (i === at ? copied : tensor))
  const command: Command = { op, direction, inputs, outputs, attributes }
  const program = engine.compile([copy, command], at === undefined ? [copied, wanted] : [wanted])
  await engine.run(program)
  const values = await engine.read(wanted)
  engine.free(places)
  return { values, arenaBytes: program.arenaBytes }
}

import { describe, expect, it } from 'vitest'
import { createNativeEngine, nativeIsas, nativeProblem } from '../../src/engine/native/index.ts'
import { createReferenceEngine } from '../../src/engine/reference/index.ts'
import { createWasmEngineHere } from './engines.ts'
import { random } from './random.ts'
import type { Act, AnyCase, Named } from './run-case.ts'
import { allCases, bytesOf, gradientsOfOutputs, runForward, runVjp, wantedGradients } from './run-case.ts'

const reference = createReferenceEngine()

/** Whoever runs the kernels of native/. WebAssembly has two threads here; bench/run.sh wasm tests it with one, too. */
const kernelEngines = [
  ...nativeIsas().map((isa) => ({
    name: isa,
    threadCounts: [1, 2],
    create: (threads: number) => createNativeEngine({ isa, threads }),
  })),
  { name: 'wasm', threadCounts: [2], create: createWasmEngineHere },
]

/** What the reference computes for a case, once for all instruction sets. */
interface Expected {
  forward: Named
  given: Named
  wanted: string[]
  /** Gradients before, and what they are when the vjp adds to them. */
  startAt: Named
  added: Named
  /** Gradients where there was nothing to add to. */
  alone: Named
}
const known = {
  float32: new Map<AnyCase, Promise<Expected>>(),
  bfloat16: new Map<AnyCase, Promise<Expected>>(),
}

function expectedOf(testCase: AnyCase, act: Act): Promise<Expected> {
  const found = known[act].get(testCase) ?? compute(testCase, act)
  known[act].set(testCase, found)
  return found
}

async function compute(testCase: AnyCase, act: Act): Promise<Expected> {
  const forward = await runForward(reference, testCase, act)
  const given = gradientsOfOutputs(testCase)
  const wanted = wantedGradients(testCase)
  const r = random(21)
  // Eighths, which bfloat16 holds exactly, so that they can be subtracted again.
  const eighths = (count: number) => r.normal(count).map((x) => Math.round(8 * x) / 8)
  const startAt = new Map(wanted.map((name) => [name, eighths(testCase.inputs[name]?.data.length ?? 0)]))
  const added = wanted.length
    ? await runVjp(reference, testCase, act, { forward, given, wanted, startAt })
    : new Map()
  return { forward, given, wanted, startAt, added, alone: difference(added, startAt) }
}

it('the native engine is there, or says why not', () => {
  if (nativeIsas().length > 0) {
    expect(nativeProblem()).toBeUndefined()
  } else {
    expect(nativeProblem()).toMatch(/no engine was built|FETTLE_NATIVE/)
    expect(() => createNativeEngine()).toThrow(/build-native/)
  }
})

describe.each(kernelEngines)('$name', ({ threadCounts, create }) => {
  describe.each(threadCounts)('%i threads', (threads) => {
    const engine = create(threads)
    describe.each<Act>(['float32', 'bfloat16'])('%s', (act) => {
      for (const testCase of allCases) {
        const { op, name } = testCase
        const roundings =
          act === 'float32' ? 0 : (testCase.inputs['weight'] ?? testCase.inputs['table'])?.form ? 2 : 1
        it(`${op}: ${name}`, async () => {
          const { forward } = await expectedOf(testCase, act)
          const found = await runForward(engine, testCase, act)
          expectSame(found, forward, roundings)
          expectSameBits(await runForward(engine, testCase, act), found)
        })
        if (wantedGradients(testCase).length === 0) continue
        it(`${op} vjp: ${name}`, async () => {
          const { forward, given, wanted, startAt, added, alone } = await expectedOf(testCase, act)
          const found = await runVjp(engine, testCase, act, { forward, given, wanted, startAt })
          expectSame(found, added, roundings)
          expectSameBits(await runVjp(engine, testCase, act, { forward, given, wanted, startAt }), found)
          // Overwriting what is there (NaN) instead of adding to it.
          expectSame(await runVjp(engine, testCase, act, { forward, given, wanted }), alone, roundings)
        })
      }
    })
  })
})

/**
 * float32: every value within 1e-5 of the largest. bfloat16: the reference has the same rounded inputs but rounds
 * nothing on its way, so the error as a whole stays below that of one rounding (2^-8 at most), and that of any
 * single value below four. Quantised weights are multiplied out to bfloat16: a second, independent rounding.
 */
function expectSame(found: Named, expected: Named, roundings: 0 | 1 | 2): void {
  expect([...found.keys()].toSorted()).toEqual([...expected.keys()].toSorted())
  for (const [name, values] of expected) {
    const actual = found.get(name) ?? new Float32Array(0)
    if (values instanceof Int32Array) {
      expect(actual, `${name}`).toEqual(values)
      continue
    }
    expect(actual.length, `${name}`).toBe(values.length)
    let [largest, worst, squares, errors] = [0, 0, 0, 0]
    for (let i = 0; i < values.length; i += 1) {
      const error = Math.abs(actual[i] - values[i])
      largest = Math.max(largest, Math.abs(values[i]))
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error)
      squares += values[i] ** 2
      errors += error ** 2
    }
    const relative = Math.sqrt(errors / Math.max(squares, 1e-30))
    if (roundings === 0) {
      expect(worst, `${name}: largest error, of ${largest}`).toBeLessThanOrEqual(1e-5 * largest + 1e-7)
    } else {
      expect(worst, `${name}: largest error, of ${largest}`).toBeLessThanOrEqual(2 ** -6 * largest)
      expect(relative, `${name}: relative error`).toBeLessThanOrEqual(Math.sqrt(roundings) * 2 ** -8)
    }
  }
}

function expectSameBits(a: Named, b: Named): void {
  for (const [name, values] of a) {
    const other = b.get(name) ?? new Float32Array(0)
    const same = Buffer.from(bytesOf(values)).equals(bytesOf(other))
    expect(same, `${name}: the same bits again`).toBe(true)
  }
}

function difference(a: Named, b: Named): Named {
  return new Map(
    [...a].map(([name, values]) => {
      const other = b.get(name)
      const found = new Float32Array(values.length)
      for (let i = 0; i < values.length; i += 1) found[i] = values[i] - (other?.[i] ?? 0)
      return [name, found]
    }),
  )
}

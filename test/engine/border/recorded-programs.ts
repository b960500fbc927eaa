import type { KernelRunner } from '../../../src/engine/kernels/index.ts'
import { createNativeEngine, nativeAddon } from '../../../src/engine/native/index.ts'
import type { Act } from '../run-case.ts'
import { allCases, gradientsOfOutputs, runForward, runVjp, wantedGradients } from '../run-case.ts'

/** A call of the addon that made a tensor, with the handle that it returned. */
interface MadeTensor {
  method: 'tensor' | 'weight'
  given: unknown[]
  handle: number
}

/** A program that the addon took, with the tensors that it names. */
export interface RecordedProgram {
  name: string
  tensors: MadeTensor[]
  code: number[]
  arenaBytes: number
}

/** Cases with more numbers than that in an argument are left out. */
const mostNumbers = 2000

/** The programs of all small cases of the op table, forward and vjp, as they reach the addon. */
export async function recordPrograms(): Promise<RecordedProgram[]> {
  const addon = nativeAddon()
  if (typeof addon === 'string') return []
  const programs: RecordedProgram[] = []
  let name = ''
  let tensors: MadeTensor[] = []
  const prototype = addon.Runner.prototype as KernelRunner
  const { tensor, weight, compile } = prototype
  prototype.tensor = function (...given) {
    const handle = tensor.apply(this, given)
    tensors.push({ method: 'tensor', given, handle })
    return handle
  }
  prototype.weight = function (...given) {
    const handle = weight.apply(this, given)
    tensors.push({ method: 'weight', given, handle })
    return handle
  }
  prototype.compile = function (code, arenaBytes) {
    programs.push({ name, tensors, code: [...code], arenaBytes })
    tensors = []
    return compile.call(this, code, arenaBytes)
  }
  const engine = createNativeEngine({ threads: 2 })
  try {
    for (const testCase of allCases)
      for (const act of ['float32', 'bfloat16'] satisfies Act[]) {
        const values = Object.values(testCase.inputs).map((value) => value?.data.length ?? 0)
        if (testCase.large === true || Math.max(0, ...values) > mostNumbers) continue
        tensors = []
        name = `${testCase.op} ${act}: ${testCase.name}`
        const forward = await runForward(engine, testCase, act)
        const wanted = wantedGradients(testCase)
        name = `${testCase.op}.vjp ${act}: ${testCase.name}`
        tensors = []
        if (wanted.length > 0)
          await runVjp(engine, testCase, act, { forward, given: gradientsOfOutputs(testCase), wanted })
      }
  } finally {
    engine.close()
    Object.assign(prototype, { tensor, weight, compile })
  }
  return programs
}

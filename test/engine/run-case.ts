import type { Engine } from '../../src/engine/engine.ts'
import type { Command, OpName } from '../../src/engine/ops.ts'
import { infoOf, opNames } from '../../src/engine/ops.ts'
import { flattenAttributes } from '../../src/engine/tape.ts'
import type { DType, Tensor, TensorData, WeightPart } from '../../src/engine/tensor.ts'
import { elementCount, tensorHandle } from '../../src/engine/tensor.ts'
import { defaultCases } from './default-cases.ts'
import type { Role, Value } from './make-case.ts'
import type { Random } from './random.ts'
import { random } from './random.ts'
import { specialCases } from './special-cases.ts'

export type Act = 'float32' | 'bfloat16'

/** A case whose op is known only as a value. */
export interface AnyCase {
  op: OpName
  name: string
  inputs: Readonly<Record<string, Value | null>>
  outputs: Readonly<Record<string, { role: Role; shape: readonly number[] } | null>>
  attributes: object
  gradients?: readonly string[]
  large?: boolean
}

/** Of every op of the table those that follow from its entry, and the special ones. */
export const allCases: readonly AnyCase[] = opNames.flatMap((op) =>
  [...defaultCases(op), ...(specialCases[op] ?? [])].map((entry): AnyCase => ({ op, ...entry })),
)

/** Values by the name of an input or output. */
export type Named = ReadonlyMap<string, TensorData>

/** The inputs that get a gradient in this case. */
export function wantedGradients({ op, inputs, gradients }: AnyCase): string[] {
  const names = infoOf(op).gradients
  return names.filter((name) => inputs[name] && (gradients ?? names).includes(name))
}

/** Runs the forward pass; returns outputs and changed inputs. */
export async function runForward(engine: Engine, testCase: AnyCase, act: Act): Promise<Named> {
  const forward = await prepareForward(engine, testCase, act)
  const result = await forward.run()
  forward.free()
  return result
}

/** The forward pass as a program that can run again with other inputs. */
export async function prepareForward(engine: Engine, testCase: AnyCase, act: Act) {
  const { op } = testCase
  const tensors = new Map<string, Tensor>()
  const { inputNames, outputNames } = infoOf(op)
  const inputs: (Tensor | null)[] = []
  for (const name of inputNames) {
    const value = testCase.inputs[name] ?? null
    const tensor = value && (await inputTensor(engine, testCase, name, act, value))
    if (tensor) tensors.set(name, tensor)
    inputs.push(tensor)
  }
  const outputs = outputNames.map((name) => {
    const output = testCase.outputs[name] ?? null
    return output && tensorHandle('transient', dtypeOf(output.role, act), output.shape)
  })
  const attributes = flattenAttributes(op, testCase.attributes as never)
  const program = engine.compile(
    [{ op, direction: 'forward', inputs, outputs, attributes }],
    outputs.filter((tensor) => tensor !== null),
  )
  return {
    write(name: string, data: TensorData): void {
      const tensor = tensors.get(name)
      if (tensor) engine.write(tensor, data)
    },
    async run(): Promise<Named> {
      await engine.run(program)
      const result = new Map<string, TensorData>()
      for (const [i, tensor] of outputs.entries())
        if (tensor) result.set(outputNames[i], await engine.read(tensor))
      for (const name of infoOf(op).changes) {
        const tensor = tensors.get(name)
        if (tensor) result.set(name, await engine.read(tensor))
      }
      return result
    },
    free(): void {
      for (const tensor of tensors.values()) engine.free(tensor)
    },
  }
}

/** Random gradients of the outputs that a loss would depend on. */
export function gradientsOfOutputs({ op, outputs }: AnyCase, seed = 7): Map<string, Float32Array> {
  const r: Random = random(seed)
  const info = infoOf(op)
  const given = new Map<string, Float32Array>()
  // What makes its gradients forward has the loss in its weights.
  if (info.gradientMadeForward) return given
  for (const name of info.outputNames) {
    const output = outputs[name]
    const { type, auxiliary } = info.outputs[name]
    if (output && auxiliary !== true && type !== 'int32')
      given.set(name, r.normal(elementCount(output.shape)))
  }
  return given
}

/**
 * Runs the vjp with only those inputs that the op table lists as saved.
 *
 * @param forward  outputs of the forward pass
 * @param given    gradients of the outputs
 * @param wanted   inputs whose gradient is asked for
 * @param startAt  gradients to add to; without it they must be overwritten
 */
export async function runVjp(
  engine: Engine,
  testCase: AnyCase,
  act: Act,
  { forward, given, wanted, startAt }: { forward: Named; given: Named; wanted: string[]; startAt?: Named },
): Promise<Named> {
  const { op } = testCase
  const owned: Tensor[] = []
  const info = infoOf(op)
  const saved = info.saved(new Set(wanted), testCase.attributes as Record<string, number>)
  const savedInputs: (Tensor | null)[] = []
  for (const name of info.inputNames) {
    const value = saved.includes(name) ? (testCase.inputs[name] ?? null) : null
    const tensor = value && (await inputTensor(engine, testCase, name, act, value))
    if (tensor) owned.push(tensor)
    savedInputs.push(tensor)
  }
  const inputs = [
    ...savedInputs,
    ...info.outputNames.map((name) => {
      const output = testCase.outputs[name]
      return output && saved.includes(name) ? make(output.role, output.shape, forward.get(name)) : null
    }),
    ...info.outputNames.map((name) => {
      const output = testCase.outputs[name]
      const gradient = given.get(name)
      return output && gradient ? make(output.role, output.shape, gradient) : null
    }),
  ]
  const gradients = info.gradients.map((name) => {
    const value = testCase.inputs[name]
    if (!value || !wanted.includes(name)) return null
    const start = startAt?.get(name) ?? new Float32Array(value.data.length).fill(NaN)
    return make(gradientRole(op, name, value), value.shape, start)
  })
  const command: Command = {
    op,
    direction: 'vjp',
    inputs,
    outputs: gradients,
    attributes: flattenAttributes(op, testCase.attributes as never),
    accumulate: gradients.map(() => startAt !== undefined),
  }
  await engine.run(engine.compile([command], []))
  const result = new Map<string, TensorData>()
  for (const [i, tensor] of gradients.entries())
    if (tensor) result.set(info.gradients[i], await engine.read(tensor))
  for (const tensor of owned) engine.free(tensor)
  return result

  function make(role: Role, shape: readonly number[], data?: TensorData): Tensor {
    const tensor = engine.tensor(dtypeOf(role, act), shape, data)
    owned.push(tensor)
    return tensor
  }
}

/** An input in the engine; a weight of several segments as blocks of rows, as q, k and v lie in a file. */
async function inputTensor(
  engine: Engine,
  { op, attributes }: AnyCase,
  name: string,
  act: Act,
  { role, shape, data, form, parts: inBlocks }: Value,
): Promise<Tensor> {
  if (inBlocks) return engine.weight(dtypeOf(role, act), shape[1], inBlocks, form)
  const blocks = name === 'weight' ? rowsOfBlocks(attributes, shape[0]) : []
  const isBlocks = blocks.length > 1 || (op === 'linear' && form)
  if (!isBlocks || data instanceof Int32Array) return engine.tensor(dtypeOf(role, act), shape, data)
  const columns = shape[1]
  const parts: WeightPart[] = []
  let at = 0
  for (const rows of blocks) {
    parts.push({ data: data.slice(at, at + rows * columns), dtype: 'F32', rows })
    at += rows * columns
  }
  return engine.weight(dtypeOf(role, act), columns, parts, form)
}

/** Rows of each matrix that a weight stacks: of a segment, or of an expert. */
function rowsOfBlocks(attributes: object, rows: number): number[] {
  if ('segments' in attributes) return (attributes.segments as number[]).filter((_, i) => i % 3 === 0)
  return 'width' in attributes
    ? Array<number>(rows / Number(attributes.width)).fill(Number(attributes.width))
    : []
}

/** Of parameters float32 whatever their own type, else that of the input. */
export function gradientRole(op: OpName, name: string, { role }: Value): Role {
  const { type } = infoOf(op).inputs[name]
  return type === 'parameter' || type === 'weight' || type === 'table' ? 'float32' : role
}

/** The memory of values, to compare at once: expect() would look at every number by itself. */
export function bytesOf({ buffer, byteOffset, byteLength }: TensorData): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

export function dtypeOf(role: Role, act: Act): DType {
  return role === 'act' ? act : role
}

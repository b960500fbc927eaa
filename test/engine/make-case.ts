import { sizeOf } from '../../src/engine/dimensions.ts'
import type { Argument } from '../../src/engine/op-entry.ts'
import type { Attributes, GradientName, InputName, OpName, OutputName } from '../../src/engine/ops.ts'
import { infoOf } from '../../src/engine/ops.ts'
import type { WeightForm } from '../../src/engine/quantization.ts'
import type { WeightPart } from '../../src/engine/tensor.ts'
import { elementCount } from '../../src/engine/tensor.ts'
import type { Random } from './random.ts'
import { random } from './random.ts'

/** `act` is the compute type of the run: float32 or bfloat16. */
export type Role = 'act' | 'float32' | 'int32'

/** An input of a case. */
export interface Value {
  role: Role
  shape: readonly number[]
  data: Float32Array | Int32Array
  /** Of a frozen weight: how the engine holds it. */
  form?: WeightForm
  /** Of one in blocks: what `data` are the numbers of. */
  parts?: readonly WeightPart[]
}

/** One call of an op; every engine must agree on it, and its gradients must match finite differences. */
export interface Case<K extends OpName> {
  name: string
  inputs: { [N in InputName<K>]: Value | null }
  outputs: { [N in OutputName<K>]: { role: Role; shape: readonly number[] } | null }
  attributes: Attributes<K>
  /** Gradients to ask for; all that the op has without this. */
  gradients?: readonly GradientName<K>[]
  /** Too large for finite differences; engines are compared on it. */
  large?: boolean
}

/** Makes the numbers of an input. */
export type Data = (random: Random, count: number) => Float32Array | Int32Array

export const normal =
  (scale = 1): Data =>
  (r, count) =>
    r.normal(count, scale)

export const exactly =
  (values: ArrayLike<number>): Data =>
  () =>
    values instanceof Float32Array ? values : Int32Array.from(values)

/** Gains around one, as trained models have them, none of them near zero. */
export const gains: Data = (r, count) => r.normal(count, 0.2).map((g) => Math.max(0.3, 1 + g))

/** Numbers that no small step puts into another order, in rows of at most 13. */
export const apart: Data = (r, count) => r.normal(count, 0.03).map((x, i) => x + 0.5 * ((5 * i) % 13) - 3)

/** Numbers whose magnitude a small step does not bring over one. */
export const awayFromOne: Data = (r, count) =>
  r.normal(count).map((x) => (Math.abs(Math.abs(x) - 1) < 0.25 ? 1.7 * x : x))

/** 0, 1, 2, … */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** What a case says besides what the op table does. */
export interface CaseOptions<K extends OpName> {
  /** Of each name in the shapes that is no attribute. */
  sizes: Readonly<Record<string, number>>
  attributes: Attributes<K>
  /** Arguments that are left out. */
  absent?: readonly (InputName<K> | OutputName<K>)[]
  /** Where an argument has another type than the table's first choice. */
  roles?: { readonly [N in InputName<K> | OutputName<K>]?: Role }
  /** Where random numbers would not do, or not these: integers are below what the table says, other numbers normal. */
  data?: { readonly [N in InputName<K>]?: Data }
  form?: WeightForm
  seed?: number
  gradients?: readonly GradientName<K>[]
  large?: boolean
}

/** A case of an op with the shapes that its entry in the table says. */
export function makeCase<K extends OpName>(
  op: K,
  name: string,
  { sizes, attributes, absent = [], form, seed, ...options }: CaseOptions<K>,
): Case<K> {
  const info = infoOf(op)
  const named: Record<string, number> = { ...sizes }
  for (const [attribute, value] of Object.entries(attributes))
    if (typeof value === 'number') named[attribute] = value
  const r = random(seed ?? Object.values(sizes).reduce((sum, size) => sum + size, 0))
  const data: Readonly<Record<string, Data | undefined>> = options.data ?? {}
  const roles: Readonly<Record<string, Role | undefined>> = options.roles ?? {}
  const isAbsent = (argument: string) => (absent as readonly string[]).includes(argument)
  const inputs: Record<string, Value | null> = {}
  for (const input of info.inputNames) {
    const { type } = info.inputs[input]
    const shape = shapeOf(info.inputs[input], named)
    const make = data[input] ?? dataOf(info.inputs[input], named)
    inputs[input] = isAbsent(input)
      ? null
      : {
          role: roles[input] ?? roleOf(info.inputs[input]),
          shape,
          data: make(r, elementCount(shape)),
          ...(type === 'weight' && form && { form }),
        }
  }
  const outputs = Object.fromEntries(
    info.outputNames.map((output) => {
      const role = roles[output] ?? roleOf(info.outputs[output])
      return [output, isAbsent(output) ? null : { role, shape: shapeOf(info.outputs[output], named) }]
    }),
  )
  const { gradients, large } = options
  return {
    name,
    inputs,
    outputs,
    attributes,
    ...(gradients && { gradients }),
    ...(large && { large }),
  } as Case<K>
}

/** Cases of one op that differ in their sizes and some options. */
export function casesOf<K extends OpName>(op: K, shared: Omit<CaseOptions<K>, 'sizes'>) {
  return (name: string, sizes: Readonly<Record<string, number>>, options: Partial<CaseOptions<K>> = {}) =>
    makeCase(op, name, { ...shared, ...options, sizes })
}

/** Any shape is that of a small matrix. */
function shapeOf({ shape }: Argument, named: Readonly<Record<string, number>>): number[] {
  return (shape ?? ['3', '7']).map((expression) => {
    const size = sizeOf(expression, named)
    if (!Number.isInteger(size)) throw new Error(`no size for '${expression}'`)
    return size
  })
}

/** The compute type where the table leaves it open. */
function roleOf({ type }: Argument): Role {
  return type === 'float32' || type === 'int32' ? type : 'act'
}

function dataOf({ type, below }: Argument, named: Readonly<Record<string, number>>): Data {
  if (type !== 'int32') return normal()
  const end = below === undefined ? 2 ** 16 : sizeOf(below, named)
  return (r, count) => r.integers(count, end)
}

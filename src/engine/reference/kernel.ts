import type { ArgumentsOf, Attributes, Command, GradientName, InputName, OpName, OutputName } from '../ops.ts'
import type { OpInfo } from '../op-entry.ts'
import { infoOf } from '../ops.ts'
import type { Tensor } from '../tensor.ts'
import { checkIntegers } from './check-integers.ts'
import type { BoundArgument } from './check-integers.ts'

/** A tensor as a kernel sees it: row-major values; all dimensions but the last count as rows. */
export interface Matrix<Data = Float32Array> {
  readonly data: Data
  readonly shape: readonly number[]
  readonly rows: number
  readonly columns: number
  /** Of a weight that is held as int8: the scale of each row. */
  readonly rowScales?: Float32Array
}

type MatrixOf<A> = Matrix<A extends { type: 'int32' } ? Int32Array : Float32Array>

/** An argument as the table describes it; `Absent` says when it may be missing. */
type Value<A, Absent> = MatrixOf<A> | (A extends Absent ? null : never)
type Optional = { optional: true }
type Auxiliary = { auxiliary: true }

/** Computes the outputs from the inputs; overwrites the outputs. */
type Forward<K extends OpName> = (
  inputs: { readonly [N in InputName<K>]: Value<ArgumentsOf<K>[N], Optional> },
  outputs: { readonly [N in OutputName<K>]: Value<ArgumentsOf<K>[N], Optional | Auxiliary> },
  attributes: Attributes<K>,
) => void

/**
 * Adds to each wanted gradient (those that are not null). To read a value that the op table does not list under
 * `saved` throws.
 *
 * @param saved     inputs and outputs of the forward pass
 * @param given     gradients of the outputs, by the output's name
 * @param wanted    gradients of the inputs, by the input's name
 */
type Vjp<K extends OpName> = (
  saved: { readonly [N in InputName<K> | OutputName<K>]: Value<ArgumentsOf<K>[N], Optional> },
  given: { readonly [N in OutputName<K>]: MatrixOf<ArgumentsOf<K>[N]> },
  wanted: { readonly [N in GradientName<K>]: Matrix | null },
  attributes: Attributes<K>,
) => void

/** An op without gradients in the table has no vjp; every other must have one. */
export interface Kernel<K extends OpName> {
  forward: Forward<K>
  vjp: [GradientName<K>] extends [never] ? null : Vjp<K>
}

/** A kernel without its types: commands are data, and the name of their op is known only at run time. */
export interface UntypedKernel {
  forward: (inputs: Named, outputs: Named, attributes: Named) => void
  vjp: ((saved: Named, given: Named, wanted: Named, attributes: Named) => void) | null
}

type Named = Readonly<Record<string, unknown>>

/**
 * Gives a command's tensors and numbers their names back and calls its kernel.
 *
 * @param matrixOf  finds the memory of a tensor
 */
export function execute(kernel: UntypedKernel, command: Command, matrixOf: (tensor: Tensor) => Matrix): void {
  const { op, direction, inputs, outputs } = command
  const info = infoOf(op)
  const attributes = readAttributes(info, command.attributes)
  const inputCount = info.inputNames.length
  const outputCount = info.outputNames.length
  const place = `${op}.${direction}`
  checkIntegers(op, info, boundArguments(), attributes)
  if (direction === 'forward') {
    const named = nameMatrices(place, info.inputNames, inputs.map(bind), mayBeMissing)
    kernel.forward(named, nameMatrices(place, info.outputNames, outputs.map(bind), mayBeMissing), attributes)
    return
  }
  if (kernel.vjp === null) throw new Error(`${op} has no gradient`)

  const gradients = outputs.slice(0, info.gradients.length).map(bind)
  const remade = outputs.slice(info.gradients.length).map(bind)
  const sources = inputs.map(bind)
  gradients.forEach((gradient, i) => {
    if (gradient === null || command.accumulate?.[i] === true) return
    // Where the gradient takes the place of an input, the kernel reads that input from a copy.
    sources.forEach((source, j) => {
      if (source && overlap(source.data, gradient.data)) sources[j] = { ...source, data: source.data.slice() }
    })
    gradient.data.fill(0)
  })
  const savedNames = [...info.inputNames, ...info.outputNames]
  const wanted: Record<string, Matrix | null> = {}
  info.gradients.forEach((name, i) => {
    wanted[name] = gradients[i]
  })
  kernel.vjp(
    nameMatrices(place, savedNames, sources.slice(0, inputCount + outputCount), isOptional),
    nameMatrices(`${place} gradient`, info.outputNames, sources.slice(inputCount + outputCount), () => false),
    wanted,
    attributes,
  )
  if (info.remade && remade[0]) {
    const saved = nameMatrices(place, info.inputNames, sources.slice(0, inputCount), isOptional)
    kernel.forward(saved, { [info.remade]: remade[0] }, attributes)
  }

  function bind(tensor: Tensor | null): Matrix | null {
    return tensor && matrixOf(tensor)
  }

  /** Inputs and outputs, and of a vjp the gradients that it makes. */
  function boundArguments(): BoundArgument[] {
    const described = { ...info.inputs, ...info.outputs }
    const names = [...info.inputNames, ...(direction === 'vjp' ? info.outputNames : [])]
    const outputNames = direction === 'vjp' ? info.gradients : info.outputNames
    const boundTo = (tensors: readonly (Tensor | null)[]) => (name: string, i: number) =>
      [name, described[name], bind(tensors[i] ?? null)] as const
    return [...names.map(boundTo(inputs)), ...outputNames.map(boundTo(outputs))]
  }

  function isOptional(name: string): boolean {
    return (info.inputs[name] ?? info.outputs[name]).optional === true
  }

  function mayBeMissing(name: string): boolean {
    return isOptional(name) || info.outputs[name]?.auxiliary === true
  }
}

function nameMatrices(
  place: string,
  names: readonly string[],
  matrices: readonly (Matrix | null)[],
  mayBeMissing: (name: string) => boolean,
): Named {
  const named = {}
  names.forEach((name, i) => {
    const matrix = matrices[i] ?? null
    const get = () => {
      if (matrix === null && !mayBeMissing(name)) throw new Error(`${place}: '${name}' is missing`)
      return matrix
    }
    Object.defineProperty(named, name, { enumerable: true, get })
  })
  return named
}

function readAttributes({ attributes: kinds }: OpInfo, flat: readonly number[]): Named {
  const attributes: Record<string, number | number[]> = {}
  let at = 0
  for (const [name, kind] of Object.entries(kinds)) {
    if (kind === 'list') {
      const length = flat[at]
      attributes[name] = flat.slice(at + 1, at + 1 + length)
      at += 1 + length
    } else {
      attributes[name] = flat[at]
      at += 1
    }
  }
  return attributes
}

function overlap(a: Float32Array, b: Float32Array): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  )
}

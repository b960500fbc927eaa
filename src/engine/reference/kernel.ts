import type { Attributes, Command, InputName, OpName, OutputName } from '../ops.ts'
import { ops } from '../ops.ts'
import type { Tensor } from '../tensor.ts'

/** A tensor as a kernel sees it: row-major values; all dimensions but the last count as rows. */
export interface Matrix<Data = Float32Array> {
  readonly data: Data
  readonly shape: readonly number[]
  readonly rows: number
  readonly columns: number
  /** Of a weight that is held as int8: the scale of each row. */
  readonly rowScales?: Float32Array
}

/** Ops without gradient; every op that is not listed must have a vjp. */
type WithoutGradient =
  | 'cachedAttention'
  | 'copySlots'
  | 'scaleRows'
  | 'argmax'
  | 'fill'
  | 'gradNorm'
  | 'adamw'

type IntegerName<K> =
  | 'ids'
  | 'rows'
  | 'starts'
  | 'positions'
  | 'slots'
  | 'sources'
  | 'counts'
  | 'targets'
  | 'dropoutSeed'
  | (K extends 'argmax' ? 'y' : never)

/** What a caller of the forward pass may leave out. */
const optional = [
  'bias',
  'residual',
  'loraA',
  'loraB',
  'dropoutSeed',
  't',
  'rstd',
  'lse',
  'logProbs',
  'weights',
  'dHidden',
  'stats',
] as const
type Optional = (typeof optional)[number]

/** What may be missing in a vjp although its rule reads it: a linear op need not have LoRA weights or dropout. */
const optionalSaved = ['loraA', 'loraB', 'dropoutSeed', 't'] as const
type OptionalSaved = (typeof optionalSaved)[number]

const listAttributes = ['segments']

type Values<K, Name extends string, Absent> = {
  readonly [N in Name]:
    | Matrix<N extends IntegerName<K> ? Int32Array : Float32Array>
    | (N extends Absent ? null : never)
}

/** Computes the outputs from the inputs; overwrites the outputs. */
type Forward<K extends OpName> = (
  inputs: Values<K, InputName<K>, Optional>,
  outputs: Values<K, OutputName<K>, Optional>,
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
  saved: Values<K, InputName<K> | OutputName<K>, OptionalSaved>,
  given: Values<K, OutputName<K>, never>,
  wanted: { readonly [N in InputName<K>]: Matrix | null },
  attributes: Attributes<K>,
) => void

export interface Kernel<K extends OpName> {
  forward: Forward<K>
  vjp: K extends WithoutGradient ? null : Vjp<K>
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
  const info = ops[op]
  const attributes = readAttributes(info.attributes, command.attributes)
  const inputCount = info.inputs.length
  const outputCount = info.outputs.length
  const place = `${op}.${direction}`
  if (direction === 'forward') {
    const named = nameMatrices(place, info.inputs, inputs.map(bind), optional)
    kernel.forward(named, nameMatrices(place, info.outputs, outputs.map(bind), optional), attributes)
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
  const savedNames = [...info.inputs, ...info.outputs]
  const wanted: Record<string, Matrix | null> = {}
  for (const name of info.inputs) wanted[name] = null
  info.gradients.forEach((name, i) => {
    wanted[name] = gradients[i]
  })
  kernel.vjp(
    nameMatrices(place, savedNames, sources.slice(0, inputCount + outputCount), optionalSaved),
    nameMatrices(`${place} gradient`, info.outputs, sources.slice(inputCount + outputCount), []),
    wanted,
    attributes,
  )
  if (info.remade && remade[0]) {
    const saved = nameMatrices(place, info.inputs, sources.slice(0, inputCount), optional)
    kernel.forward(saved, { [info.remade]: remade[0] }, attributes)
  }

  function bind(tensor: Tensor | null): Matrix | null {
    return tensor && matrixOf(tensor)
  }
}

function nameMatrices(
  place: string,
  names: readonly string[],
  matrices: readonly (Matrix | null)[],
  absent: readonly string[],
): Named {
  const named = {}
  names.forEach((name, i) => {
    const matrix = matrices[i] ?? null
    const get = () => {
      if (matrix === null && !absent.includes(name)) throw new Error(`${place}: '${name}' is missing`)
      return matrix
    }
    Object.defineProperty(named, name, { enumerable: true, get })
  })
  return named
}

function readAttributes(names: readonly string[], flat: readonly number[]): Named {
  const attributes: Record<string, number | number[]> = {}
  let at = 0
  for (const name of names) {
    if (listAttributes.includes(name)) {
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

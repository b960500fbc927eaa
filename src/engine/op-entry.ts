/**
 * What an argument of an op holds, and of which type its gradient is:
 * - `act`        the compute type of the run, float32 or bfloat16: the same for all of a command; its gradient, too
 * - `stream`     float32 or the compute type, as the residual stream or activations are; its gradient has the same
 * - `parameter`  float32 or the compute type; its gradient is float32
 * - `weight`     a parameter that may be frozen in fewer bits, too
 * - `table`      a parameter that may be frozen in the blocks of a file, too
 */
export type ArgumentType = 'act' | 'stream' | 'parameter' | 'weight' | 'table' | 'float32' | 'int32'

/** An input or output of an op. */
export interface Argument {
  readonly type: ArgumentType
  /**
   * An expression for each dimension: a number, a name, or sums and products of names and attributes ('2 * I',
   * 'heads * headDim'). What has the same name has the same size; null: any shape.
   */
  readonly shape: readonly string[] | null
  /** May be absent, forward and in the vjp. */
  readonly optional?: true
  /** Of an output: made for the vjp, absent where there is none, and without a gradient of its own. */
  readonly auxiliary?: true
  /** Of integers that are places in a dimension: they are below it… */
  readonly below?: string
  /** …and from here on: −1 from some row on is padding. */
  readonly from?: 0 | -1
}

type Arguments = Readonly<Record<string, Argument>>
type Names<T> = keyof T & string

/** `flag` is 0 or 1; a `list` comes last. */
type AttributeKind = 'number' | 'count' | 'flag' | 'list'
type AttributeKinds = Readonly<Record<string, AttributeKind>>

/** The attributes of an op as a caller gives them. */
export type AttributeValues<A> = {
  readonly [N in keyof A]: A[N] extends 'flag' ? 0 | 1 : A[N] extends 'list' ? readonly number[] : number
}

/** Everything that is known of an op but what it computes. Names in the order in which commands list them. */
interface OpEntry<I, O, A, G extends readonly Names<I>[]> {
  readonly inputs: I
  readonly outputs: O
  readonly attributes: A
  /** Inputs that get a gradient, if asked for; none: the op cannot be differentiated. */
  readonly gradients: G
  /** Forward inputs and outputs that the vjp reads, given which gradients are wanted; all others may be dropped. */
  saved?(wanted: ReadonlySet<G[number]>, attributes: AttributeValues<A>): readonly (Names<I> | Names<O>)[]
  /** Inputs that the op changes. */
  readonly changes?: readonly Names<I>[]
  /**
   * This output is cheaper to make again in the backward pass than to keep, from inputs that the vjp keeps anyway. Where the
   * vjp runs it makes the output on its way, in place of the output's gradient.
   */
  readonly remade?: Names<O>
  /** [input, output] of the forward pass that may share one buffer when the input is not needed afterwards. */
  readonly inPlace?: readonly [Names<I>, Names<O>]
  /** The gradient of this output may be overwritten with that of this input by the vjp. */
  readonly inPlaceGradient?: readonly [Names<O>, Names<I>]
  /** The vjp may write this input's gradient over the input, if nothing reads that afterwards. */
  readonly overwritesInput?: Names<I>
  /** The gradient of this input is that of this output, unchanged: no computation. */
  readonly passesGradient?: readonly [Names<I>, Names<O>]
  /**
   * The gradient of this input is this output, made on the way forward: row m times element m of the second input, where there is
   * one.
   */
  readonly gradientMadeForward?: readonly [Names<I>, Names<O>, Names<I>?]
}

/** An entry whose names are known only at run time. */
export interface OpInfo {
  readonly inputs: Arguments
  readonly outputs: Arguments
  readonly attributes: AttributeKinds
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly attributeNames: readonly string[]
  readonly gradients: readonly string[]
  saved(wanted: ReadonlySet<string>, attributes: Readonly<Record<string, unknown>>): readonly string[]
  readonly changes: readonly string[]
  readonly remade?: string
  readonly inPlace?: readonly [string, string]
  readonly inPlaceGradient?: readonly [string, string]
  readonly overwritesInput?: string
  readonly passesGradient?: readonly [string, string]
  readonly gradientMadeForward?: readonly [string, string, string?]
}

/** An entry of the op table; its names are checked against each other here. */
export function op<
  const I extends Arguments,
  const O extends Arguments,
  const A extends AttributeKinds,
  const G extends readonly Names<I>[],
>(entry: OpEntry<I, O, A, G>) {
  return {
    saved: () => [] as const,
    changes: [],
    ...entry,
    inputNames: Object.keys(entry.inputs) as Names<I>[],
    outputNames: Object.keys(entry.outputs) as Names<O>[],
    attributeNames: Object.keys(entry.attributes) as Names<A>[],
  }
}

const argument =
  <const T extends ArgumentType>(type: T) =>
  (...shape: string[]) => ({ type, shape })

export const act = argument('act')
export const stream = argument('stream')
export const parameter = argument('parameter')
export const weight = argument('weight')
export const table = argument('table')
export const float32 = argument('float32')

/** Floats of any shape. */
export const anyShape = { type: 'stream', shape: null } as const

export function int32<const R extends Pick<Argument, 'below' | 'from'>>(shape: string, range?: R) {
  return { type: 'int32' as const, shape: [shape], ...range }
}

export function optional<const T extends object>(argumentOf: T) {
  return { ...argumentOf, optional: true as const }
}

export function auxiliary<const T extends object>(argumentOf: T) {
  return { ...argumentOf, auxiliary: true as const }
}

import type { GenerationProgram, Parameter, Rope } from '../../model/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { Columns } from './columns.ts'
import type { ExpertTensors } from './expert-tensors.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { Storage } from './storage.ts'
import type { TokenValues } from './token-values.ts'
import type { WeightInitializers } from './weight-initializers.ts'

/** What of a graph is the same for all of its ops. */
export interface ProgramTranslation extends ExpertTensors {
  graph: GraphBuilder
  program: GenerationProgram
  storage: Storage
  tokens: TokenValues
  weights: WeightInitializers
  maxPositions: number
  /** Tokens that there are. */
  vocabulary: number
  /** A name for a rotation. */
  nameOf(rope: Rope): string
  /** The value of a memory that the graph is given, and how it is given back. */
  memory(tensor: Tensor, kind: MemoryKind): MemoryValue
}

/** Keys and values of attention, the newest inputs of a convolution, or the memory of a delta rule. */
export type MemoryKind = 'key' | 'value' | 'conv' | 'recurrent'

/** What a graph is given of earlier tokens. */
export interface MemoryValue {
  /** The name of the graph's input, of this shape. */
  past(shape: readonly (number | string)[]): string
  /** Gives on what the next pass is to get; the first block that does is heard. */
  present(value: string, shape: readonly (number | string)[]): void
}

/** One op of the program while it is translated, its arguments by the names of the op table. */
export interface OpTranslation extends ProgramTranslation {
  attribute(name: string): number
  has(input: string): boolean
  tensor(input: string): Tensor
  result(output: string): Tensor
  /** The input as one value, or as it lies in pieces. */
  value(input: string): string
  columns(input: string): Columns
  /** The parameter that an input is. */
  parameter(input: string): Parameter
  /** What numbers of an input, or of an output, are held in. */
  type(argument: string): 'float32' | 'float16'
  /** Columns of an output. */
  width(output: string): number
  give(output: string, value: string | Columns): void
}

/** Writes the nodes of one op. */
export type OpTranslator = (op: OpTranslation) => void

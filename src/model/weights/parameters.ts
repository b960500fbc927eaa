import type { Transform } from './transforms.ts'

/** A tensor of a file, and what happens to it on its way to memory; without a transform it can be mapped. */
export interface StoredTensor {
  name: string
  transform?: Transform | undefined
  /** Where a file has its rows in stacks of experts: these matrices, or vectors, one below the other; `name` is the first one's. */
  pieces?: readonly StackPiece[] | undefined
}

/** One of `count` matrices, or vectors, that are one tensor. */
export interface StackPiece {
  name: string
  index: number
  count: number
  /** How many of them the tensor has side by side: 2 of gate and up. */
  beside?: number
}

/** The tensors of a file that a part is made of. */
export function tensorsOf({ name, pieces }: StoredTensor): string[] {
  return pieces ? [...new Set(pieces.map((piece) => piece.name))] : [name]
}

/** A stretch of a parameter's rows that is one tensor in files. */
export interface ParameterPart {
  rows: number
  /** In model.safetensors; adapters and gradients are named after it. */
  safetensors: StoredTensor
  gguf: StoredTensor
}

/**
 * A parameter as the engine holds it: one or more tensors of the file, stacked by rows, because the projections that
 * read the same input are computed as one product.
 */
export interface Parameter {
  /** Name of its first part: no two parameters of a model have the same. */
  key: string
  /**
   * `linear`: a projection [Σ rows, columns] of a layer, which adapters change and quantisation makes smaller; `experts`: those
   * of all experts of a layer, one below the other; `matrix`: any other one, held as it is; `vector` [Σ rows], in float32.
   */
  kind: 'linear' | 'experts' | 'matrix' | 'vector'
  /** What an `experts` stacks. */
  experts?: ExpertStack
  columns: number
  parts: readonly ParameterPart[]
  /** What a model that was never trained has here. */
  fresh: 'normal' | 'zeros' | 'ones'
  /** Numbers that are stored and read, and never trained: a buffer of PyTorch's modules. */
  isFixed?: true
}

/** Matrices of the same shape, one of each expert. */
export interface ExpertStack {
  count: number
  /** What Transformers calls the tensor of all of them: `model.layers.0.mlp.experts.gate_up_proj`. LoRA is on it by this name. */
  name: string
  /** What happens to the rows of LoRA's B between an adapter's file and memory; see expertOutputs in transforms.ts. */
  outputs: Transform
}

/** What a module is called: in Hugging Face's files and adapters, and in GGUF files. */
export interface ModuleName {
  safetensors: string
  gguf: string
}

/** Outputs of a matrix that are a module of their own. */
export interface Outputs {
  module: ModuleName
  rows: number
  /** What happens to the weight on its way from model.safetensors. */
  transform?: Transform | undefined
  ggufTransform?: Transform | undefined
}

/** The weights [Σ rows, columns] of modules. */
export function matrix(kind: 'linear' | 'matrix', columns: number, outputs: readonly Outputs[]): Parameter {
  return parameter(
    kind,
    columns,
    outputs.map(({ module, rows, transform, ggufTransform }) => ({
      rows,
      safetensors: { name: `${module.safetensors}.weight`, transform },
      gguf: { name: `${module.gguf}.weight`, transform: ggufTransform },
    })),
    'normal',
  )
}

/** The biases [Σ rows] of modules. */
export function biases(outputs: readonly Outputs[]): Parameter {
  return parameter(
    'vector',
    1,
    outputs.map(({ module, rows, transform, ggufTransform }) => ({
      rows,
      safetensors: { name: `${module.safetensors}.bias`, transform: transform?.outputs },
      gguf: { name: `${module.gguf}.bias`, transform: ggufTransform?.outputs },
    })),
    'zeros',
  )
}

/** The projections of all experts: the matrices of the first, then those of the next… */
export function expertMatrix(
  experts: ExpertStack,
  columns: number,
  parts: readonly ParameterPart[],
): Parameter {
  return { ...parameter('experts', columns, [...parts], 'normal'), experts }
}

/** Factors [rows] whose tensor is no module's weight: its whole name. */
export function factors({ safetensors, gguf }: ModuleName, rows: number): Parameter {
  const part = { rows, safetensors: { name: safetensors }, gguf: { name: gguf } }
  return parameter('vector', 1, [part], 'ones')
}

/** The weight [width] of a norm. */
export function gain(module: ModuleName, width: number, transform?: Transform): Parameter {
  const safetensors = { name: `${module.safetensors}.weight`, transform }
  return parameter(
    'vector',
    1,
    [{ rows: width, safetensors, gguf: { name: `${module.gguf}.weight` } }],
    'ones',
  )
}

/** One number of its own, which is not trained. */
export function fixedNumber({ safetensors, gguf }: ModuleName): Parameter {
  const part = { rows: 1, safetensors: { name: safetensors }, gguf: { name: `${gguf}.weight` } }
  return { ...parameter('vector', 1, [part], 'ones'), isFixed: true }
}

/** A vector [rows] whose tensor is no module's weight: its whole name. */
export function vector(
  { safetensors, gguf }: ModuleName,
  rows: number,
  ggufTransform?: Transform,
): Parameter {
  const part = { rows, safetensors: { name: safetensors }, gguf: { name: gguf, transform: ggufTransform } }
  return parameter('vector', 1, [part], 'zeros')
}

function parameter(
  kind: Parameter['kind'],
  columns: number,
  parts: ParameterPart[],
  fresh: Parameter['fresh'],
): Parameter {
  return { key: parts[0].safetensors.name, kind, columns, parts, fresh }
}

/** A vector [Σ rows] of these parts that begins as zeros. */
export function zeroVector(parts: readonly ParameterPart[]): Parameter {
  return parameter('vector', 1, [...parts], 'zeros')
}

/** Whether quantisation makes it smaller. */
export function isProjection({ kind }: Pick<Parameter, 'kind'>): boolean {
  return kind === 'linear' || kind === 'experts'
}

/** Σ rows of the parts. */
export function rowCount({ parts }: Parameter): number {
  return parts.reduce((sum, { rows }) => sum + rows, 0)
}

/** Numbers in all of them. */
export function countParameters(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, parameter) => sum + rowCount(parameter) * parameter.columns, 0)
}

/** In memory: [Σ rows, columns], or [Σ rows] of a vector. */
export function shapeOf(parameter: Parameter): number[] {
  return partShape(parameter, rowCount(parameter))
}

/** The shape in memory of so many rows of a parameter. */
export function partShape({ kind, columns }: Parameter, rows: number): number[] {
  return kind === 'vector' ? [rows] : [rows, columns]
}

/** The same matrix with so many rows; it has one part. */
export function withRows(parameter: Parameter, rows: number): Parameter {
  return { ...parameter, parts: parameter.parts.map((part) => ({ ...part, rows })) }
}

/** `model.layers.0.self_attn.q_proj` of `model.layers.0.self_attn.q_proj.weight`. */
export function moduleOf(name: string): string {
  return name.slice(0, name.lastIndexOf('.'))
}

/** The last name of a parameter's module: `lm_head` of `lm_head.weight`, `embed_tokens` of `model.embed_tokens.weight`. */
export function leafName({ key }: Parameter): string {
  const module = moduleOf(key)
  return module.slice(module.lastIndexOf('.') + 1)
}

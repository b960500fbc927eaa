import { ggufTypes, type WrittenGgufType } from '../../formats/index.ts'
import type { GgufFileType } from './file-types.ts'

const mainTypes: { readonly [K in GgufFileType]: WrittenGgufType } = {
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
  q8_0: 'Q8_0',
  q4_0: 'Q4_0',
  q4_k: 'Q4_K',
  q6_k: 'Q6_K',
}

interface NamedTensor {
  name: string
  shape: readonly number[]
  isMxfp4?: boolean
}

/** What the choice of types depends on beside names and shapes. */
export interface MixtureOptions {
  layers: number
  /** Of each layer; 0: none. */
  experts: number
  /** Of what is not rounded to blocks, where it is no number by number in float32. */
  plain: 'F32' | 'F16' | 'BF16'
}

/** Small tensors that llama.cpp computes with in float32, whatever the file's type. */
const alwaysFloat32 =
  /(_norm|ffn_gate_inp|ffn_gate_inp_shexp|ssm_conv1d|shortconv\.conv)\.weight$|^position_embd\.weight$/

/**
 * The type of each tensor, as llama.cpp's converter (f32, f16, bf16, q8_0) and its quantiser (the others) choose it: vectors, norms,
 * routers and convolutions in float32; the head, or the embedding that it is tied to, in 6 bits; values of attention and outputs of MLPs in 6
 * bits in some of the layers of q4_k.
 * Source: conversion/base.py (prepare_tensors) and src/llama-quant.cpp, https://github.com/ggml-org/llama.cpp
 */
export function tensorTypes(
  tensors: readonly NamedTensor[],
  type: GgufFileType,
  options: MixtureOptions,
): WrittenGgufType[] {
  const isTied = tensors.every(({ name }) => name !== 'output.weight')
  const valueLayers = tensors.filter(({ name }) => isValue(name)).map(({ name }) => layerOf(name))
  return tensors.map((tensor) => {
    const { name, shape } = tensor
    // What was rounded to 4 bits already loses by every other rounding, and llama.cpp keeps it, too.
    if (tensor.isMxfp4 === true && type !== 'f32') return 'MXFP4'
    if (shape.length < 2 || alwaysFloat32.test(name) || !name.endsWith('.weight')) return 'F32'
    if (!isMixture(type)) return fitting(mainTypes[type], shape)
    if (name.startsWith('per_layer_model_proj')) return options.plain
    return fitting(mixed(tensor, type, { ...options, isTied, valueLayers }), shape)
  })
}

function isMixture(type: GgufFileType): type is 'q4_0' | 'q4_k' | 'q6_k' {
  return type === 'q4_0' || type === 'q4_k' || type === 'q6_k'
}

const isValue = (name: string) => /attn_(v|qkv|kv_b)\.weight$/.test(name)
const layerOf = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0)

/** The first and the last eighth of the layers, and every third between. */
function hasMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8)
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
}

/** What the quantiser takes for a matrix of a mixture, before it looks at the length of its rows. */
function mixed(
  { name, shape }: NamedTensor,
  type: 'q4_0' | 'q4_k' | 'q6_k',
  {
    layers,
    experts,
    isTied,
    valueLayers,
  }: MixtureOptions & { isTied: boolean; valueLayers: readonly number[] },
): WrittenGgufType {
  const main = mainTypes[type]
  const isTable = name === 'token_embd.weight' || name === 'per_layer_token_embd.weight'
  if (name === 'output.weight' || (isTied && isTable))
    return (shape.at(-1) ?? 1) % ggufTypes[main].blockSize === 0 ? 'Q6_K' : 'Q8_0'
  if (isTable) return main
  const isKeyOrValue = isValue(name) || name.endsWith('attn_k.weight')
  if (experts === 8 && isKeyOrValue) return 'Q8_0'
  if (type !== 'q4_k') return main
  if (experts === 8 && name.endsWith('attn_output.weight')) return 'Q5_K'
  // Of values it counts the layers that have some.
  if (isValue(name))
    return hasMoreBits(valueLayers.indexOf(layerOf(name)), valueLayers.length) ? 'Q6_K' : main
  if (name.includes('ffn_down')) return hasMoreBits(layerOf(name), layers) ? 'Q6_K' : main
  return main
}

/** What takes the place of a type whose blocks do not fit into rows. */
const smaller: Partial<Record<WrittenGgufType, WrittenGgufType>> = {
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
}

function fitting(type: WrittenGgufType, shape: readonly number[]): WrittenGgufType {
  const columns = shape.at(-1) ?? 1
  const fits = (each: WrittenGgufType) => columns % ggufTypes[each].blockSize === 0
  if (fits(type)) return type
  const other = smaller[type]
  return other !== undefined && fits(other) ? other : 'F16'
}

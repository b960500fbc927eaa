import {
  blockMaxima,
  codesOfBlocks,
  fourBitBlock,
  fourBitNumbers,
  type Quantization,
} from '../../../engine/index.ts'
import { FettleError } from '../../../error.ts'
import type { TensorToWrite } from '../../../formats/index.ts'
import { nestedNumbers, nestedBlock, roundScales, type RoundedScales } from './double-quantization.ts'

/** How matrices are written in 4 bits. */
export interface FourBits {
  type: Exclude<Quantization, 'int8'>
  /** Rounds the scales, too, as bnb_4bit_use_double_quant does. */
  isDouble: boolean
}

/** A matrix as a file has it; `pieces` gives its numbers in order, in whole blocks but for the last, as often as it is asked. */
export interface MatrixToRound {
  name: string
  /** [rows, columns] */
  shape: readonly number[]
  /** The type that bitsandbytes gives back, as PyTorch calls it. */
  dtype: string
  pieces(): AsyncIterable<Float32Array>
}

/**
 * The tensors that bitsandbytes keeps of a matrix of n numbers in 4 bits: codes [n / 2, 1], the first of two in the higher half of a byte;
 * a scale for 64 numbers, or its code in 8 bits, a scale for 256 of those and their mean; the numbers that codes stand for; and the rest as
 * JSON. The matrix is read for its scales and again for its codes, so that it need not be in memory.
 * Source: bitsandbytes 0.50, functional.py (quantize_4bit, QuantState.as_dict)
 *
 * @throws FettleError for a shape that bitsandbytes cannot hold
 */
export function fourBitTensors(matrix: MatrixToRound, { type, isDouble }: FourBits): TensorToWrite[] {
  const { name, shape, dtype } = matrix
  const count = shape.reduce((product, size) => product * size, 1)
  if (shape.length !== 2 || count % 2 !== 0)
    throw new FettleError({
      place: `tensor ${name}`,
      found: `the shape [${shape.join(', ')}]`,
      expected: 'a matrix with an even number of values, which bitsandbytes can hold in 4 bits',
      cure: 'Export it in 16 bits, or as GGUF.',
    })
  const blocks = Math.ceil(count / fourBitBlock)
  let known: Promise<Omit<RoundedScales, 'scales'>> | undefined
  // What is kept of each matrix until all are written is small.
  const rounded = () =>
    (known ??= scalesOf(matrix, blocks)
      .then(roundScales)
      .then(({ codes, nested, offset }) => ({ codes, nested, offset })))
  const state = { quant_type: type, blocksize: fourBitBlock, dtype, shape }
  const nestedState = async () => ({
    ...state,
    nested_blocksize: nestedBlock,
    nested_dtype: 'float32',
    nested_offset: (await rounded()).offset,
  })
  const numbers = fourBitNumbers[type]
  const scales: TensorToWrite[] = isDouble
    ? [
        {
          name: `${name}.nested_absmax`,
          dtype: 'F32',
          shape: [Math.ceil(blocks / nestedBlock)],
          data: async () => (await rounded()).nested,
        },
        { name: `${name}.nested_quant_map`, dtype: 'F32', shape: [256], data: nestedNumbers },
        { name: `${name}.absmax`, dtype: 'U8', shape: [blocks], data: async () => (await rounded()).codes },
      ]
    : [{ name: `${name}.absmax`, dtype: 'F32', shape: [blocks], data: () => scalesOf(matrix, blocks) }]
  return [
    ...scales,
    { name: `${name}.quant_map`, dtype: 'F32', shape: [numbers.length], data: numbers },
    { name, dtype: 'U8', shape: [count / 2, 1], data: () => packed(matrix, type) },
    json(`${name}.quant_state.bitsandbytes__${type}`, isDouble ? nestedState : async () => state),
  ]
}

async function scalesOf({ pieces }: MatrixToRound, blocks: number): Promise<Float32Array> {
  const scales = new Float32Array(blocks)
  let block = 0
  for await (const values of pieces()) {
    const maxima = blockMaxima(values)
    scales.set(maxima, block)
    block += maxima.length
  }
  return scales
}

async function* packed({ pieces }: MatrixToRound, type: FourBits['type']): AsyncGenerator<Uint8Array> {
  for await (const values of pieces()) {
    const codes = codesOfBlocks(values, type)
    yield Uint8Array.from({ length: codes.length / 2 }, (_, i) => (codes[2 * i] << 4) | codes[2 * i + 1])
  }
}

/** Longer than any of these texts: a file says how long a tensor is before a mean is known, and JSON may end with spaces. */
const jsonBytes = 256

function json(name: string, make: () => Promise<object>): TensorToWrite {
  return {
    name,
    dtype: 'U8',
    shape: [jsonBytes],
    data: async () => new TextEncoder().encode(JSON.stringify(await make()).padEnd(jsonBytes)),
  }
}

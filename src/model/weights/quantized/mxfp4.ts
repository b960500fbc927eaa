import { FettleError } from '../../../error.ts'
import type { BlockPart } from '../../../engine/tensor.ts'
import { readTensorBytes, type TensorInfo } from '../../../formats/index.ts'
import type { QuantizedTensor } from './bitsandbytes.ts'

const blocksOf = /^(.+)_blocks$/

/** What the 16 codes stand for: sign, two bits of exponent, one of mantissa. */
const numbers = Float32Array.of(0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6)

/** Codes that share a scale, two to a byte. */
const blockCodes = 32

/**
 * The matrices of experts that a checkpoint of gpt-oss holds in MXFP4, by the name that they have without: of `name`, [experts, inputs,
 * outputs], it has `name_blocks` [experts, outputs, inputs / 32, 16] and `name_scales` [experts, outputs, inputs / 32].
 * number = code · 2^(scale − 127); the first of two codes in a byte is the lower half.
 * Source: OCP Microscaling Formats 1.0; transformers 5.24, integrations/mxfp4.py
 *
 * @throws FettleError for scales that are missing or do not fit
 */
export function mxfp4Tensors(tensors: ReadonlyMap<string, TensorInfo>): Map<string, QuantizedTensor> {
  const found = new Map<string, QuantizedTensor>()
  for (const [name, blocks] of tensors) {
    const [, whole] = blocksOf.exec(name) ?? []
    if (whole === undefined || blocks.shape.length !== 4) continue
    const [experts, outputs, groups, bytes] = blocks.shape
    const scales = tensors.get(`${whole}_scales`)
    const expected = [experts, outputs, groups]
    if (blocks.dtype !== 'U8' || bytes !== blockCodes / 2) throw unfit(blocks, 'U8 […, 16]')
    if (scales?.dtype !== 'U8' || scales.shape.join() !== expected.join())
      throw new FettleError({
        place: `${scales?.path ?? blocks.path}: tensor ${whole}_scales`,
        found: scales ? `${scales.dtype} [${scales.shape.join(', ')}]` : 'nothing',
        expected: `U8 [${expected.join(', ')}] beside ${name}`,
        cure: 'The file is incomplete or damaged: download it again.',
      })
    found.set(whole, {
      shape: [experts, groups * blockCodes, outputs],
      form: 'blocks',
      isMxfp4: true,
      names: [name, scales.name],
      read: async () =>
        decode(await readTensorBytes(blocks), await readTensorBytes(scales), outputs, groups * blockCodes),
      turnedBlocks: async (columnOf) =>
        ggmlRows(await readTensorBytes(blocks), await readTensorBytes(scales), experts * outputs, columnOf),
    })
  }
  return found
}

function unfit({ path, name, dtype, shape }: TensorInfo, expected: string): FettleError {
  return new FettleError({
    place: `${path}: tensor ${name}`,
    found: `${dtype} [${shape.join(', ')}]`,
    expected,
    cure: 'The file is damaged: download it again.',
  })
}

/**
 * The same numbers as rows of ggml's blocks: a scale and 16 bytes, of which byte i has codes i and i + 16.
 * Source: ggml-common.h, block_mxfp4
 */
function ggmlRows(
  codes: Uint8Array,
  scales: Uint8Array,
  rows: number,
  columnOf: (row: number, rows: number) => number,
): BlockPart {
  const [bytes, half] = [blockCodes / 2 + 1, blockCodes / 2]
  const groups = scales.length / rows
  const data = new Uint8Array(scales.length * bytes)
  for (let row = 0; row < rows; row += 1)
    for (let group = 0; group < groups; group += 1) {
      const from = columnOf(row, rows) * groups + group
      const to = (row * groups + group) * bytes
      data[to] = scales[from]
      for (let i = 0; i < half; i += 1) {
        const at = from * half + (i >>> 1)
        const shift = 4 * (i & 1)
        const [first, second] = [(codes[at] >>> shift) & 15, (codes[at + half / 2] >>> shift) & 15]
        data[to + 1 + i] = first | (second << 4)
      }
    }
  return { data, dtype: 'MXFP4', rows }
}

/** [experts, inputs, outputs] */
function decode(codes: Uint8Array, scales: Uint8Array, outputs: number, inputs: number): Float32Array {
  const values = new Float32Array(codes.length * 2)
  const experts = values.length / (outputs * inputs)
  let at = 0
  for (let expert = 0; expert < experts; expert += 1)
    for (let output = 0; output < outputs; output += 1) {
      let to = expert * inputs * outputs + output
      for (let group = 0; group < inputs / blockCodes; group += 1) {
        const scale = 2 ** (scales[at / (blockCodes / 2)] - 127)
        for (let i = 0; i < blockCodes / 2; i += 1, at += 1, to += 2 * outputs) {
          values[to] = numbers[codes[at] & 15] * scale
          values[to + outputs] = numbers[codes[at] >>> 4] * scale
        }
      }
    }
  return values
}

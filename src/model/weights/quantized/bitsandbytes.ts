import { z } from 'zod'
import { fourBitBlock, type Quantization } from '../../../engine/index.ts'
import type { BlockPart } from '../../../engine/tensor.ts'
import { FettleError } from '../../../error.ts'
import { parseJsonObject, readForeign } from '../../../formats/foreign/index.ts'
import { readTensorBytes, toFloat32, type TensorInfo } from '../../../formats/index.ts'

/** A tensor that a checkpoint holds in 4 or 8 bits. */
export interface QuantizedTensor {
  shape: readonly number[]
  /** The type whose numbers these are; null where fettle has none with the file's blocks. With `blocks` it has what `blocks` gives. */
  form: Quantization | 'blocks' | null
  /** Whether its numbers, as they lie in the model, are those of MXFP4 in blocks of 32 along a row. */
  isMxfp4?: true
  /** Tensors of the file that it is made of. */
  names: readonly string[]
  /** The numbers that it stands for, in float32. */
  read(): Promise<Float32Array>
  /** The same as rows of blocks, where the form is that. */
  blocks?(): Promise<BlockPart>
  /** The same of a tensor whose blocks have its columns as rows: row i is the tensor's column `columnOf(i, rows)`. */
  turnedBlocks?(columnOf: (row: number, rows: number) => number): Promise<BlockPart>
}

const four = /^(.+)\.quant_state\.bitsandbytes__(nf4|fp4)$/
const eight = /^(.+)\.SCB$/

/**
 * The quantised matrices of a checkpoint by the name that they have in a model without quantisation.
 * Source: bitsandbytes 0.50, functional.py (QuantState.as_dict, dequantize_4bit), nn/modules.py (Linear8bitLt)
 *
 * @throws FettleError for a part that is missing or does not fit
 */
export async function quantizedTensors(
  tensors: ReadonlyMap<string, TensorInfo>,
): Promise<Map<string, QuantizedTensor>> {
  const found = new Map<string, QuantizedTensor>()
  for (const name of tensors.keys()) {
    const [, inFour] = four.exec(name) ?? []
    const [, module] = eight.exec(name) ?? []
    if (inFour !== undefined) found.set(inFour, await inFourBits(tensors, inFour, name))
    else if (module !== undefined) found.set(`${module}.weight`, inEightBits(tensors, module))
  }
  return found
}

const positive = z.int().positive()

const stateKeys = {
  obeyed: z.object({
    quant_type: z.enum(['nf4', 'fp4']),
    blocksize: positive,
    shape: z.tuple([positive, positive]),
    nested_blocksize: positive.optional(),
    nested_offset: z.number().optional(),
  }),
  // The types that bitsandbytes computes in.
  harmless: ['dtype', 'nested_dtype'],
}

/** value = map[code] · absmax of its block; the first of two codes in a byte is the higher half. */
async function inFourBits(
  tensors: ReadonlyMap<string, TensorInfo>,
  weight: string,
  stateName: string,
): Promise<QuantizedTensor> {
  const bytesOf = partReader(tensors, weight)
  const place = `${weight}: ${stateName.slice(weight.length + 1)}`
  const text = new TextDecoder().decode(await bytesOf('quant_state', stateName))
  const { values: state } = readForeign(stateKeys, parseJsonObject(text, place), place)
  const { shape, blocksize, quant_type: type } = state
  const [rows, columns] = shape
  const count = rows * columns
  const isDouble = tensors.has(`${weight}.nested_absmax`)
  const names = ['absmax', 'quant_map', ...(isDouble ? ['nested_absmax', 'nested_quant_map'] : [])]
  return {
    shape,
    form: blocksize === fourBitBlock && columns % fourBitBlock === 0 ? type : null,
    names: [weight, stateName, ...names.map((name) => `${weight}.${name}`)],
    async read() {
      const packed = await bytesOf('weight', weight, Math.ceil(count / 2))
      const map = await floats(bytesOf, `${weight}.quant_map`, 16)
      const absmax = await blockMaxima(bytesOf, weight, Math.ceil(count / blocksize), isDouble ? state : null)
      const values = new Float32Array(count)
      for (let i = 0; i < count; i += 1) {
        const byte = packed[i >>> 1]
        values[i] = map[i % 2 === 0 ? byte >>> 4 : byte & 15] * absmax[Math.floor(i / blocksize)]
      }
      return values
    },
  }
}

/** The largest number of each block; in 8 bits themselves where they were quantised too, around an offset. */
async function blockMaxima(
  bytesOf: PartReader,
  weight: string,
  blocks: number,
  nested: z.output<typeof stateKeys.obeyed> | null,
): Promise<Float32Array> {
  if (!nested) return floats(bytesOf, `${weight}.absmax`, blocks)
  const { nested_blocksize: size = 256, nested_offset: offset = 0 } = nested
  const codes = await bytesOf('absmax', `${weight}.absmax`, blocks)
  const map = await floats(bytesOf, `${weight}.nested_quant_map`, 256)
  const maxima = await floats(bytesOf, `${weight}.nested_absmax`, Math.ceil(blocks / size))
  return Float32Array.from(codes, (code, i) => Math.fround(map[code] * maxima[Math.floor(i / size)]) + offset)
}

/** value = code · SCB / 127, with one SCB a row. */
function inEightBits(tensors: ReadonlyMap<string, TensorInfo>, module: string): QuantizedTensor {
  const weight = `${module}.weight`
  const info = tensors.get(weight)
  const [rows, columns] = info?.shape ?? []
  if (info?.dtype !== 'I8' || info.shape.length !== 2)
    throw new FettleError({
      place: `${info?.path ?? module}: tensor ${weight}`,
      found: info ? `${info.dtype} [${info.shape.join(', ')}]` : 'nothing',
      expected: `I8 [rows, columns] beside ${module}.SCB`,
      cure: 'The file is incomplete: download it again.',
    })
  const bytesOf = partReader(tensors, weight)
  return {
    shape: [rows, columns],
    form: 'int8',
    names: [weight, `${module}.SCB`, `${module}.weight_format`],
    async read() {
      const format = tensors.get(`${module}.weight_format`)
      const [order = 0] = format ? await readTensorBytes(format) : []
      if (order !== 0)
        throw new FettleError({
          place: `${info.path}: tensor ${module}.weight_format`,
          found: String(order),
          expected: '0: rows one after the other',
          cure: 'Save the model again with a current bitsandbytes.',
        })
      const codes = new Int8Array((await bytesOf('weight', weight, rows * columns)).buffer)
      const scales = (await floats(bytesOf, `${module}.SCB`, rows)).map((absmax) => absmax / 127)
      const values = new Float32Array(rows * columns)
      for (let i = 0; i < values.length; i += 1) values[i] = codes[i] * scales[Math.floor(i / columns)]
      return values
    },
  }
}

type PartReader = (what: string, name: string, byteLength?: number) => Promise<Uint8Array>

function partReader(tensors: ReadonlyMap<string, TensorInfo>, weight: string): PartReader {
  return async (what, name, byteLength) => {
    const info = tensors.get(name)
    if (info && (byteLength === undefined || info.byteLength === byteLength)) return readTensorBytes(info)
    throw new FettleError({
      place: `${info?.path ?? weight}: tensor ${name}`,
      found: info ? `${info.byteLength} bytes` : 'nothing',
      expected: byteLength === undefined ? `the ${what} of ${weight}` : `${byteLength} bytes for ${weight}`,
      cure: 'The file is incomplete or damaged: download it again.',
    })
  }
}

async function floats(bytesOf: PartReader, name: string, count: number): Promise<Float32Array> {
  return toFloat32(await bytesOf('numbers', name, count * 4), 'F32')
}

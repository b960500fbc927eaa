import { z } from 'zod'
import { FettleError, quoteValue } from '../../../error.ts'
import type { JsonObject } from '../../../formats/foreign/index.ts'
import { isJsonObject, isOneOf, readForeign } from '../../../formats/foreign/index.ts'
import { readTensorBytes, toFloat32, type TensorInfo } from '../../../formats/index.ts'
import type { QuantizedTensor } from './bitsandbytes.ts'
import type { PackedMatrix } from './affine-blocks.ts'
import { hasBlocks, packAffine } from './affine-blocks.ts'

/**
 * Matrices that GPTQ and AWQ have packed, eight codes of 4 bits (or four of 8) in a word of 32:  value = scale · (code − zero), with a scale
 * and a zero for each output and each group of inputs. Words, with n for outputs and k for inputs:
 *
 *     GPTQ   qweight [k / 8, n], codes of successive inputs; qzeros [groups, n / 8], of successive outputs, in files of the first version
 *            one less; scales [groups, n]; g_idx [k], the group of each input
 *     AWQ    qweight [k, n / 8] and qzeros [groups, n / 8], codes of outputs in the order 0, 2, 4, 6, 1, 3, 5, 7; scales [groups, n]
 *
 * Source: gptqmodel 7.7, nn_modules/qlinear/__init__.py and utils/model.py; autoawq 0.2.9, utils/packing_utils.py
 */
const awqOrder = [0, 2, 4, 6, 1, 3, 5, 7]

/** How a checkpoint is packed. */
interface Packing {
  method: 'gptq' | 'awq'
  bits: 4 | 8
  /** Whether qzeros are one less than the zeros. */
  isFirstVersion: boolean
}

const cure =
  'Take the model that it was made from; --quantization nf4 or int8 makes it small when it is loaded.'

const gptqKeys = {
  obeyed: z.object({
    quant_method: z.literal('gptq'),
    bits: z.literal([4, 8]),
    checkpoint_format: z.literal(['gptq', 'gptq_v2']).nullish(),
    format: z.literal(['gptq', 'gptq_v2']).nullish(),
  }),
  // Which groups there are, and which modules, the tensors say.
  harmless: (
    'group_size desc_act sym static_groups damp_percent damp_auto_increment lm_head true_sequential mse dataset tokenizer ' +
    'model_seqlen block_name_to_quantize meta module_name_preceding_first_block batch_size pad_token_id max_input_length backend use_cuda_fp16 use_exllama exllama_config ' +
    'cache_block_outputs modules_in_block_to_quantize model_name_or_path model_file_base_name quantizer act_group_aware is_marlin_format hessian_chunk_size disable_exllama adapter method offload_to_disk offload_to_disk_path'
  ).split(' '),
  unobeyed: {
    pack_dtype: { isHarmless: isOneOf(null, 'int32'), expected: '"int32"', cure },
    dynamic: { isHarmless: isOneOf(null), expected: 'null: the same bits for all modules', cure },
    rotation: { isHarmless: isOneOf(null), expected: 'null', cure },
  },
}

const awqKeys = {
  obeyed: z.object({
    quant_method: z.literal('awq'),
    bits: z.literal(4).nullish(),
    w_bit: z.literal(4).nullish(),
    version: z.string().toLowerCase().pipe(z.literal('gemm')).nullish(),
    format: z.string().toLowerCase().pipe(z.literal('gemm')).nullish(),
    zero_point: z.literal(true).nullish(),
  }),
  harmless: [
    'group_size',
    'q_group_size',
    'modules_to_not_convert',
    'backend',
    'do_fuse',
    'fuse_max_seq_len',
  ],
  unobeyed: {},
}

/** How config.json says that a checkpoint is packed; null: not so. Bits and layouts that cannot be read are an error. */
export function packingOf(config: JsonObject, place: string): Packing | null {
  const given = config['quantization_config']
  if (!isJsonObject(given)) return null
  const { quant_method: method } = given
  if (method !== 'gptq' && method !== 'awq') return null
  const name = method === 'gptq' ? 'GPTQ' : 'AWQ'
  const bits = given['bits'] ?? given['w_bit']
  const readable = method === 'gptq' ? [4, 8] : [4]
  if (bits !== undefined && !readable.some((known) => known === bits))
    throw new FettleError({
      place: `${place}: quantization_config.bits`,
      found: `${name} in ${quoteValue(bits)} bits`,
      expected: readable.join(' or '),
      cure,
    })
  if (method === 'awq') {
    readForeign(awqKeys, given, `${place}: quantization_config`)
    return { method, bits: 4, isFirstVersion: false }
  }
  const { values } = readForeign(gptqKeys, given, `${place}: quantization_config`)
  const format = values.checkpoint_format ?? values.format ?? 'gptq'
  return { method, bits: values.bits, isFirstVersion: format === 'gptq' }
}

const packed = /^(.+)\.qweight$/

/**
 * The packed matrices of a checkpoint by the name that they have in a model without.
 *
 * @throws FettleError for a part that is missing or does not fit
 */
export async function packedTensors(
  tensors: ReadonlyMap<string, TensorInfo>,
  packing: Packing | null,
): Promise<Map<string, QuantizedTensor>> {
  const found = new Map<string, QuantizedTensor>()
  if (!packing) return found
  for (const name of tensors.keys()) {
    const [, module] = packed.exec(name) ?? []
    if (module !== undefined) found.set(`${module}.weight`, await packedTensor(tensors, module, packing))
  }
  return found
}

async function packedTensor(
  tensors: ReadonlyMap<string, TensorInfo>,
  module: string,
  packing: Packing,
): Promise<QuantizedTensor> {
  const { method, bits } = packing
  const perWord = 32 / bits
  const part = (name: string, dtypes: readonly string[], shape?: readonly (number | undefined)[]) => {
    const info = tensors.get(`${module}.${name}`)
    const fits =
      info &&
      dtypes.includes(info.dtype) &&
      (!shape ||
        (info.shape.length === shape.length &&
          shape.every((size, i) => size === undefined || size === info.shape[i])))
    if (fits) return info
    throw new FettleError({
      place: `${info?.path ?? module}: tensor ${module}.${name}`,
      found: info ? `${info.dtype} [${info.shape.join(', ')}]` : 'nothing',
      expected: `${dtypes.join(' or ')} [${(shape ?? []).map((size) => size ?? '…').join(', ')}] beside ${module}.qweight`,
      cure: 'The file is incomplete or damaged: download it again.',
    })
  }
  const qweight = part('qweight', ['I32'], [undefined, undefined])
  const [first, second] = qweight.shape
  const [depth, rows] = method === 'gptq' ? [first * perWord, second] : [first, second * perWord]
  const scales = part('scales', ['F16', 'BF16', 'F32'], [undefined, rows])
  const [groups] = scales.shape
  const qzeros = part('qzeros', ['I32'], [groups, Math.ceil(rows / perWord)])
  const hasOrder = tensors.has(`${module}.g_idx`)
  const order = hasOrder ? part('g_idx', ['I32'], [depth]) : undefined
  const groupOf = order ? new Int32Array(aligned(await readTensorBytes(order))) : evenGroups(depth, groups)
  const odd = groupOf.find((group) => group < 0 || group >= groups)
  if (odd !== undefined)
    throw new FettleError({
      place: `${qweight.path}: tensor ${module}.g_idx`,
      found: `group ${odd}`,
      expected: `groups from 0 to ${groups - 1}`,
      cure: 'The file is damaged: download it again.',
    })
  const open = async (): Promise<PackedMatrix> => {
    const words = new Uint32Array(aligned(await readTensorBytes(qweight)))
    const zeroWords = new Uint32Array(aligned(await readTensorBytes(qzeros)))
    return {
      rows,
      depth,
      bits,
      scales: toFloat32(await readTensorBytes(scales), scales.dtype),
      zeros: zerosOf(zeroWords, rows, groups, packing),
      groupOf,
      code:
        method === 'gptq'
          ? (n, k) => (words[Math.floor(k / perWord) * rows + n] >>> (bits * (k % perWord))) & (2 ** bits - 1)
          : (n, k) => (words[(k * rows + n - (n % 8)) / 8] >>> (4 * awqOrder.indexOf(n % 8))) & 15,
    }
  }
  return {
    shape: [rows, depth],
    form: scales.dtype === 'F16' && hasBlocks(groupOf) ? 'blocks' : null,
    names: ['qweight', 'qzeros', 'scales', ...(order ? ['g_idx'] : [])].map((name) => `${module}.${name}`),
    read: async () => numbersOf(await open()),
    blocks: async () => packAffine(await open()),
  }
}

/** Inputs in groups of one size. */
function evenGroups(depth: number, groups: number): Int32Array {
  const size = Math.ceil(depth / groups)
  return Int32Array.from({ length: depth }, (_, k) => Math.floor(k / size))
}

/** [groups, rows] */
function zerosOf(
  words: Uint32Array,
  rows: number,
  groups: number,
  { method, bits, isFirstVersion }: Packing,
): Uint16Array {
  const perWord = 32 / bits
  const inRow = Math.ceil(rows / perWord)
  // Added to the whole word, as it was subtracted.
  const ones = !isFirstVersion ? 0 : bits === 4 ? 0x11111111 : 0x01010101
  const zeros = new Uint16Array(groups * rows)
  for (let group = 0; group < groups; group += 1)
    for (let n = 0; n < rows; n += 1) {
      const word = (words[group * inRow + Math.floor(n / perWord)] + ones) >>> 0
      const place = method === 'awq' ? awqOrder.indexOf(n % 8) : n % perWord
      zeros[group * rows + n] = (word >>> (bits * place)) & (2 ** bits - 1)
    }
  return zeros
}

function numbersOf({ rows, depth, scales, zeros, groupOf, code }: PackedMatrix): Float32Array {
  const values = new Float32Array(rows * depth)
  for (let k = 0; k < depth; k += 1) {
    const group = groupOf[k] * rows
    for (let n = 0; n < rows; n += 1)
      values[n * depth + k] = scales[group + n] * (code(n, k) - zeros[group + n])
  }
  return values
}

/** The bytes in memory of their own, where words may begin. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
}

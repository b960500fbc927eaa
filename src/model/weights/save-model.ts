import { join } from 'node:path'
import { fourBitBlock } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import { float32ToBfloat16, float32ToFloat16 } from '../../float16.ts'
import { makeFolder, writeFileAtomic, writeWeightFiles } from '../../formats/index.ts'
import type { TensorToWrite } from '../../formats/index.ts'
import { parametersOf, ropesOf } from '../blocks/architecture.ts'
import type { RowRange } from '../state/exact-reader.ts'
import { readExact } from '../state/exact-values.ts'
import type { ModelState } from '../state/model-state.ts'
import { finiteValues } from './finite-values.ts'
import { fourBitTensors, type FourBits } from './quantized/four-bit-tensors.ts'
import { checkOwnFolder } from './own-folder.ts'
import { moduleOf, type Parameter } from './parameters.ts'
import { savedTypes, storedAs, storedType, type SavedType } from './saved-type.ts'
import { extractSlice, slicesOf, type TensorSlice } from './tensor-slice.ts'
import { transposed } from './transforms.ts'

/** How a model is written to a folder. */
export interface SaveOptions {
  /** `stored`: each weight in the type that the model's files have it in. */
  dtype?: SavedType | 'stored'
  /** Holds the linear layers in 4 bits of bitsandbytes, and says so in config.json; `dtype` is what the rest is in. */
  fourBits?: FourBits
  generationConfig: Record<string, unknown>
  /** Where the model is from. */
  place: string
  /** Above so many bytes its weights go to several files; default: always one. */
  maxShardBytes?: number
  /** Numbers of a matrix that are in memory at once: a larger one is read in pieces; default 2²⁴. */
  atOnce?: number
  /** Refuses weights that are NaN or infinite. A run that diverged is saved with them, to be looked at. */
  mustBeFinite?: boolean
  /** Is told of each tensor before it is written, and may throw to stop. */
  onTensor?: (written: number, all: number) => void
}

/**
 * Writes config.json, generation_config.json and model.safetensors, without an adapter. Values are those of the files, as they were
 * merged or trained, whatever the model computes in: what did not change keeps its bytes.
 *
 * @throws FettleError for the folder that the model is read from
 */
export async function saveModel(
  state: ModelState,
  folder: string,
  {
    dtype = state.savedAs ?? 'stored',
    fourBits,
    generationConfig,
    place,
    maxShardBytes = Number.POSITIVE_INFINITY,
    atOnce = 1 << 24,
    mustBeFinite = false,
    onTensor,
  }: SaveOptions,
): Promise<void> {
  checkOwnFolder(folder, place)
  if (ropesOf(state.architecture).some(({ scaling }) => scaling.type === 'divisors'))
    throw new FettleError({
      place: `${place}: tensor rope_freqs.weight`,
      found: 'divisors of the rotation frequencies that are not those of Llama 3',
      expected: 'a scaling that config.json can say',
      cure: 'Train from the Hugging Face folder of the model; adapters can be saved all the same.',
    })
  await makeFolder(folder)
  if (fourBits) checkFourBits(state, place)
  const read = async (parameter: Parameter, rows?: RowRange): Promise<Float32Array> => {
    const values = await readExact(state, parameter, rows)
    return mustBeFinite ? finiteValues(values, parameter.key, place) : values
  }
  const tensors = storedTensors(state, { dtype, fourBits, atOnce, read })
  await writeWeightFiles(folder, withProgress(tensors, onTensor), maxShardBytes)
  await writeFileAtomic(
    join(folder, 'generation_config.json'),
    `${JSON.stringify(generationConfig, null, 2)}\n`,
  )
  // The weights are whole now.
  const { torch_dtype: _, quantization_config: __, ...config } = state.config.raw
  const type = dtype === 'stored' ? storedType(state) : dtype
  const quantized = fourBits && { quantization_config: fourBitConfig(state, fourBits, type) }
  const written = { ...config, ...quantized, dtype: type }
  await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(written, null, 2)}\n`)
}

/** @throws FettleError where a weight lies beyond float16, which would be infinite there */
function checkFloat16(name: string, values: Float32Array): void {
  const beyond = values.find((value) => Math.abs(value) >= 65520 && Number.isFinite(value))
  if (beyond === undefined) return
  throw new FettleError({
    place: `tensor ${name}`,
    found: String(beyond),
    expected: 'at most 65504, the largest number of float16',
    cure: 'Save it in bfloat16 or float32.',
  })
}

/** The model's tensors one after the other, each read when it is written: in one type, or each in its own. */
function storedTensors(
  state: ModelState,
  {
    dtype,
    fourBits,
    atOnce,
    read: readRows,
  }: {
    dtype: SavedType | 'stored'
    fourBits: FourBits | undefined
    atOnce: number
    read: (parameter: Parameter, rows?: RowRange) => Promise<Float32Array>
  },
): TensorToWrite[] {
  const { architecture, store, config } = state
  // Projections that are one tensor here stand beside one another in the file.
  let latest: { parameter: Parameter; values: Float32Array } | undefined
  const read = async (parameter: Parameter): Promise<Float32Array> => {
    if (latest?.parameter !== parameter) latest = { parameter, values: await readRows(parameter) }
    return latest.values
  }
  async function* piecesOf(parameter: Parameter, slice: TensorSlice): AsyncGenerator<Float32Array> {
    if (slice.stored || slice.rows * slice.columns <= atOnce) {
      yield extractSlice(await read(parameter), slice)
      return
    }
    const first = slice.offset / slice.columns
    // Whole blocks of 64 numbers.
    const rows = Math.ceil(atOnce / slice.columns / fourBitBlock) * fourBitBlock
    for (let row = 0; row < slice.rows; row += rows)
      yield readRows(parameter, { first: first + row, rows: Math.min(rows, slice.rows - row) })
  }
  return parametersOf(architecture).flatMap((parameter) =>
    slicesOf(parameter).flatMap((slice, i): TensorToWrite[] => {
      const type = dtype === 'stored' ? store.dtypeOf(parameter.parts[i]) : storedAs[dtype]
      const pieces = () => piecesOf(parameter, slice)
      const { shape } = slice
      const name = nameAlone(slice.name, config.root)
      if (fourBits && parameter.kind === 'linear')
        return fourBitTensors({ name, shape, dtype: savedTypes[type], pieces }, fourBits)
      return [{ name, dtype: type, shape, data: () => inType(slice.name, pieces(), type) }]
    }),
  )
}

async function* inType(
  name: string,
  pieces: AsyncIterable<Float32Array>,
  type: 'F32' | 'BF16' | 'F16',
): AsyncGenerator<ArrayBufferView> {
  for await (const values of pieces) yield asType(name, values, type)
}

function asType(name: string, values: Float32Array, type: 'F32' | 'BF16' | 'F16'): ArrayBufferView {
  if (type === 'F32') return values
  if (type === 'BF16') return float32ToBfloat16(values)
  checkFloat16(name, values)
  return float32ToFloat16(values)
}

/**
 * @throws FettleError for what Transformers has in modules that bitsandbytes does not hold in 4 bits, or holds otherwise
 */
function checkFourBits({ architecture }: ModelState, place: string): void {
  const all = parametersOf(architecture)
  const wrong = all.some(({ kind }) => kind === 'experts')
    ? 'experts, which bitsandbytes leaves whole'
    : all.some(
          (each) =>
            each.kind === 'linear' && slicesOf(each).some(({ stored: as }) => as?.transform === transposed),
        )
      ? 'matrices of GPT-2, whose rows are inputs'
      : undefined
  if (wrong === undefined) return
  throw new FettleError({
    place,
    found: wrong,
    expected: 'linear layers, which 4 bits of bitsandbytes are for',
    cure: 'Export it as GGUF, or in 16 bits: --quantization nf4 makes it small where fettle loads it.',
  })
}

/** What config.json says of it; everything that is not in 4 bits is named, whatever it is in Transformers. */
function fourBitConfig(
  { architecture, config }: ModelState,
  { type, isDouble }: FourBits,
  dtype: SavedType,
): object {
  const whole = parametersOf(architecture)
    .filter(({ kind }) => kind === 'matrix')
    .flatMap(({ parts }) =>
      parts.map(({ safetensors }) => nameAlone(moduleOf(safetensors.name), config.root)),
    )
  return {
    _load_in_4bit: true,
    _load_in_8bit: false,
    bnb_4bit_compute_dtype: dtype,
    bnb_4bit_quant_storage: 'uint8',
    bnb_4bit_quant_type: type,
    bnb_4bit_use_double_quant: isDouble,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: [...new Set([...whole, 'lm_head'])],
    load_in_4bit: true,
    load_in_8bit: false,
    quant_method: 'bitsandbytes',
  }
}

/** The same tensors; `onTensor` is told before each is read. */
function withProgress(tensors: TensorToWrite[], onTensor: SaveOptions['onTensor']): TensorToWrite[] {
  if (!onTensor) return tensors
  let written = 0
  return tensors.map((tensor) => ({
    ...tensor,
    data: () => {
      onTensor(written, tensors.length)
      written += 1
      return typeof tensor.data === 'function' ? tensor.data() : tensor.data
    },
  }))
}

/** The name of a tensor in a model that is the text model alone. */
function nameAlone(name: string, root: string): string {
  return name.startsWith(`${root}.`) ? `model${name.slice(root.length)}` : name
}

import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { float32ToBfloat16, float32ToFloat16 } from '../../float16.ts'
import { makeFolder, writeFileAtomic, writeWeightFiles } from '../../formats/index.ts'
import type { TensorToWrite } from '../../formats/index.ts'
import { parametersOf, ropesOf } from '../blocks/architecture.ts'
import { readExact } from '../state/exact-values.ts'
import type { ModelState } from '../state/model-state.ts'
import type { Parameter } from './parameters.ts'
import { extractSlice, slicesOf } from './tensor-slice.ts'

const names = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' } as const
const stored = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const

/** What weights are saved in. */
export type SavedType = keyof typeof stored

/** How a model is written to a folder. */
export interface SaveOptions {
  /** `stored`: each weight in the type that the model's files have it in. */
  dtype?: SavedType | 'stored'
  generationConfig: Record<string, unknown>
  /** Where the model is from. */
  place: string
  /** Above so many bytes its weights go to several files; default: always one. */
  maxShardBytes?: number
  /** Is told of each tensor before it is written, and may throw to stop. */
  onTensor?: (written: number, all: number) => void
}

/** What a model's files have its weights in, or most of them, as config.json names it. */
export function storedType({ store }: ModelState): SavedType {
  return names[store.dtype]
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
    generationConfig,
    place,
    maxShardBytes = Number.POSITIVE_INFINITY,
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
  await writeWeightFiles(folder, withProgress(storedTensors(state, dtype), onTensor), maxShardBytes)
  await writeFileAtomic(
    join(folder, 'generation_config.json'),
    `${JSON.stringify(generationConfig, null, 2)}\n`,
  )
  // The weights are whole now.
  const { torch_dtype: _, quantization_config: __, ...config } = state.config.raw
  const written = { ...config, dtype: dtype === 'stored' ? storedType(state) : dtype }
  await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(written, null, 2)}\n`)
}

/** @throws FettleError when a folder is the one that the model is read from, whose weights may be read again */
export function checkOwnFolder(folder: string, place: string): void {
  if (!existsSync(folder) || !existsSync(place) || realpathSync(folder) !== realpathSync(place)) return
  throw new FettleError({
    place: folder,
    found: 'the folder of the model itself',
    expected: 'another one: the model is still read from it',
    cure: 'Choose a new folder.',
  })
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
function storedTensors(state: ModelState, dtype: SavedType | 'stored'): TensorToWrite[] {
  const { architecture, store, config } = state
  // Projections that are one tensor here stand beside one another in the file.
  let latest: { parameter: Parameter; values: Float32Array } | undefined
  const read = async (parameter: Parameter): Promise<Float32Array> => {
    if (latest?.parameter !== parameter) latest = { parameter, values: await readExact(state, parameter) }
    return latest.values
  }
  return parametersOf(architecture).flatMap((parameter) =>
    slicesOf(parameter).map((slice, i): TensorToWrite => {
      const type = dtype === 'stored' ? store.dtypeOf(parameter.parts[i]) : stored[dtype]
      return {
        name: nameAlone(slice.name, config.root),
        dtype: type,
        shape: slice.shape,
        async *data() {
          if (slice.stored || slice.rows * slice.columns <= mostAtOnce) {
            yield asType(slice.name, extractSlice(await read(parameter), slice), type)
            return
          }
          const first = slice.offset / slice.columns
          const rows = Math.ceil(mostAtOnce / slice.columns)
          for (let row = 0; row < slice.rows; row += rows) {
            const range = { first: first + row, rows: Math.min(rows, slice.rows - row) }
            yield asType(slice.name, await readExact(state, parameter, range), type)
          }
        },
      }
    }),
  )
}

/** Numbers of a matrix that are in memory at once: a larger one is read in pieces. */
const mostAtOnce = 1 << 24

function asType(name: string, values: Float32Array, type: 'F32' | 'BF16' | 'F16'): ArrayBufferView {
  if (type === 'F32') return values
  if (type === 'BF16') return float32ToBfloat16(values)
  checkFloat16(name, values)
  return float32ToFloat16(values)
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

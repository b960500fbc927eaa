import { clipText, FettleError } from '../../../error.ts'
import type { BlockType } from '../../../engine/block-types.ts'
import { elementCount, isBlockType, rowBytes } from '../../../engine/index.ts'
import type { WeightPart } from '../../../engine/tensor.ts'
import { fileBytes, readableGgufTypes, readGgufFloat32, readTensorBytes } from '../../../formats/index.ts'
import type { GgufFile, GgufTensor } from '../../../formats/index.ts'
import type { Parameter, ParameterPart, StackPiece } from '../parameters.ts'
import { parametersOf, type Architecture } from '../../blocks/architecture.ts'
import { tensorsOf } from '../parameters.ts'
import { checkShapes, type WeightStore } from './weight-store.ts'

/** Parameters of a GGUF file, dequantised when they are asked for. */
export function openGgufStore(path: string, file: GgufFile, architecture: Architecture): WeightStore {
  const { tensors } = file
  const parameters = parametersOf(architecture)
  checkShapes(
    path,
    parameters,
    (part) => part.gguf,
    (name) => tensors.get(name)?.shape,
    [],
    areAlike,
  )
  checkNothingLeft(path, unreadGgufTensors(file, architecture))
  checkTypes(path, tensors, parameters)
  const tensorOf = (name: string) => {
    const tensor = tensors.get(name)
    if (tensor) return tensor
    throw new FettleError({ place: `${path}: tensor ${name}`, found: 'nothing', expected: 'weights' })
  }
  const values = async ({ rows, gguf: { name, transform, pieces } }: ParameterPart, shape = [rows]) => {
    const data = pieces
      ? await readPieces(pieces, tensorOf, elementCount(shape))
      : await readGgufFloat32(tensorOf(name))
    return transform ? transform.fromFile(data, shape) : data
  }
  const typeOf = (name: string): string => tensors.get(name)?.type ?? ''
  /** The type of a part's blocks, where they can be used as they lie, or with their rows in another order. */
  const blocksOf = ({ gguf }: ParameterPart): BlockType | null => {
    const { transform } = gguf
    const [type, ...others] = new Set(tensorsOf(gguf).map(typeOf))
    const staysWhole = !transform || transform.onlyReshapes === true
    const fits = staysWhole || (transform.fileRow !== undefined && !gguf.pieces)
    return isBlockType(type) && others.length === 0 && fits ? type : null
  }
  const embedding = tensors.get('token_embd.weight')?.type
  const dtype = embedding === 'F32' || embedding === 'F16' ? embedding : 'BF16'
  return {
    dtype,
    dtypeOf: () => dtype,
    repeats: true,
    form({ kind, parts }) {
      return kind !== 'vector' && parts.every((part) => blocksOf(part) !== null) ? 'blocks' : null
    },
    isMxfp4: ({ parts }) =>
      parts.every(({ gguf }) => tensorsOf(gguf).every((name) => typeOf(name) === 'MXFP4')),
    async part(part, columns) {
      const { transform, name, pieces } = part.gguf
      const type = blocksOf(part)
      if (type !== null && pieces) return joinedBlocks(pieces, tensorOf, type, part.rows)
      if (type !== null) return blockPart(tensorOf(name), type, part, columns, transform?.fileRow)
      // The engine rounds to its compute type; in float32 the dequantised values stay as they are.
      return { data: await values(part, [part.rows, columns]), dtype: 'F32', rows: part.rows }
    },
    values,
  }
}

/** ggml has no dimension of one before others: files may have it or not. */
function areAlike(shape: readonly number[], expected: readonly number[]): boolean {
  const withoutOnes = (all: readonly number[]) => all.slice(all.findIndex((size) => size !== 1)).join()
  return withoutOnes(shape) === withoutOnes(expected)
}

/** Matrices out of stacks, one below the other. */
async function readPieces(
  pieces: readonly StackPiece[],
  tensorOf: (name: string) => GgufTensor,
  size: number,
): Promise<Float32Array> {
  const out = new Float32Array(size)
  const each = size / pieces.length
  for (const [i, { name, index, count }] of pieces.entries()) {
    const tensor = tensorOf(name)
    const byteLength = tensor.byteLength / count
    const offset = tensor.offset + index * byteLength
    await readGgufFloat32({ ...tensor, offset, byteLength }, out.subarray(i * each, (i + 1) * each))
  }
  return out
}

/** The same as blocks: a stretch of the file where it is one, else a copy. */
async function joinedBlocks(
  pieces: readonly StackPiece[],
  tensorOf: (name: string) => GgufTensor,
  dtype: BlockType,
  rows: number,
): Promise<WeightPart> {
  const stretches = pieces.map(({ name, index, count }) => {
    const { path, offset, byteLength } = tensorOf(name)
    return { path, offset: offset + (index * byteLength) / count, byteLength: byteLength / count }
  })
  const [first] = stretches
  if (stretches.length === 1) return { source: fileBytes(first.path), offset: first.offset, dtype, rows }
  const data = new Uint8Array(stretches.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const stretch of stretches) {
    data.set(await readTensorBytes(stretch), at)
    at += stretch.byteLength
  }
  return { data, dtype, rows }
}

/** Rows of blocks: a stretch of the file, or where they are in another order a copy. */
async function blockPart(
  tensor: GgufTensor,
  dtype: BlockType,
  { rows }: ParameterPart,
  columns: number,
  fileRow: ((row: number) => number) | undefined,
): Promise<WeightPart> {
  if (!fileRow) return { source: fileBytes(tensor.path), offset: tensor.offset, dtype, rows }
  const bytes = await readTensorBytes(tensor)
  const length = rowBytes(dtype, columns)
  const data = new Uint8Array(bytes.length)
  for (let row = 0; row < rows; row += 1) {
    const from = fileRow(row) * length
    data.set(bytes.subarray(from, from + length), row * length)
  }
  return { data, dtype, rows }
}

/** Types that cannot be read are said before the first number is. */
function checkTypes(path: string, tensors: GgufFile['tensors'], parameters: readonly Parameter[]): void {
  const used = parameters.flatMap(({ parts }) =>
    parts.flatMap(({ gguf }) => tensorsOf(gguf).map((name) => tensors.get(name))),
  )
  const types = new Set(
    used.flatMap((tensor) => tensor?.type ?? []).filter((type) => !readableGgufTypes.includes(type)),
  )
  if (types.size === 0) return
  throw new FettleError({
    place: path,
    found: `tensors of type ${[...types].join(', ')}`,
    expected: readableGgufTypes.join(', '),
    cure: 'Convert the model to Q8_0, Q4_K or BF16 with llama-quantize.',
  })
}

/** Tensors without parameters: rotation tables of old converters, and the scaling that the family reads. */
const harmless = /\.(attn_rot_embd|attn_q_rope|inv_freq)\b|rope_(freqs|factors_long|factors_short)\b/

/** A layer's tensor that no parameter takes is a part of the computation that would silently be left out. */
function checkNothingLeft(path: string, names: readonly string[]): void {
  const left = names.filter((name) => name.startsWith('blk.'))
  if (left.length === 0) return
  throw new FettleError({
    place: `${path}: tensor ${clipText(left[0])}`,
    found: left.length === 1 ? 'a tensor' : `${left.length} tensors`,
    expected: 'none that this architecture has no place for',
    cure: 'The file holds a variant that fettle does not know: use the Hugging Face folder of the model.',
  })
}

/** Names of tensors that no parameter takes, but for those that are no part of the model: layers that guess further tokens. */
export function unreadGgufTensors({ metadata, tensors }: GgufFile, architecture: Architecture): string[] {
  const used = new Set(
    parametersOf(architecture).flatMap(({ parts }) => parts.flatMap(({ gguf }) => tensorsOf(gguf))),
  )
  const guesses = Number(
    metadata.get(`${String(metadata.get('general.architecture'))}.nextn_predict_layers`) ?? 0,
  )
  const isGuess = (name: string) =>
    guesses > 0 && Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0) >= architecture.layers.length
  return [...tensors.keys()].filter(
    (name) =>
      !used.has(name) && !harmless.test(name) && !isGuess(name) && architecture.ignored?.has(name) !== true,
  )
}

import { FettleError } from '../../error.ts'
import type { WeightPart } from '../../engine/tensor.ts'
import {
  fileBytes,
  openWeightFiles,
  readGgufFloat32,
  readTensorBytes,
  toFloat32,
} from '../../formats/index.ts'
import type { GgufFile, TensorInfo } from '../../formats/index.ts'
import type { ModelConfig } from '../families/config.ts'
import type { Slot } from './slots.ts'

/** Where a model's parameters come from; names are those of model.safetensors. */
export interface WeightStore {
  /** A stored type of the weights, as safetensors spells it. */
  dtype: 'F32' | 'F16' | 'BF16'
  has(name: string): boolean
  /** Rows of a matrix [rows, columns]; a stretch of the file where its type can be computed with. */
  part(name: string, rows: number, columns: number): Promise<WeightPart>
  /** A vector, or a matrix row by row, as float32. */
  values(name: string, shape: readonly number[]): Promise<Float32Array>
}

/**
 * Opens model.safetensors or its shards.
 *
 * @throws FettleError when a tensor of the architecture is missing or has another shape
 */
export async function openSafetensorsStore(folder: string, slots: readonly Slot[]): Promise<WeightStore> {
  const tensors = await openWeightFiles(folder)
  const find = (name: string): TensorInfo | undefined =>
    // Decoders saved without their language-model head have no `model.` prefix.
    tensors.get(name) ?? tensors.get(name.replace(/^model\./, ''))
  checkShapes(folder, slots, (name) => find(name)?.shape)
  const info = (name: string): TensorInfo & { dtype: 'F32' | 'F16' | 'BF16' } => {
    const tensor = find(name)
    if (!tensor)
      throw new FettleError({ place: `${folder}: tensor ${name}`, found: 'nothing', expected: 'weights' })
    const { dtype } = tensor
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16')
      throw new FettleError({
        place: `${tensor.path}: tensor ${name}`,
        found: `dtype ${dtype}`,
        expected: 'F32, F16 or BF16',
        cure: 'Load the model without quantisation and save it again.',
      })
    return { ...tensor, dtype }
  }
  return {
    dtype: info(slots[0].parts[0].name).dtype,
    has: (name) => find(name) !== undefined,
    async part(name, rows) {
      const { path, offset, dtype } = info(name)
      return { source: fileBytes(path), offset, dtype, rows }
    },
    async values(name) {
      const tensor = info(name)
      return toFloat32(await readTensorBytes(tensor), tensor.dtype)
    },
  }
}

/** llama.cpp's names for the parts of a layer. */
const ggufLayerNames: readonly (readonly [string, string])[] = [
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
]

/** `blk.3.attn_q.weight` of `model.layers.3.self_attn.q_proj.weight`. */
function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
  if (layer) {
    const known = ggufLayerNames.find(([hf]) => hf === layer[2])
    return `blk.${layer[1]}.${known?.[1] ?? layer[2]}.${layer[3]}`
  }
  if (name === 'model.embed_tokens.weight') return 'token_embd.weight'
  if (name === 'model.norm.weight') return 'output_norm.weight'
  return name === 'lm_head.weight' ? 'output.weight' : name
}

/**
 * Parameters of a GGUF file, dequantised when they are asked for. llama.cpp stores the q and k rows of the `llama`
 * architecture with the two halves of each head interleaved; they are put back.
 */
export function openGgufStore(
  path: string,
  file: GgufFile,
  config: ModelConfig,
  slots: readonly Slot[],
): WeightStore {
  const permuted = file.metadata.get('general.architecture') === 'llama'
  checkShapes(path, slots, (name) => file.tensors.get(ggufName(name))?.shape)
  checkNothingLeft(path, file, slots)
  const values = async (name: string): Promise<Float32Array> => {
    const tensor = file.tensors.get(ggufName(name))
    if (!tensor)
      throw new FettleError({
        place: `${path}: tensor ${ggufName(name)}`,
        found: 'nothing',
        expected: 'weights',
      })
    const data = await readGgufFloat32(tensor)
    if (!permuted || !/\.(q|k)_proj\./.test(name)) return data
    return separateHalves(data, config.headDim, name.endsWith('.bias') ? 1 : config.hiddenSize)
  }
  const embedding = file.tensors.get('token_embd.weight')?.type
  return {
    dtype: embedding === 'F32' || embedding === 'F16' ? embedding : 'BF16',
    has: (name) => file.tensors.has(ggufName(name)),
    async part(name, rows) {
      // The engine rounds to its compute type; in float32 the dequantised values stay as they are.
      return { data: await values(name), dtype: 'F32', rows }
    },
    values,
  }
}

/** Tensors that hold no parameters of a layer's own: rotation tables of old converters. */
const harmless = /\.(attn_rot_embd|rope_freqs|attn_q_rope|inv_freq)\b/

/** A layer's tensor that no parameter takes is a part of the computation that would silently be left out. */
function checkNothingLeft(path: string, file: GgufFile, slots: readonly Slot[]): void {
  const used = new Set(slots.flatMap(({ parts }) => parts.map(({ name }) => ggufName(name))))
  const left = [...file.tensors.keys()].filter(
    (name) => /^(blk\.|rope_factors)/.test(name) && !used.has(name) && !harmless.test(name),
  )
  if (left.length === 0) return
  throw new FettleError({
    place: `${path}: tensor ${left[0]}`,
    found: left.length === 1 ? 'a tensor' : `${left.length} tensors`,
    expected: 'none that this architecture has no place for',
    cure: 'The file holds a variant that fettle does not know: use the Hugging Face folder of the model.',
  })
}

/** Row h·D + 2i + j of llama.cpp is row h·D + j·D/2 + i of transformers. */
function separateHalves(data: Float32Array, headDim: number, columns: number): Float32Array {
  const out = new Float32Array(data.length)
  const half = headDim / 2
  for (let row = 0; row * columns < data.length; row += 1) {
    const inHead = row % headDim
    const source = row - inHead + 2 * (inHead % half) + Math.floor(inHead / half)
    out.set(data.subarray(source * columns, (source + 1) * columns), row * columns)
  }
  return out
}

function checkShapes(
  place: string,
  slots: readonly Slot[],
  shapeOf: (name: string) => readonly number[] | undefined,
): void {
  const problems = slots.flatMap(({ kind, columns, parts }) =>
    parts.flatMap(({ name, rows }) => {
      const expected = kind === 'matrix' ? [rows, columns] : [rows]
      const shape = shapeOf(name)
      if (shape && shape.join() === expected.join()) return []
      return [
        {
          place: `${place}: tensor ${name}`,
          found: shape ? `shape [${shape.join(', ')}]` : 'nothing',
          expected: `shape [${expected.join(', ')}] by config.json`,
        },
      ]
    }),
  )
  if (problems.length === 0) return
  const shown = problems.slice(0, 5)
  const cure =
    problems.length > shown.length
      ? `${problems.length - shown.length} more tensors do not fit: the weights belong to another config.json, or the file is incomplete.`
      : 'The weights belong to another config.json, or the file is incomplete: save or download the model again.'
  throw new FettleError(shown.map((problem, i) => (i === shown.length - 1 ? { ...problem, cure } : problem)))
}

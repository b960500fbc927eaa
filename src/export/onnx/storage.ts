/** How an ONNX file holds a model: one that Transformers.js asks for by a `dtype`. */
export interface Storage {
  /** Beside the folder's config.json. */
  file: string
  /** What Transformers.js calls it. */
  dtype: string
  /** What is computed in. */
  compute: 'float32' | 'float16'
  /** Bits of projections in blocks; null: in `compute`. */
  projectionBits: 4 | 8 | null
  /** Bits of embeddings and head in blocks; null: in `compute`. */
  tableBits: 8 | null
}

/**
 * By the name that `--type` takes. Embedding and head keep 8 bits in the files of 4: every token goes through them, and small models
 * suffer most there.
 * Source of names: transformers.js 4.2, src/utils/dtypes.js
 */
export const storages = {
  f32: { file: 'model.onnx', dtype: 'fp32', compute: 'float32', projectionBits: null, tableBits: null },
  f16: { file: 'model_fp16.onnx', dtype: 'fp16', compute: 'float16', projectionBits: null, tableBits: null },
  q4: { file: 'model_q4.onnx', dtype: 'q4', compute: 'float32', projectionBits: 4, tableBits: 8 },
  q4f16: { file: 'model_q4f16.onnx', dtype: 'q4f16', compute: 'float16', projectionBits: 4, tableBits: 8 },
  q8: { file: 'model_quantized.onnx', dtype: 'q8', compute: 'float32', projectionBits: 8, tableBits: 8 },
} as const satisfies Record<string, Storage>

export type StorageName = keyof typeof storages

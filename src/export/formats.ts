import type { ExportFormat } from './format.ts'
import { ggufFileTypes } from './gguf/file-types.ts'

/** Every format, by the name that `--format` takes. */
export const exportFormats = {
  safetensors: {
    summary: 'a Hugging Face folder, for Transformers, vLLM and fettle',
    types: ['stored', 'float32', 'bfloat16', 'float16'],
    extension: null,
    load: async () => (await import('./safetensors-format.ts')).writeSafetensorsExport,
  },
  onnx: {
    summary: 'a folder for Transformers.js and onnxruntime; several types at once: f32,q4',
    types: ['f32', 'f16', 'q4', 'q4f16', 'q8'],
    takesSeveral: true,
    extension: null,
    load: async () => (await import('./onnx/onnx-format.ts')).writeOnnxExport,
  },
  gguf: {
    summary: 'a file for llama.cpp and what builds on it; q4_k is what it calls Q4_K_M',
    types: ggufFileTypes,
    extension: '.gguf',
    load: async () => (await import('./gguf/write-model.ts')).writeGgufExport,
  },
} as const satisfies Record<string, ExportFormat>

/** The name of a format. */
export type ExportFormatName = keyof typeof exportFormats

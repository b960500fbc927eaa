import type { ExportFormat } from './format.ts'
import { adapterFileTypes, ggufFileTypes } from './gguf/file-types.ts'

/** The name of a format, as `--format` takes it. */
export type ExportFormatName = 'safetensors' | 'onnx' | 'gguf' | 'gguf-lora' | 'ollama' | 'mlx' | 'mlx-lora'

/** Every format by its name. */
export const exportFormats: { readonly [Name in ExportFormatName]: ExportFormat } = {
  safetensors: {
    summary: 'a Hugging Face folder, for Transformers, vLLM and fettle; nf4 is 4 bits of bitsandbytes',
    types: ['stored', 'float32', 'bfloat16', 'float16', 'nf4', 'nf4-double'],
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
  'gguf-lora': {
    summary: 'the adapter alone, for llama.cpp beside the GGUF file of its model',
    types: adapterFileTypes,
    extension: '.gguf',
    isAdapter: true,
    load: async () => (await import('./gguf/write-adapter.ts')).writeGgufAdapter,
  },
  ollama: {
    summary: 'a folder for `ollama create`: a GGUF file and its Modelfile',
    types: ggufFileTypes,
    extension: null,
    load: async () => (await import('./ollama/write-ollama.ts')).writeOllamaExport,
  },
  mlx: {
    summary: 'a folder that mlx-lm loads as it is',
    types: ['stored', 'float32', 'bfloat16', 'float16'],
    extension: null,
    load: async () => (await import('./mlx/write-mlx-model.ts')).writeMlxModel,
  },
  'mlx-lora': {
    summary: 'the adapter alone, for mlx-lm (--adapter-path)',
    types: ['float32'],
    extension: null,
    isAdapter: true,
    load: async () => (await import('./mlx/write-mlx.ts')).writeMlxAdapter,
  },
}

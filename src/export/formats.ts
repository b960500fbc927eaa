import type { ExportFormat } from './format.ts'

/** Every format, by the name that `--format` takes. */
export const exportFormats = {
  safetensors: {
    summary: 'a Hugging Face folder, for Transformers, vLLM and fettle',
    types: ['stored', 'float32', 'bfloat16', 'float16'],
    extension: null,
    load: async () => (await import('./safetensors-format.ts')).writeSafetensorsExport,
  },
} as const satisfies Record<string, ExportFormat>

/** The name of a format. */
export type ExportFormatName = keyof typeof exportFormats

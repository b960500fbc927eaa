import { join } from 'node:path'
import type { ExportedFile } from '../format.ts'
import type { ExportFormatName } from '../formats.ts'
import { storages, type StorageName } from '../onnx/storage.ts'
import { fettleRunner } from './fettle-runner.ts'
import { llamaRunner } from './llama-runner.ts'
import { onnxRunner } from './onnx-runner.ts'
import type { Runner } from './runner.ts'

/** Something of an export that answers by itself. */
export interface ExportedForm {
  path: string
  type: string
  /** In the runtime that it is for, or read back by fettle; or a note: why neither. */
  open(capacity: number): Promise<{ runner: Runner; note?: string } | { runner: null; note: string }>
}

/** What was exported. */
export interface Exported {
  format: ExportFormatName
  types: readonly string[]
  output: string
  files: readonly ExportedFile[]
}

type FormsOf = (exported: Exported) => ExportedForm[]

/** The forms of the formats of whole models; others cannot be asked. */
const formsOf: Readonly<Record<string, FormsOf | undefined>> = {
  safetensors: ({ output: path, types: [type] }) => [
    {
      path,
      type,
      open: async (capacity) => ({
        runner: await fettleRunner({ model: path }, { capacity, isTarget: true }),
      }),
    },
  ],
  gguf: ggufForm,
  ollama: ggufForm,
  mlx: ({ output: path, types: [type] }) => [
    {
      path,
      type,
      open: async (capacity) => ({
        runner: await fettleRunner({ model: path }, { capacity, isTarget: false }),
        note: 'mlx-lm is what it is for; it loads the same folder.',
      }),
    },
  ],
  onnx: ({ output, types }) =>
    types.map((type) => {
      const path = join(output, 'onnx', storages[type as StorageName].file)
      return {
        path,
        type,
        async open() {
          const runner = await onnxRunner(path)
          if (runner) return { runner }
          return {
            runner: null,
            note: 'onnxruntime-node is not installed here: `npm install onnxruntime-node` (or Transformers.js), then export again.',
          }
        },
      }
    }),
}

/** A file in several parts is read by its first. */
function ggufForm({ files, types: [type] }: Exported): ExportedForm[] {
  const file = files.find(({ path }) => path.endsWith('.gguf'))
  if (!file) return []
  const { path } = file
  return [
    {
      path,
      type,
      async open(capacity) {
        const runner = await llamaRunner(path, capacity)
        if (runner) return { runner }
        return {
          runner: await fettleRunner({ model: path }, { capacity, isTarget: false }),
          note: 'llama.cpp is not here (`npm install node-llama-cpp`).',
        }
      },
    },
  ]
}

/** What of an export can be asked. */
export function exportedForms(exported: Exported): ExportedForm[] {
  return formsOf[exported.format]?.(exported) ?? []
}

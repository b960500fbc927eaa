import { join } from 'node:path'
import { isGgufName } from '../../formats/index.ts'
import type { ModelPaths } from '../../pipeline/index.ts'
import type { ExportFormatName } from '../formats.ts'
import { storages, type StorageName } from '../onnx/storage.ts'
import { fettleRunner } from './fettle-runner.ts'
import { llamaRunner, type GgufFiles } from './llama-runner.ts'
import { adapterOfMlx } from './mlx-adapter.ts'
import { mlxBase } from './mlx-base.ts'
import { onnxRunner } from './onnx-runner.ts'
import { readSpeech } from './own-speech.ts'
import { plainBase } from './plain-base.ts'
import { pythonRunner } from './python-runner.ts'
import type { Runner, Speech } from './runner.ts'

/** Something of an export that answers. */
export interface ExportedForm {
  /** The file, or where that is one with others the folder, as the certificate names it. */
  path: string
  type: string
  /** In the runtime that it is for, or read back by fettle; or a note: why neither. */
  open(asked: AskedForm): Promise<OpenedForm>
}

/** What a form is opened with. */
export interface AskedForm {
  /** Tokens that there must be room for. */
  capacity: number
  /** An empty folder for what is only needed here. */
  scratch: string
  python: string
  /** Of the runtime; default its own. */
  threads: number | undefined
  /** How the form is spoken to where it is an adapter alone: that is its base's and the run's matter. */
  liveSpeech: Speech
}

export type OpenedForm = { runner: Runner; note?: string } | { runner: null; note: string }

/** What was exported, and where its files lie while they are looked at. */
export interface Exported {
  format: ExportFormatName
  types: readonly string[]
  output: string
  folder: string
  /** By their names in that folder, and the paths that they are to have. */
  files: readonly { name: string; path: string }[]
  /** What it was made of. */
  paths: ModelPaths
}

const formsOf: { readonly [Name in ExportFormatName]: (exported: Exported) => ExportedForm[] } = {
  safetensors: ({ output: path, folder, types: [type] }) => [
    {
      path,
      type,
      open: async ({ capacity }) => ({
        runner: await fettleRunner({ model: folder }, await readSpeech(folder), { capacity, isTarget: true }),
      }),
    },
  ],
  gguf: ggufForm,
  ollama: ggufForm,
  'gguf-lora': ({ folder, files: [{ name, path }], types: [type], paths }) => [
    {
      path,
      type,
      async open(asked) {
        const files = { model: await plainBase(paths.model, asked.scratch), lora: join(folder, name) }
        const runner = await inLlama(files, asked)
        // A file of an adapter has neither template nor tokenizer, and its base not those of the run.
        return runner
          ? { runner: { ...runner, ...asked.liveSpeech } }
          : { runner: null, note: `${noLlama} fettle does not read these files.` }
      },
    },
  ],
  mlx: ({ output: path, folder, types: [type] }) => [
    {
      path,
      type,
      async open({ capacity, python }) {
        const runner = await pythonRunner('mlx_lm', { model: folder, capacity }, python)
        if (runner) return { runner }
        const read = await fettleRunner({ model: folder }, await readSpeech(folder), {
          capacity,
          isTarget: false,
        })
        return { runner: read, note: noMlx }
      },
    },
  ],
  'mlx-lora': ({ output: path, folder, types: [type], paths: { model } }) => [
    {
      path,
      type,
      async open({ capacity, python, scratch, liveSpeech }) {
        const base = await mlxBase(model, scratch)
        const runner = await pythonRunner('mlx_lm', { model: base, adapter: folder, capacity }, python)
        if (runner) return { runner: { ...runner, ...liveSpeech } }
        const adapter = await adapterOfMlx(folder, scratch)
        return {
          runner: await fettleRunner({ model, adapter }, liveSpeech, { capacity, isTarget: false }),
          note: noMlx,
        }
      },
    },
  ],
  onnx: ({ output, folder, types }) =>
    types.map((type) => {
      const { file } = storages[type as StorageName]
      return {
        path: join(output, 'onnx', file),
        type,
        async open({ threads }) {
          const runner = await onnxRunner(join(folder, 'onnx', file), await readSpeech(folder), threads)
          return runner
            ? { runner }
            : {
                runner: null,
                note: 'onnxruntime-node is not installed here: `npm install onnxruntime-node` (or Transformers.js), then export again.',
              }
        },
      }
    }),
}

const noLlama =
  'llama.cpp is not here (`npm install node-llama-cpp`, or llama-cpp-python for the Python of --python).'
const noMlx = 'mlx-lm is not here (--python names the Python that has it).'

/** A file in several parts is read by its first. */
function ggufForm({ files, types: [type], folder }: Exported): ExportedForm[] {
  const file = files.find(({ name }) => isGgufName(name))
  if (!file) return []
  const model = join(folder, file.name)
  return [
    {
      path: file.path,
      type,
      async open(asked) {
        const runner = await inLlama({ model }, asked)
        if (runner) return { runner }
        const { capacity } = asked
        const read = await fettleRunner({ model }, await readSpeech(model), { capacity, isTarget: false })
        return { runner: read, note: noLlama }
      },
    },
  ]
}

async function inLlama(
  { model, lora }: GgufFiles,
  { capacity, python, threads }: AskedForm,
): Promise<Runner | undefined> {
  const runner = await llamaRunner({ model, ...(lora !== undefined && { lora }) }, { capacity, threads })
  return runner ?? pythonRunner('llama_cpp', { model, adapter: lora, capacity, threads }, python)
}

/** What of an export can be asked. */
export function exportedForms(exported: Exported): ExportedForm[] {
  return formsOf[exported.format](exported)
}

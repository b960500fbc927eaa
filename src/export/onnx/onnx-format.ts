import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Problem } from '../../error.ts'
import { readTextFile, writeFileAtomic } from '../../formats/index.ts'
import { formatGenerationConfig, type Tokenizer } from '../../tokenizer/index.ts'
import type { ExportSource, WriteExport } from '../format.ts'
import type { Graph } from './model-proto.ts'
import { storages, type Storage, type StorageName } from './storage.ts'
import { translateProgram } from './translate-program.ts'
import { writeModel } from './write-model.ts'

/** Above so many bytes weights lie beside the graph: a browser holds a file in one piece of memory, and protobuf ends at 2 GiB. */
const mostBytes = 1_000_000_000

/** A folder as Transformers.js loads it: a file in onnx/ for each type, config.json, generation_config.json and the tokenizer's files. */
export const writeOnnxExport: WriteExport = async (source, { folder, types, maxShardBytes, onTensor }) => {
  const { model, tokenizer, paths } = source
  await model.merge()
  const chosen = types.map((type) => storages[type as StorageName])
  const graphs = chosen.map((storage) => ({
    storage,
    graph: translateProgram(model.architecture, storage, model.values, paths.model),
  }))
  const all = graphs.reduce((sum, { graph }) => sum + weightsOf(graph), 0)
  let written = 0
  const external: Record<string, number> = {}
  await mkdir(join(folder, 'onnx'))
  for (const { storage, graph } of graphs) {
    const maxBytes = Math.min(maxShardBytes, mostBytes)
    const target = { folder: join(folder, 'onnx'), name: storage.file, maxBytes }
    const files = await writeModel(graph, target, () => onTensor(written++, all))
    if (files > 0) external[storage.file] = files
  }
  await writeJson(folder, 'generation_config.json', generationConfigOf(source))
  await tokenizer.save(folder)
  await putTemplateInside(folder, tokenizer)
  await writeJson(folder, 'config.json', configOf(source, chosen[0], external))
  return noticesOf(source)
}

function weightsOf({ initializers }: Graph): number {
  return initializers.filter(({ data }) => !(data instanceof Uint8Array)).length
}

async function writeJson(folder: string, name: string, value: unknown): Promise<void> {
  await writeFileAtomic(join(folder, name), `${JSON.stringify(value, null, 2)}\n`)
}

/** Transformers.js looks for templates in tokenizer_config.json only. */
async function putTemplateInside(folder: string, { chatTemplate, chatTemplates }: Tokenizer): Promise<void> {
  if (chatTemplate === undefined) return
  const name = 'tokenizer_config.json'
  const config = JSON.parse(await readTextFile(join(folder, name))) as Record<string, unknown>
  const named = [...chatTemplates].map(([each, template]) => ({ name: each, template }))
  await writeJson(folder, name, { ...config, chat_template: named.length > 1 ? named : chatTemplate })
}

/** What the model was generated with, and every token that ends an answer: Transformers.js knows no others. */
function generationConfigOf({ generationConfig, stopSet }: ExportSource): Record<string, unknown> {
  const raw = formatGenerationConfig(generationConfig)
  const ids = [...new Set([raw['eos_token_id'] ?? [], stopSet.ids].flat())]
  return { ...raw, ...(ids.length > 0 && { eos_token_id: ids.length === 1 ? ids[0] : ids }) }
}

/**
 * The model's config.json, and what Transformers.js reads in it besides: which files have weights beside them, and the type that is loaded
 * where nobody names one.
 */
function configOf(
  { model }: ExportSource,
  { dtype }: Storage,
  external: Record<string, number>,
): Record<string, unknown> {
  const { torch_dtype: _, quantization_config: __, ...config } = model.config.raw
  return {
    ...config,
    dtype: 'float32',
    'transformers.js_config': {
      dtype,
      ...(Object.keys(external).length > 0 && { use_external_data_format: external }),
    },
  }
}

/** Text models that the class of Transformers.js 4.2 has no names for. */
const unknownTypes = new Set(['gemma4_text'])

function noticesOf({ model, paths }: ExportSource): Problem[] {
  const { modelType } = model.config
  if (!unknownTypes.has(modelType)) return []
  return [
    {
      place: paths.model,
      found: `model_type ${modelType}`,
      expected: 'one that Transformers.js 4.2 loads as a text model alone',
      cure: 'The files run in onnxruntime; with Transformers.js wait for a version that knows it.',
    },
  ]
}

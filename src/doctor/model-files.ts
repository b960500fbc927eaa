import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  isGgufName,
  openWeightFiles,
  readGguf,
  readSafetensorsHeader,
  type GgufTensor,
  type TensorInfo,
} from '../formats/index.ts'
import { readGenerationConfig, type GenerationConfig } from '../tokenizer/index.ts'
import { readJsonObject, type JsonObject } from './json-file.ts'

/** A model's files without its numbers. */
export interface ModelFiles {
  path: string
  isGguf: boolean
  /** config.json; of a GGUF file what matters, under the same keys. */
  config: JsonObject
  generationConfig: GenerationConfig
  hasGenerationConfig: boolean
  /** Shapes by name, as in model.safetensors. */
  shapes: ReadonlyMap<string, readonly number[]>
  /** Where the tensors lie; empty for GGUF files. */
  tensors: ReadonlyMap<string, TensorInfo>
  /** The same of a GGUF file. */
  ggufTensors: ReadonlyMap<string, GgufTensor>
  parameterCount: number
}

/** An adapter's files without its numbers. */
export interface AdapterFiles {
  path: string
  config: JsonObject
  tensors: ReadonlyMap<string, TensorInfo>
}

/**
 * Reads the headers of a Hugging Face folder or a GGUF file.
 *
 * @throws FettleError for what is missing, cut off or not readable
 */
export async function readModelFiles(path: string): Promise<ModelFiles> {
  return isGgufName(path) ? readGgufFiles(path) : readFolder(path)
}

async function readFolder(path: string): Promise<ModelFiles> {
  const config = (await readJsonObject(join(path, 'config.json'))) ?? {}
  const tensors = await openWeightFiles(path)
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]))
  return {
    path,
    isGguf: false,
    config,
    generationConfig: await readGenerationConfig(path),
    hasGenerationConfig: existsSync(join(path, 'generation_config.json')),
    shapes,
    tensors,
    ggufTensors: new Map(),
    parameterCount: countParameters(shapes),
  }
}

async function readGgufFiles(path: string): Promise<ModelFiles> {
  const { metadata, tensors } = readGguf(path)
  const architecture = String(metadata.get('general.architecture'))
  const value = (key: string) => {
    const found = metadata.get(`${architecture}.${key}`)
    return found === undefined ? undefined : Number(found)
  }
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]))
  return {
    path,
    isGguf: true,
    config: {
      model_type: architecture,
      max_position_embeddings: value('context_length'),
      hidden_size: value('embedding_length'),
      num_hidden_layers: value('block_count'),
      vocab_size: shapes.get('token_embd.weight')?.[0],
    },
    generationConfig: await readGenerationConfig(path),
    hasGenerationConfig: true,
    shapes,
    tensors: new Map(),
    ggufTensors: tensors,
    parameterCount: countParameters(shapes),
  }
}

function countParameters(shapes: ReadonlyMap<string, readonly number[]>): number {
  return [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((size, n) => size * n, 1), 0)
}

/** Reads adapter_config.json and the header of adapter_model.safetensors. */
export async function readAdapterFiles(path: string): Promise<AdapterFiles> {
  const weights = join(path, 'adapter_model.safetensors')
  return {
    path,
    config: (await readJsonObject(join(path, 'adapter_config.json'))) ?? {},
    tensors: existsSync(weights) ? (await readSafetensorsHeader(weights)).tensors : new Map(),
  }
}

/** A number of config.json. */
export function configNumber({ config }: ModelFiles, key: string): number | undefined {
  const value = config[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** Names of the token embedding, in the files of transformers and llama.cpp. */
const embeddingNames = [
  'model.embed_tokens.weight',
  'embed_tokens.weight',
  'token_embd.weight',
  'transformer.wte.weight',
  'wte.weight',
]

/** The token embedding's name and shape [rows, width]. */
export function embeddingOf({
  shapes,
}: Pick<ModelFiles, 'shapes'>): { name: string; rows: number } | undefined {
  const name =
    embeddingNames.find((known) => shapes.has(known)) ??
    [...shapes.keys()].find((key) => key.endsWith('embed_tokens.weight'))
  const rows = name === undefined ? undefined : shapes.get(name)?.[0]
  return name === undefined || rows === undefined ? undefined : { name, rows }
}

/** The output head, where it is not the embedding. */
export function headOf({ shapes }: Pick<ModelFiles, 'shapes'>): string | undefined {
  return ['lm_head.weight', 'output.weight', 'embed_out.weight'].find((name) => shapes.has(name))
}

/** Paths of the linear layers that LoRA can adapt: matrices that are neither embedding nor head. */
export function linearModules({ shapes }: ModelFiles): string[] {
  return [...shapes].flatMap(([name, shape]) =>
    shape.length === 2 && name.endsWith('.weight') && /\.(layers|h|blk)\.\d+\./.test(name)
      ? [name.slice(0, -'.weight'.length)]
      : [],
  )
}

/** The type that the weights are stored in, as config.json spells it. */
export function storedDtype({ config, tensors }: ModelFiles): string | undefined {
  const names: Record<string, string> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' }
  const [first] = tensors.values()
  const named = config['dtype'] ?? config['torch_dtype']
  return typeof named === 'string' ? named : first && names[first.dtype]
}

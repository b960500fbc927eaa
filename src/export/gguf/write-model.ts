import { join } from 'node:path'
import { FettleError, listNames, type Problem, withArticle } from '../../error.ts'
import {
  ggufByteLength,
  quantize,
  writeGguf,
  type GgufEntry,
  type GgufTensorToWrite,
  type WrittenGgufType,
} from '../../formats/index.ts'
import { ropesOf, vocabularyOf, type GgufDescription, type UnloadedModel } from '../../model/index.ts'
import type { ExportSource, ExportTarget, WriteExport } from '../format.ts'
import { fileTypeNumbers, ggufFileTypes, mxfp4FileType, type GgufFileType } from './file-types.ts'
import { generalEntries } from './general-entries.ts'
import { tensorTypes } from './tensor-types.ts'
import type { PlannedTensor } from './planned-tensor.ts'
import { plannedTensors } from './tensors.ts'
import { tokenizerEntries, unnamedStops } from './tokenizer/index.ts'

/** A model as a GGUF file of llama.cpp, with the adapter in the weights. */
export const writeGgufExport: WriteExport = (source, target) => writeGgufModel(source, target, target.name)

/** The same under another name. */
export async function writeGgufModel(
  source: ExportSource,
  target: ExportTarget,
  name: string,
): Promise<readonly Problem[]> {
  const { model } = source
  await model.merge()
  const { gguf } = model
  if (!gguf)
    throw new FettleError({
      place: source.paths.model,
      found: withArticle(model.config.modelType),
      expected: 'a family whose GGUF files fettle writes',
      cure: 'Export it to safetensors, and convert that with llama.cpp.',
    })
  const notices = whatIsLost(source)
  const type = ggufFileTypes.find((each) => each === target.type) ?? 'f16'
  const { tensors, entries } = planModel(model, gguf, type)
  const metadata = new Map<string, GgufEntry>([
    ...(await generalEntries(source, gguf.architecture, tensors)),
    ...entries,
    ...(await tokenizerEntries(source, gguf.architecture, vocabularyOf(model.architecture))),
  ])
  const { onTensor } = target
  const counted = tensors.map((tensor, i) => ({
    ...tensor,
    data() {
      onTensor(i, tensors.length)
      return tensor.data()
    },
  }))
  await writeParts(join(target.folder, name), metadata, counted, target.maxShardBytes)
  return [...notices, ...roundedYarn(source), ...endlessStops(source, metadata)]
}

/** gpt-oss scales its rotation between borders as they are; llama.cpp rounds them in every model. */
function roundedYarn({ model, paths }: ExportSource): Problem[] {
  const isExact = ropesOf(model.architecture).some(
    ({ scaling }) => scaling.type === 'yarn' && !scaling.truncate,
  )
  if (!isExact) return []
  return [
    {
      place: `${paths.model}: config.json`,
      found: 'rope_parameters with truncate: false',
      expected: 'true, as llama.cpp computes yarn: what it says differs a little from Transformers',
      cure: 'Serve the model from safetensors where that matters.',
    },
  ]
}

/** A file has a place for the ends of text, of turn and of message. */
function endlessStops(
  { stopSet, tokenizer }: ExportSource,
  metadata: ReadonlyMap<string, GgufEntry>,
): Problem[] {
  const left = unnamedStops(metadata, stopSet)
  if (left.length === 0) return []
  return [
    {
      place: tokenizer.place,
      found: `stop tokens that a GGUF file has no places for: ${listNames(left.map(({ token }) => token))}`,
      expected: 'three at most that llama.cpp does not know by their texts',
      cure: 'Name them where the file is served, as the Modelfile of --format ollama does.',
    },
  ]
}

/** The tensors of a model in a GGUF file of a type, and what it says of the architecture. */
export function planModel(
  model: UnloadedModel,
  { architecture, metadata }: GgufDescription,
  type: GgufFileType,
): { tensors: GgufTensorToWrite[]; entries: [string, GgufEntry][] } {
  const planned = plannedTensors(model, architecture)
  const types = tensorTypes(planned, type, {
    layers: model.architecture.layers.length,
    experts: Number(metadata['expert_count']?.value ?? 0),
    plain: plainTypes[model.storedDtype],
  })
  const ofModel = Object.entries(withTokens(metadata, vocabularyOf(model.architecture)))
  return {
    tensors: planned.map((tensor, i) => toWrite(tensor, types[i])),
    entries: [
      ...ofModel.map(([key, entry]): [string, GgufEntry] => [`${architecture}.${key}`, entry]),
      [
        'general.file_type',
        { type: 'u32', value: types.includes('MXFP4') ? mxfp4FileType : fileTypeNumbers[type] },
      ],
      ['general.quantization_version', { type: 'u32', value: 2 }],
    ],
  }
}

/** An adapter may have brought tokens. */
function withTokens(metadata: Readonly<Record<string, GgufEntry>>, count: number): Record<string, GgufEntry> {
  return 'vocab_size' in metadata ? { ...metadata, vocab_size: { type: 'u32', value: count } } : metadata
}

const plainTypes = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const

/** What the file cannot say: texts beyond a window are a note, everything else is no model of it any more. */
function whatIsLost({ model, paths }: ExportSource): Problem[] {
  const place = `${paths.model}: config.json`
  const lost = model.gguf?.lost ?? []
  const problems = lost.map(({ key, expected, cure }) => ({
    place,
    found: `${key}: a value that GGUF files of this architecture cannot say`,
    expected,
    cure: cure ?? 'Serve this model from safetensors.',
  }))
  const isNote = (key: string) => key === 'sliding_window'
  const refused = problems.filter((_, i) => !isNote(lost[i].key))
  if (refused.length > 0) throw new FettleError(refused)
  return problems
}

function toWrite({ name, shape, values }: PlannedTensor, type: WrittenGgufType): GgufTensorToWrite {
  return {
    name,
    type,
    shape,
    async *data() {
      for await (const piece of values()) yield quantize(piece, type)
    },
  }
}

/** One file, or where that takes more than `maxBytes`, several as llama-gguf-split names them: the first has all metadata. */
async function writeParts(
  path: string,
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly GgufTensorToWrite[],
  maxBytes: number,
): Promise<void> {
  const parts: GgufTensorToWrite[][] = []
  let bytes = 0
  for (const tensor of tensors) {
    const length = ggufByteLength(tensor)
    if (parts.length === 0 || bytes + length > maxBytes) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(tensor)
    bytes += length
  }
  if (parts.length <= 1) return writeGguf(path, metadata, tensors)
  const five = (number: number) => String(number).padStart(5, '0')
  const stem = path.slice(0, -'.gguf'.length)
  for (const [i, part] of parts.entries()) {
    const own = new Map<string, GgufEntry>([
      ...(i === 0 ? metadata : []),
      ['split.no', { type: 'u16', value: i }],
      ['split.count', { type: 'u16', value: parts.length }],
      ['split.tensors.count', { type: 'i32', value: tensors.length }],
    ])
    await writeGguf(`${stem}-${five(i + 1)}-of-${five(parts.length)}.gguf`, own, part)
  }
}

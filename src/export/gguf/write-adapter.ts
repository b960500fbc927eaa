import { basename, join, resolve } from 'node:path'
import { FettleError, listNames, type Problem, withArticle } from '../../error.ts'
import {
  quantize,
  writeGguf,
  type GgufEntry,
  type GgufTensorToWrite,
  type WrittenGgufType,
} from '../../formats/index.ts'
import type { AdapterFactors, PlainAdapter, UnloadedModel } from '../../model/index.ts'
import { transpose } from '../../transpose.ts'
import type { ExportSource, WriteExport } from '../format.ts'
import { adapterFileTypes, fileTypeNumbers } from './file-types.ts'

const types = { f32: 'F32', f16: 'F16', bf16: 'BF16', q8_0: 'Q8_0' } as const

/**
 * A LoRA adapter for llama.cpp: A and B by the names of its tensors, their rows and columns in its order. It scales all by alpha / rank, so
 * that other scalings (rsLoRA, patterns) go into B.
 */
export const writeGgufAdapter: WriteExport = async (source, target) => {
  const { model, paths } = source
  const { gguf } = model
  const adapter = await model.adapter()
  if (!gguf || !adapter) throw refused(source, [withArticle(model.config.modelType)])
  const left = whatIsLeft(model, adapter)
  if (left.length > 0) throw refused(source, left)
  const type = adapterFileTypes.find((each) => each === target.type) ?? 'f32'
  const alpha = adapter.config.loraAlpha
  const tensors = adapter.factors.flatMap((factors) => tensorsOf(factors, alpha, types[type], model))
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { type: 'string', value: gguf.architecture }],
    ['general.type', { type: 'string', value: 'adapter' }],
    ['general.name', { type: 'string', value: basename(resolve(paths.adapter ?? paths.model)) }],
    ['general.file_type', { type: 'u32', value: fileTypeNumbers[type] }],
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ['adapter.type', { type: 'string', value: 'lora' }],
    ['adapter.lora.alpha', { type: 'f32', value: alpha }],
  ])
  const counted = tensors.map((tensor, i) => ({
    ...tensor,
    data() {
      target.onTensor(i, tensors.length)
      return tensor.data()
    },
  }))
  await writeGguf(join(target.folder, target.name), metadata, counted)
}

/** What of an adapter llama.cpp has no place for. */
function whatIsLeft({ architecture }: UnloadedModel, { config, factors }: PlainAdapter): string[] {
  const { modulesToSave = [], trainableTokenIndices: rows, initLoraWeights: init } = config
  const { embedding, head } = architecture
  const onTable = factors.some(({ parameter }) => parameter === embedding.table || parameter === head)
  return [
    ...(config.useDora ? ['use_dora: true'] : []),
    ...(config.bias === 'none' ? [] : [`bias: ${config.bias}`]),
    ...(modulesToSave.length > 0 ? [`modules_to_save: ${listNames(modulesToSave)}`] : []),
    ...(rows === undefined ? [] : ['trainable_token_indices']),
    ...(init === 'loftq' || init === 'olora' || String(init).startsWith('pissa')
      ? [`init_lora_weights: ${String(init)}, which changes the base's weights`]
      : []),
    ...(onTable && architecture.isTied ? ['LoRA on an embedding that is the head, too'] : []),
  ]
}

function refused({ paths }: ExportSource, found: readonly string[]): FettleError {
  return new FettleError(
    found.map((each): Problem => ({
      place: `${paths.adapter ?? paths.model}: adapter_config.json`,
      found: each,
      expected: 'LoRA on linear layers, which is all that an adapter of llama.cpp can be',
      cure: 'Export the merged model instead: --format gguf.',
    })),
  )
}

/** A and B of each of the file's tensors that a module is. */
function tensorsOf(
  factors: AdapterFactors,
  alpha: number,
  type: WrittenGgufType,
  model: UnloadedModel,
): GgufTensorToWrite[] {
  const { parameter, firstRow, rows, count, rank, scaling } = factors
  const b = factors.b.map((value) => (value * scaling * rank) / alpha)
  if (parameter === model.architecture.embedding.table) {
    const name = parameter.parts[0].gguf.name
    // llama.cpp looks rows up in A, and multiplies them with B.
    return pair(
      name,
      type,
      [b, [rows, rank]],
      [transpose(factors.a, rank, parameter.columns), [parameter.columns, rank]],
    )
  }
  if (parameter.experts) return expertPairs(factors, b, type)
  let start = 0
  const part = parameter.parts.find((each) => {
    start += each.rows
    return start - each.rows === firstRow && each.rows === rows
  })
  if (!part) throw new Error(`${factors.module} is no part of ${parameter.key}`)
  const { name, transform } = part.gguf
  const [ofA, ofB] = [
    transform?.fileColumn ? transform : undefined,
    transform?.fileRow ? transform : undefined,
  ]
  if (transform && !ofA && !ofB) throw new Error(`${name} has no order of rows or columns`)
  const shapeA = [count * rank, parameter.columns]
  const shapeB = [rows, rank]
  return pair(
    name,
    type,
    [ofA ? ofA.toFile(factors.a, shapeA) : factors.a, shapeA],
    [ofB ? ofB.toFile(b, shapeB) : b, shapeB],
  )
}

/** The same of experts: A is that of each expert in all tensors that it is divided into. */
function expertPairs(
  { parameter, count, rank, a }: AdapterFactors,
  b: Float32Array,
  type: WrittenGgufType,
): GgufTensorToWrite[] {
  const stacks = new Map<string, { index: number; values: Float32Array }[]>()
  let start = 0
  for (const { rows, gguf } of parameter.parts) {
    const pieces =
      gguf.pieces ?? Array.from({ length: count }, (_, index) => ({ name: gguf.name, index, count }))
    const size = (rows / pieces.length) * rank
    for (const [i, { name, index }] of pieces.entries()) {
      const at = start * rank + i * size
      stacks.set(name, [...(stacks.get(name) ?? []), { index, values: b.subarray(at, at + size) }])
    }
    start += rows
  }
  return [...stacks].flatMap(([name, pieces]) => {
    const inOrder = pieces.toSorted((left, right) => left.index - right.index)
    const joined = new Float32Array(inOrder.reduce((sum, { values }) => sum + values.length, 0))
    let at = 0
    for (const { values } of inOrder) {
      joined.set(values, at)
      at += values.length
    }
    const outputs = joined.length / count / rank
    return pair(name, type, [a, [count, rank, parameter.columns]], [joined, [count, outputs, rank]])
  })
}

type Matrix = readonly [values: Float32Array, shape: readonly number[]]

function pair(name: string, type: WrittenGgufType, a: Matrix, b: Matrix): GgufTensorToWrite[] {
  const one = (suffix: string, [values, shape]: Matrix): GgufTensorToWrite => {
    const own = type === 'Q8_0' && (shape.at(-1) ?? 1) % 32 !== 0 ? 'F16' : type
    return {
      name: `${name}.${suffix}`,
      type: own,
      shape,
      async *data() {
        yield quantize(values, own)
      },
    }
  }
  return [one('lora_a', a), one('lora_b', b)]
}

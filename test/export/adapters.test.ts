import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import type { ExportSource, ExportTarget } from '../../src/export/format.ts'
import { writeGgufAdapter } from '../../src/export/gguf/write-adapter.ts'
import { planModel } from '../../src/export/gguf/write-model.ts'
import { writeMlxAdapter } from '../../src/export/mlx/write-mlx.ts'
import {
  readGguf,
  readGgufFloat32,
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
} from '../../src/formats/index.ts'
import { openUnloaded, parametersOf } from '../../src/model/index.ts'
import { fixture } from '../model/golden.ts'

const peft = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'peft', name)

async function opened(
  model: string,
  adapter: string,
): Promise<{ source: ExportSource; target: ExportTarget }> {
  const unloaded = await openUnloaded(fixture(model), adapter, { engine: 'reference' })
  const folder = mkdtempSync(join(tmpdir(), 'fettle-adapter-'))
  const target = { folder, name: 'lora.gguf', type: '', types: [], maxShardBytes: Infinity, onTensor() {} }
  const source = { model: unloaded, paths: { model: fixture(model), adapter } }
  return { source: source as unknown as ExportSource, target }
}

/** The numbers of all tensors of the model's GGUF file, in float32. */
async function tensorsOf(source: ExportSource) {
  const { model } = source
  if (!model.gguf) throw new Error('no GGUF file')
  const found = new Map<string, Float32Array>()
  for (const { name, data } of planModel(model, model.gguf, 'f32').tensors) {
    const pieces = []
    for await (const piece of data()) pieces.push(piece)
    const bytes = new Uint8Array(Buffer.concat(pieces))
    found.set(name, new Float32Array(bytes.buffer))
  }
  return found
}

/** W + scale · B A of matrices one below the other. */
function added(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  scale: number,
  [count, rank, columns]: number[],
) {
  const rows = b.length / count / rank
  return weight.map((value, at) => {
    const column = at % columns
    const row = Math.floor(at / columns)
    const expert = Math.floor(row / rows)
    let sum = 0
    for (let r = 0; r < rank; r += 1) sum += b[row * rank + r] * a[(expert * rank + r) * columns + column]
    return value + scale * sum
  })
}

/** Adapters that are plain LoRA: rows in another order (llama), rsLoRA, patterns, Conv1D, stacked projections, experts. */
const cases = [
  ['llama', fixture('llama', 'lora')],
  ['llama-tied-rope3', fixture('llama-tied-rope3', 'lora')],
  ['mistral', fixture('mistral', 'lora')],
  ['gpt2', fixture('gpt2', 'lora')],
  ['phi3', fixture('phi3', 'lora')],
  ['qwen3-5', fixture('qwen3-5', 'lora')],
  ['gemma4', fixture('gemma4', 'lora')],
  ['mixtral', fixture('mixtral', 'lora_experts')],
  ['gpt-oss', peft('experts-patterns')],
] as const

describe.each(cases)('%s', (name, adapter) => {
  it('a GGUF adapter on the base’s GGUF file is the merged one', async () => {
    const { source, target } = await opened(name, adapter)
    const base = await tensorsOf(source)
    await writeGgufAdapter(source, target)
    await source.model.merge()
    const merged = await tensorsOf(source)
    const { metadata, tensors } = readGguf(join(target.folder, 'lora.gguf'))
    expect(metadata.get('general.type')).toBe('adapter')
    const alpha = Number(metadata.get('adapter.lora.alpha'))
    let changed = 0
    for (const [tensor, weight] of base) {
      const [a, b] = ['lora_a', 'lora_b'].map((suffix) => tensors.get(`${tensor}.${suffix}`))
      const expected = merged.get(tensor)
      if (!expected) throw new Error(tensor)
      if (!a || !b) {
        expect(weight, tensor).toEqual(expected)
        continue
      }
      changed += 1
      const [rank, columns] = a.shape.slice(-2)
      const count = a.shape.length === 3 ? a.shape[0] : 1
      const sum = added(weight, await readGgufFloat32(a), await readGgufFloat32(b), alpha / rank, [
        count,
        rank,
        columns,
      ])
      const worst = sum.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0)
      expect(worst, tensor).toBeLessThan(1e-5)
    }
    expect(changed * 2).toBe(tensors.size)
  })
})

test.each([
  ['dora-llama', 'llama', 'use_dora'],
  ['bias-all', 'qwen2', 'bias: all'],
  ['tied-head-parts', 'llama-tied-rope3', 'modules_to_save'],
  ['tied', 'llama-tied-rope3', 'trainable_token_indices'],
  ['pissa', 'llama', 'init_lora_weights: pissa'],
  ['lora-embedding-tied', 'llama-tied-rope3', 'LoRA on an embedding that is the head'],
])(
  '%s: what neither llama.cpp nor mlx-lm can carry is refused with the cure',
  async (name, model, message) => {
    const { source, target } = await opened(model, peft(name))
    await expect(writeGgufAdapter(source, target)).rejects.toThrow(message)
    await expect(writeGgufAdapter(source, target)).rejects.toThrow('--format gguf')
    await expect(writeMlxAdapter(source, target)).rejects.toThrow('--format mlx')
  },
)

test.each([['llama-tied-rope3'], ['mistral']])('%s: an adapter of mlx-lm is the same LoRA', async (name) => {
  const { source, target } = await opened(name, fixture(name, 'lora'))
  await writeMlxAdapter(source, target)
  const config = JSON.parse(readFileSync(join(target.folder, 'adapter_config.json'), 'utf8')) as {
    fine_tune_type: string
    num_layers: number
    lora_parameters: { rank: number; scale: number; keys: string[] }
  }
  expect(config.fine_tune_type).toBe('lora')
  const { rank, scale, keys } = config.lora_parameters
  const { tensors } = await readSafetensorsHeader(join(target.folder, 'adapters.safetensors'))
  const layers = source.model.architecture.layers.length
  const expected = Array.from(
    { length: config.num_layers },
    (_, i) => layers - config.num_layers + i,
  ).flatMap((layer) =>
    keys.flatMap((key) => ['lora_a', 'lora_b'].map((suffix) => `model.layers.${layer}.${key}.${suffix}`)),
  )
  expect([...tensors.keys()].toSorted()).toEqual(expected.toSorted())
  const read = async (tensor: string) => {
    const info = tensors.get(tensor)
    if (!info) throw new Error(tensor)
    return { shape: info.shape, values: toFloat32(await readTensorBytes(info), 'F32') }
  }
  const before = new Map<string, Float32Array>()
  for (const parameter of parametersOf(source.model.architecture))
    before.set(parameter.key, await source.model.values(parameter))
  await source.model.merge()
  for (const parameter of parametersOf(source.model.architecture)) {
    const merged = await source.model.values(parameter)
    let first = 0
    for (const { rows, safetensors } of parameter.parts) {
      const module = safetensors.name.replace(/\.weight$/, '')
      const range = [first * parameter.columns, (first + rows) * parameter.columns] as const
      first += rows
      const weight = before.get(parameter.key)?.subarray(...range) ?? new Float32Array(0)
      if (!tensors.has(`${module}.lora_a`)) {
        expect(weight, module).toEqual(merged.subarray(...range))
        continue
      }
      const [a, b] = [await read(`${module}.lora_a`), await read(`${module}.lora_b`)]
      expect([a.shape, b.shape]).toEqual([
        [parameter.columns, rank],
        [rank, rows],
      ])
      // y = x W + scale · (x A) B, with A [inputs, rank] and B [rank, outputs].
      const worst = weight.reduce((most, value, at) => {
        const [row, column] = [Math.floor(at / parameter.columns), at % parameter.columns]
        let sum = 0
        for (let r = 0; r < rank; r += 1) sum += a.values[column * rank + r] * b.values[r * rows + row]
        return Math.max(most, Math.abs(value + scale * sum - merged[range[0] + at]))
      }, 0)
      expect(worst, module).toBeLessThan(1e-5)
    }
  }
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { storages, type StorageName } from '../../../src/export/onnx/storage.ts'
import { translateProgram } from '../../../src/export/onnx/translate-program.ts'
import { writeModel } from '../../../src/export/onnx/write-model.ts'
import { openUnloaded } from '../../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from '../../model/golden.ts'
import { readOnnx, type ReadGraph, type Value } from './read-onnx.ts'
import { runOnnx } from './run-onnx.ts'
import { floats, sizeOf, whole } from './shaped-values.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-onnx-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function exported(model: string, type: StorageName, adapter?: string, maxBytes = 1e9) {
  const opened = await openUnloaded(fixture(model), adapter)
  await opened.merge()
  const graph = translateProgram(opened.architecture, storages[type], (...rows) => opened.rows(...rows), model)
  const files = await writeModel(graph, { folder, name: storages[type].file, maxBytes }, () => {})
  await opened.free()
  return { ...readOnnx(join(folder, storages[type].file)), files }
}

const integers = (rows: readonly number[][]) => whole([rows.length, rows[0].length], rows.flat())

function run(graph: ReadGraph, ids: number[][], mask: number[][], past?: Record<string, Value>, keep = 0) {
  const empty = graph.inputs.flatMap(({ name, shape }) => {
    if (!name.startsWith('past')) return []
    const sizes = shape.map((size) => (typeof size === 'number' ? size : size === 'batch_size' ? ids.length : 0))
    return [[name, floats(sizes)] as const]
  })
  const outputs = runOnnx(graph, {
    input_ids: integers(ids),
    attention_mask: integers(mask),
    num_logits_to_keep: whole([], [keep]),
    ...(past ?? Object.fromEntries(empty)),
  })
  const next = [...outputs].flatMap(([name, value]) =>
    name.startsWith('present')
      ? [[name.replace(/^present(_conv|_recurrent)?/, (_, kind?: string) => `past${kind ?? '_key_values'}`), value] as const]
      : [],
  )
  const logits = outputs.get('logits') ?? floats([0])
  return { logits, past: Object.fromEntries(next) }
}

/** Where there are tokens; what stands at padding is not defined. */
function atTokens(logits: Float32Array, mask: readonly number[][]): Float32Array {
  const width = logits.length / mask.flat().length
  return logits.map((value, i) => (mask.flat()[Math.floor(i / width)] === 1 ? value : 0))
}

// One of each kind of op: GQA, plain attention (caps, heads of odd lengths), two ropes and windows, long factors, scaled streams,
// post-norms, positions of their own, convolutions, the delta rule, gates, shared keys and inputs of layers.
const families = ['llama', 'gemma2', 'gemma3', 'gemma4', 'phi3-long', 'granite', 'gpt2', 'lfm2', 'qwen3-5']

describe('graphs compute what Transformers computes', () => {
  test.each(families)('%s: rows padded on either side, an adapter in the weights', async (model) => {
    const golden = await readTensors(fixture(model, 'golden.safetensors'))
    const { graph } = await exported(model, 'f32')
    for (const side of ['', 'left.']) {
      const mask = await golden.rows(`${side}attention_mask`)
      const { logits } = run(graph, await golden.rows(`${side}input_ids`), mask)
      const expected = atTokens(await golden.floats(`${side}logits`), mask)
      expect(maxDifference(atTokens(logits.data as Float32Array, mask), expected)).toBeLessThan(2e-4)
    }
  })

  test('token by token, with what is remembered given on', async () => {
    const golden = await readTensors(fixture('lfm2', 'golden.safetensors'))
    const { graph } = await exported('lfm2', 'f32')
    const [prompt] = await golden.rows('greedy.prompt')
    const [expected] = await golden.rows('greedy.output')
    const tokens = [...prompt]
    let past: Record<string, Value> | undefined
    for (let fed = prompt; tokens.length < prompt.length + 6; fed = tokens.slice(-1)) {
      const result = run(graph, [fed], [tokens.map(() => 1)], past, 1)
      expect(result.logits.shape[1]).toBe(1)
      past = result.past
      tokens.push(result.logits.data.indexOf(Math.max(...result.logits.data)))
    }
    expect(tokens).toEqual(expected.slice(0, tokens.length))
  })
})

describe('files', () => {
  test('have numbers for the sizes of heads, and names that Transformers.js knows', async () => {
    const { graph, format, opsets } = await exported('llama', 'f32')
    expect({ format, opsets }).toEqual({ format: 10, opsets: { '': 21, 'com.microsoft': 1 } })
    const { inputs, outputs } = graph
    expect(inputs.map(({ name, shape }) => `${name} ${shape.join(' ')}`)).toMatchInlineSnapshot(`
      [
        "input_ids batch_size sequence_length",
        "attention_mask batch_size total_sequence_length",
        "num_logits_to_keep ",
        "past_key_values.0.key batch_size 2 past_sequence_length 12",
        "past_key_values.0.value batch_size 2 past_sequence_length 12",
        "past_key_values.1.key batch_size 2 past_sequence_length 12",
        "past_key_values.1.value batch_size 2 past_sequence_length 12",
      ]
    `)
    expect(outputs.map(({ name, shape }) => `${name} ${shape.join(' ')}`)).toMatchInlineSnapshot(`
      [
        "present.0.key batch_size 2 total_sequence_length 12",
        "present.0.value batch_size 2 total_sequence_length 12",
        "present.1.key batch_size 2 total_sequence_length 12",
        "present.1.value batch_size 2 total_sequence_length 12",
        "logits batch_size num_logits 128",
      ]
    `)
    const types = new Set(graph.nodes.map(({ type }) => type))
    expect(types.has('GroupQueryAttention')).toBe(true)
  })

  test('have their weights beside them above a size, in the same numbers', async () => {
    const inside = await exported('qwen3', 'f32')
    const beside = await exported('qwen3', 'f32', undefined, 20_000)
    expect(inside.files).toBe(0)
    expect(beside.files).toBeGreaterThan(1)
    expect(beside.graph).toEqual(inside.graph)
  })

  test.each([
    ['f16', 0.02],
    ['q8', 0.2],
    ['q4', 2],
    ['q4f16', 2],
  ] as const)('%s: weights in fewer bits, as the operators read them', async (type, bound) => {
    const golden = await readTensors(fixture('llama', 'golden.safetensors'))
    const { graph } = await exported('llama', type)
    const ids = await golden.rows('input_ids')
    const mask = await golden.rows('attention_mask')
    const { logits } = run(graph, ids, mask)
    const difference = maxDifference(atTokens(logits.data as Float32Array, mask), await golden.floats('logits'))
    expect(difference).toBeLessThan(bound)
    expect(difference).toBeGreaterThan(0)
    expect(graph.nodes.some((node) => node.type === 'MatMulNBits')).toBe(type !== 'f16')
    expect(sizeOf(logits.shape)).toBe(logits.data.length)
  })

  test('are not written of models with experts', async () => {
    const opened = await openUnloaded(fixture('mixtral'), undefined)
    expect(() => translateProgram(opened.architecture, storages.f32, (...rows) => opened.rows(...rows), 'mixtral')).toThrow(
      'mixtral: layers that compute route, dispatch, expertLinear, expertGlu, combine; expected a model without experts. Export it with --format gguf',
    )
    await opened.free()
  })
})

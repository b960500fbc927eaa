import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { storages, type StorageName } from '../../../src/export/onnx/storage.ts'
import { translateProgram } from '../../../src/export/onnx/translate-program.ts'
import { writeModel } from '../../../src/export/onnx/write-model.ts'
import { AutoModelForCausalLM, openUnloaded } from '../../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from '../../model/golden.ts'
import { readOnnx, type ReadGraph, type Value } from './read-onnx.ts'
import { runOnnx } from './run-onnx.ts'
import { floats, whole } from './shaped-values.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-onnx-'))
afterAll(() => rmSync(folder, { recursive: true }))

const tiny = join(import.meta.dirname, '../../../assets/tiny-llama')

async function exported(model: string, type: StorageName, maxBytes = 1e9) {
  const opened = await openUnloaded(model, undefined)
  const graph = translateProgram(opened.architecture, storages[type], opened.values, model)
  const files = await writeModel(graph, { folder, name: storages[type].file, maxBytes }, () => {})
  await opened.free()
  return { ...readOnnx(join(folder, storages[type].file)), files }
}

const integers = (rows: readonly number[][]) => whole([rows.length, rows[0].length], rows.flat())

function run(graph: ReadGraph, ids: number[][], mask: number[][], past?: Record<string, Value>, keep = 0) {
  const empty = graph.inputs.flatMap(({ name, shape }) => {
    if (!name.startsWith('past')) return []
    const sizes = shape.map((size) =>
      typeof size === 'number' ? size : size === 'batch_size' ? ids.length : 0,
    )
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
      ? [
          [
            name.replace(/^present(_conv|_recurrent)?/, (_, kind?: string) => `past${kind ?? '_key_values'}`),
            value,
          ] as const,
        ]
      : [],
  )
  const logits = outputs.get('logits') ?? floats([0])
  return { logits, past: Object.fromEntries(next) }
}

/** Σ p · log(p / q) of two rows of logits. */
function klOf(expected: Value['data'], found: Value['data']): number {
  const logs = (row: Value['data']) => {
    const largest = Math.max(...row)
    const sum = [...row].reduce((total, value) => total + Math.exp(value - largest), 0)
    return [...row].map((value) => value - largest - Math.log(sum))
  }
  const [p, q] = [logs(expected), logs(found)]
  return p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]), 0)
}

/** Where there are tokens; what stands at padding is not defined. */
function atTokens(logits: Float32Array, mask: readonly number[][]): Float32Array {
  const width = logits.length / mask.flat().length
  return logits.map((value, i) => (mask.flat()[Math.floor(i / width)] === 1 ? value : 0))
}

// One of each kind of op: GQA, plain attention (caps, heads of odd lengths), two ropes and windows, long factors, scaled streams,
// post-norms, positions of their own, convolutions, the delta rule, gates, shared keys and inputs of layers; experts, with weights of all and of
// the chosen ones, a shared one, biases, limits and sinks, experts beside an MLP.
const families = [
  'qwen3',
  'gemma2',
  'gemma4',
  'phi3-long',
  'gpt2',
  'lfm2',
  'qwen3-5',
  'mixtral',
  'qwen2-moe',
  'qwen3-moe',
  'gpt-oss',
  'gemma4-moe',
]

describe('graphs compute what Transformers computes', () => {
  test.each(families)('%s: rows padded on either side', async (model) => {
    const golden = await readTensors(fixture(model, 'golden.safetensors'))
    const { graph } = await exported(fixture(model), 'f32')
    for (const side of ['', 'left.']) {
      const mask = await golden.rows(`${side}attention_mask`)
      const { logits } = run(graph, await golden.rows(`${side}input_ids`), mask)
      const expected = atTokens(await golden.floats(`${side}logits`), mask)
      expect(maxDifference(atTokens(logits.data as Float32Array, mask), expected)).toBeLessThan(2e-4)
    }
  })

  test('token by token, with what is remembered given on', async () => {
    const golden = await readTensors(fixture('lfm2', 'golden.safetensors'))
    const { graph } = await exported(fixture('lfm2'), 'f32')
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
    const { graph, format, opsets } = await exported(fixture('qwen3'), 'f32')
    expect({ format, opsets }).toEqual({ format: 10, opsets: { '': 21, 'com.microsoft': 1 } })
    const lines = (values: ReadGraph['inputs']) => values.map(({ name, shape }) => [name, ...shape].join(' '))
    expect(lines(graph.inputs)).toEqual([
      'input_ids batch_size sequence_length',
      'attention_mask batch_size total_sequence_length',
      'num_logits_to_keep',
      'past_key_values.0.key batch_size 2 past_sequence_length 16',
      'past_key_values.0.value batch_size 2 past_sequence_length 16',
      'past_key_values.1.key batch_size 2 past_sequence_length 16',
      'past_key_values.1.value batch_size 2 past_sequence_length 16',
    ])
    expect(lines(graph.outputs)).toEqual([
      'present.0.key batch_size 2 total_sequence_length 16',
      'present.0.value batch_size 2 total_sequence_length 16',
      'present.1.key batch_size 2 total_sequence_length 16',
      'present.1.value batch_size 2 total_sequence_length 16',
      'logits batch_size num_logits 128',
    ])
    const groups = graph.nodes.filter(({ type }) => type === 'GroupQueryAttention')
    expect(groups.map(({ domain, attributes }) => [domain, attributes])).toEqual(
      Array(2).fill(['com.microsoft', { num_heads: 4, kv_num_heads: 2, scale: 0.25 }]),
    )
  })

  test('have their weights beside them above a size, in the same numbers', async () => {
    const inside = await exported(fixture('qwen3'), 'f32')
    const beside = await exported(fixture('qwen3'), 'f32', 20_000)
    expect(inside.files).toBe(0)
    expect(beside.files).toBeGreaterThan(1)
    expect(beside.graph).toEqual(inside.graph)
  })

  test.each([
    ['f16', 1e-6],
    ['q8', 1e-3],
    ['q4', 0.02],
    ['q4f16', 0.02],
  ] as const)('%s: weights in fewer bits, as the operators read them', async (type, mostKl) => {
    const { graph } = await exported(tiny, type)
    const ids = [[1, 5, 100]]
    const { logits } = run(graph, ids, [[1, 1, 1]], undefined, 1)
    const live = await AutoModelForCausalLM.fromPretrained(tiny, { dtype: 'float32', engine: 'reference' })
    const expected = await live.forward({ inputIds: ids })
    const divergence = klOf(expected.logits.data.slice(-live.vocabSize), logits.data)
    expect(divergence).toBeLessThan(mostKl)
    expect(divergence).toBeGreaterThan(0)
    expect(graph.nodes.filter(({ type: each }) => each === 'MatMulNBits')).toHaveLength(
      type === 'f16' ? 0 : 25,
    )
  })

  test('of experts have the codes of each below one another', async () => {
    const { graph } = await exported(fixture('qwen3-moe'), 'q4')
    const loops = graph.nodes.filter(({ type }) => type === 'Loop')
    const inside = loops.map(({ attributes }) =>
      (attributes['body'] as ReadGraph).nodes.filter(({ type }) => type === 'MatMulNBits'),
    )
    // Rows of the way back are no whole blocks here.
    expect(inside.map(({ length }) => length)).toEqual(loops.map(() => 1))
    const ids = [[5, 9, 3, 7]]
    const { logits } = run(graph, ids, [[1, 1, 1, 1]], undefined, 1)
    const live = await AutoModelForCausalLM.fromPretrained(fixture('qwen3-moe'), {
      dtype: 'float32',
      engine: 'reference',
    })
    const expected = await live.forward({ inputIds: ids })
    const divergence = klOf(expected.logits.data.slice(-live.vocabSize), logits.data)
    expect(divergence).toBeLessThan(0.05)
    expect(divergence).toBeGreaterThan(0)
  })
})

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readSafetensorsHeader, writeSafetensors } from '../../src/formats/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import type { Transform } from '../../src/model/weights/transforms.ts'
import { interleavedHalves, onePlus, reordered, transposed } from '../../src/model/weights/transforms.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'

// The made-up family in the place of one that this test does not need.
vi.mock('../../src/model/families/mistral/mistral.ts', async () => ({
  mistral: (await import('./turned-family.ts')).turned,
}))

describe('what a file has and what memory has', () => {
  it.each<[string, Transform, number[], number[], number[], number[]]>([
    ['a gain stored as its distance from one', onePlus, [2], [2], [-0.5, 2], [0.5, 3]],
    ['a transposed matrix', transposed, [2, 3], [3, 2], [1, 4, 2, 5, 3, 6], [1, 2, 3, 4, 5, 6]],
    [
      'rows in another order',
      reordered((row) => (row + 1) % 3),
      [3, 2],
      [3, 2],
      [5, 6, 1, 2, 3, 4],
      [1, 2, 3, 4, 5, 6],
    ],
    ['a bias in another order', reordered((row) => 1 - row), [2], [2], [8, 7], [7, 8]],
    [
      'two heads with interleaved halves',
      interleavedHalves(4),
      [8],
      [8],
      [0, 2, 1, 3, 4, 6, 5, 7],
      [0, 1, 2, 3, 4, 5, 6, 7],
    ],
  ])('%s', (_, transform, shape, fileShape, file, memory) => {
    expect(transform.fileShape(shape)).toEqual(fileShape)
    expect([...transform.fromFile(Float32Array.from(file), shape)]).toEqual(memory)
    expect([...transform.toFile(Float32Array.from(memory), shape)]).toEqual(file)
  })
})

/** The tensors of the Llama fixture as the made-up family has them in its files. */
const names: [
  turned: string,
  llama: string[],
  change: (rows: Float32Array, columns: number) => Float32Array,
][] = [
  ['wte', ['model.embed_tokens'], same],
  ['ln_f', ['model.norm'], minusOne],
  ...[0, 1].flatMap((i): typeof names => {
    const [here, there] = [`h.${i}`, `model.layers.${i}`]
    const attention = `${there}.self_attn`
    return [
      [`${here}.ln_1`, [`${there}.input_layernorm`], minusOne],
      [`${here}.c_attn`, [`${attention}.q_proj`, `${attention}.k_proj`, `${attention}.v_proj`], transpose],
      [`${here}.c_proj`, [`${attention}.o_proj`], transpose],
      [`${here}.ln_2`, [`${there}.post_attention_layernorm`], minusOne],
      [`${here}.gate`, [`${there}.mlp.gate_proj`], reversed],
      [`${here}.up`, [`${there}.mlp.up_proj`], same],
      [`${here}.down`, [`${there}.mlp.down_proj`], same],
    ]
  }),
]

function same(values: Float32Array): Float32Array {
  return values
}

function minusOne(values: Float32Array): Float32Array {
  return values.map((value) => value - 1)
}

function transpose(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)])
}

function reversed(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns
  return values.map((_, i) => values[(rows - 1 - Math.floor(i / columns)) * columns + (i % columns)])
}

describe('a family whose files say everything in another way', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fettle-turned-'))
    const { tensors } = await readSafetensorsHeader(fixture('llama', 'model.safetensors'))
    const stored = await readTensors(fixture('llama', 'model.safetensors'))
    await writeSafetensors(
      join(folder, 'model.safetensors'),
      [
        ...names.map(([turned, ...rest]) => [`turned.${turned}`, ...rest] as const),
        ['lm_head', ['lm_head'], same] as const,
      ].map(([name, parts, change]) => {
        const shapes = parts.map((part) => tensors.get(`${part}.weight`)?.shape ?? [])
        const rows = shapes.reduce((sum, [count]) => sum + count, 0)
        const columns = shapes[0][1]
        return {
          name: `${name}.weight`,
          dtype: 'F32' as const,
          shape: columns === undefined ? [rows] : change === transpose ? [columns, rows] : [rows, columns],
          data: async () =>
            change(
              await stacked(
                stored,
                parts.map((part) => `${part}.weight`),
              ),
              columns ?? 1,
            ),
        }
      }),
    )
    const config = JSON.parse(await readFile(fixture('llama', 'config.json'), 'utf8')) as object
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, model_type: 'mistral' }))
  })
  afterAll(() => rm(folder, { recursive: true }))
  const load = (path: string) => AutoModelForCausalLM.fromPretrained(path, { engine: 'reference' })
  const golden = () => readTensors(fixture('llama', 'golden.safetensors'))
  const inputsOf = async (tensors: Awaited<ReturnType<typeof golden>>) => ({
    inputIds: await tensors.rows('input_ids'),
    attentionMask: await tensors.rows('attention_mask'),
    labels: await tensors.rows('labels'),
  })

  it('computes what the Llama does, with gradients as its own files would have them', async () => {
    const tensors = await golden()
    const inputs = await inputsOf(tensors)
    const model = await load(folder)
    const { logits } = await model.forward(inputs)
    expect(maxDifference(logits.data, await tensors.floats('logits'))).toBeLessThan(1e-4)
    const gradients = await model.gradients(inputs)
    const saved = (await readSafetensorsHeader(join(folder, 'model.safetensors'))).tensors
    expect([...gradients.keys()].toSorted()).toEqual([...saved.keys()].toSorted())
    for (const [name, parts, change] of names) {
      const gradient = gradients.get(`turned.${name}.weight`)
      expect(gradient?.shape, name).toEqual(saved.get(`turned.${name}.weight`)?.shape)
      const expected = await stacked(
        tensors,
        parts.map((part) => `grad.${part}.weight`),
      )
      const columns = change === transpose ? (gradient?.shape[0] ?? 1) : (gradient?.shape[1] ?? 1)
      const turned = change === minusOne ? expected : change(expected, columns)
      expect(relativeError(gradient?.data ?? new Float32Array(), turned), name).toBeLessThan(5e-5)
    }
  })

  it('is saved as it was read', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'fettle-turned-'))
    await (await load(folder)).save(copy)
    const [before, after] = await Promise.all(
      [folder, copy].map((path) => readTensors(join(path, 'model.safetensors'))),
    )
    expect(after.names.toSorted()).toEqual(before.names.toSorted())
    for (const name of before.names)
      expect(maxDifference(await after.floats(name), await before.floats(name)), name).toBeLessThan(1e-7)
    await rm(copy, { recursive: true })
  })

  it('has adapters whose rows stand as those of its weights', async () => {
    const tensors = await golden()
    const inputs = await inputsOf(tensors)
    const model = await load(folder)
    await model.addAdapter({ r: 2, targetModules: ['gate', 'down'], initLoraWeights: false })
    const adapted = (await model.forward(inputs)).logits.data
    const adapter = await mkdtemp(join(tmpdir(), 'fettle-turned-'))
    await model.saveAdapter(adapter)
    const saved = await readTensors(join(adapter, 'adapter_model.safetensors'))
    const { tensors: infos } = await readSafetensorsHeader(join(adapter, 'adapter_model.safetensors'))
    await writeSafetensors(
      join(adapter, 'adapter_model.safetensors'),
      [...infos].map(([name, { shape }]) => ({
        name: name.replace('turned.h', 'model.layers').replace(/\.(gate|down)\./, '.mlp.$1_proj.'),
        dtype: 'F32' as const,
        shape,
        data: async () => {
          const values = await saved.floats(name)
          return name.includes('.gate.lora_B') ? reversed(values, shape[1]) : values
        },
      })),
    )
    const config = await readFile(join(adapter, 'adapter_config.json'), 'utf8')
    await writeFile(
      join(adapter, 'adapter_config.json'),
      JSON.stringify({ ...JSON.parse(config), target_modules: ['gate_proj', 'down_proj'] }),
    )
    const llama = await load(fixture('llama'))
    await llama.loadAdapter(adapter)
    expect(maxDifference((await llama.forward(inputs)).logits.data, adapted)).toBeLessThan(1e-5)
    await rm(adapter, { recursive: true })
  })
})

async function stacked(
  tensors: Awaited<ReturnType<typeof readTensors>>,
  parts: readonly string[],
): Promise<Float32Array> {
  const all: number[] = []
  for (const part of parts) all.push(...(await tensors.floats(part)))
  return Float32Array.from(all)
}

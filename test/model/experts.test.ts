import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { readSafetensorsHeader, writeSafetensors } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { createForwardPasses } from '../../src/train/loop/forward-passes.ts'
import { addGradients } from '../../src/train/loop/gradients.ts'
import { sft } from '../../src/train/objectives/sft.ts'
import { fixture, goldenBatch, maxDifference, readGoldenJson, readTensors, relativeError } from './golden.ts'

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)
const models = ['mixtral', 'qwen2-moe', 'qwen3-moe', 'gpt-oss'] as const

interface Golden {
  moe: { aux_loss: number; loss_with_aux: number }
}

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-experts-'))
})
afterAll(() => rm(scratch, { recursive: true }))

describe.each(engines)('%s engine in float32 against Transformers', (engine) => {
  describe.each(models)('%s', (name) => {
    const { moe } = readGoldenJson<Golden>(name, 'golden.json')

    test('router logits, auxiliary loss and its gradients', async () => {
      const model = await AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine })
      const { tensors, inputs } = await goldenBatch(name)
      const {
        routerLogits = [],
        auxLoss,
        loss,
      } = await model.forward({ ...inputs, outputRouterLogits: true })
      const expected = await tensors.floats('moe.router_logits')
      const isToken = inputs.attentionMask.flat()
      const layerSize = expected.length / routerLogits.length
      for (const [layer, { data, shape }] of routerLogits.entries()) {
        const tokens = expected
          .slice(layer * layerSize, (layer + 1) * layerSize)
          .map((value, i) => (isToken[Math.floor(i / shape[2])] === 1 ? value : 0))
        expect(maxDifference(data, tokens), `layer ${layer}`).toBeLessThan(1e-4)
      }
      expect(Math.abs((auxLoss ?? NaN) - moe.aux_loss)).toBeLessThan(1e-5)
      expect(Math.abs((loss ?? NaN) - moe.loss_with_aux)).toBeLessThan(1e-5)
      const gradients = await model.gradients({ ...inputs, outputRouterLogits: true })
      const names = tensors.names.filter((key) => key.startsWith('moe.grad.'))
      expect(names.length).toBe({ 'gpt-oss': 0, 'qwen2-moe': 4, mixtral: 2, 'qwen3-moe': 2 }[name])
      for (const key of names)
        expect(
          relativeError(gradients.get(key.slice(9))?.data ?? new Float32Array(), await tensors.floats(key)),
          key,
        ).toBeLessThan(5e-5)
    })
  })
})

test.each(engines)(
  '%s engine: training and evaluation tell aux_loss where it is part of the loss',
  async (engine) => {
    const { moe } = readGoldenJson<Golden>('mixtral', 'golden.json')
    const folder = join(scratch, `telling-${engine}`)
    await cp(fixture('mixtral'), folder, { recursive: true })
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, output_router_logits: true }))
    const model = await AutoModelForCausalLM.fromPretrained(folder, { dtype: 'float32', engine })
    const internals = internalsOf(model)
    const { inputs } = await goldenBatch('mixtral')
    const batch = internals.flatten(inputs)
    const documents = inputs.inputIds.map((ids) => ({
      inputIds: Int32Array.from(ids),
      mask: new Uint8Array(ids.length),
      origin: { file: 'x' },
    }))
    const training = await internals.training()
    const how = {
      seed: 1,
      maxGradNorm: 1,
      lowMemory: false,
      gradientCheckpointing: false,
      packing: true,
    } as const
    const made = await addGradients(
      sft([3]),
      [{ ...batch, documents }],
      internals,
      training,
      createForwardPasses(internals, 1000),
      {
        ...how,
        packingStrategy: 'bfd',
        maxLength: 64,
        neftuneNoiseAlpha: undefined,
        passesBefore: 0,
        passSize: { perPass: 1000, activationBytes: 1e12 },
      },
    )
    expect(made.metrics?.['aux_loss']).toBeCloseTo(moe.aux_loss, 5)
    expect(made.loss).toBeCloseTo(moe.loss_with_aux, 4)
    const told = await sft([3]).evaluate?.([{ ...batch, documents }], createForwardPasses(internals, 1000))
    expect(told?.metrics?.['aux_loss']).toBeCloseTo(moe.aux_loss, 5)
    await model.free()
  },
)

describe.each(engines)('%s engine', (engine) => {
  const load = (path: string, options = {}) =>
    AutoModelForCausalLM.fromPretrained(path, { dtype: 'float32', engine, ...options })

  test('experts in MXFP4 have the numbers that Transformers gives them, and are saved whole', async () => {
    const model = await load(fixture('gpt-oss-mxfp4'))
    const tensors = await readTensors(fixture('gpt-oss-mxfp4', 'golden.safetensors'))
    const { logits } = await model.forward({ inputIds: await tensors.rows('input_ids') })
    expect(maxDifference(logits.data, await tensors.floats('logits'))).toBeLessThan(1e-4)
    const saved = join(scratch, `${engine}-mxfp4`)
    await model.save(saved, { dtype: 'float32' })
    const whole = await readTensors(join(saved, 'model.safetensors'))
    expect(await whole.floats('model.layers.0.mlp.experts.gate_up_proj')).toEqual(
      await tensors.floats('gate_up'),
    )
  })

  test('all experts in one tensor compute as each by itself, and keep their names', async () => {
    const { tensors, inputs } = await goldenBatch('mixtral')
    const folder = await changedMixtral(`${engine}-fused`, fuse)
    const model = await load(folder)
    expect(model.notices).toEqual([])
    const { logits } = await model.forward(inputs)
    expect(maxDifference(logits.data, await tensors.floats('logits'))).toBeLessThan(1e-4)
    const saved = join(scratch, `${engine}-fused-saved`)
    await model.save(saved)
    const [before, after] = await Promise.all(
      [folder, saved].map((each) => readTensors(join(each, 'model.safetensors'))),
    )
    expect(after.names.toSorted()).toEqual(before.names.toSorted())
    for (const name of before.names) expect(await after.floats(name), name).toEqual(await before.floats(name))
  })

  test.each(['int8', 'nf4'] as const)(
    'experts in %s: each by itself and all in one tensor alike',
    async (quantization) => {
      const { inputs } = await goldenBatch('mixtral')
      const paths = [fixture('mixtral'), await changedMixtral(`${engine}-${quantization}`, fuse)]
      const [single, fused] = await Promise.all(
        paths.map(async (path) => (await (await load(path, { quantization })).forward(inputs)).logits.data),
      )
      expect(maxDifference(single, fused)).toBeLessThan(1e-5)
      const model = await load(fixture('mixtral'), { quantization })
      await model.addAdapter({ r: 2 })
      expect([...(await model.gradients(inputs)).keys()].some((name) => name.includes('experts'))).toBe(false)
    },
  )
})

test('names experts that are missing or of another shape, with what is expected', async () => {
  const name = 'model.layers.1.block_sparse_moe.experts.2.w2.weight'
  const without = await changedMixtral('missing', (all) => all.filter((each) => each.name !== name))
  await expect(AutoModelForCausalLM.fromPretrained(without)).rejects.toThrow(
    new RegExp(`missing: tensor ${name}: nothing; expected shape \\[40, 48\\]`),
  )
  const unequal = await changedMixtral('unequal', (all) =>
    all.map((each) =>
      each.name === name ? { ...each, shape: [40, 47], values: each.values.slice(0, 40 * 47) } : each,
    ),
  )
  await expect(AutoModelForCausalLM.fromPretrained(unequal)).rejects.toThrow(
    new RegExp(`unequal: tensor ${name}: shape \\[40, 47\\]; expected shape \\[40, 48\\]`),
  )
})

interface Stored {
  name: string
  shape: readonly number[]
  values: Float32Array
}

/** The fixture with other tensors. */
async function changedMixtral(folder: string, change: (tensors: Stored[]) => Stored[]): Promise<string> {
  const place = join(scratch, folder)
  await mkdir(place, { recursive: true })
  await copyFile(fixture('mixtral', 'config.json'), join(place, 'config.json'))
  const path = fixture('mixtral', 'model.safetensors')
  const [{ tensors }, golden] = [await readSafetensorsHeader(path), await readTensors(path)]
  const all: Stored[] = []
  for (const [name, { shape }] of tensors) all.push({ name, shape, values: await golden.floats(name) })
  await writeSafetensors(
    join(place, 'model.safetensors'),
    change(all).map(({ name, shape, values }) => ({ name, shape, dtype: 'F32', data: async () => values })),
  )
  return place
}

/** As Transformers 5 holds experts: gate_up_proj [experts, 2 · inner, width] and down_proj [experts, width, inner]. */
function fuse(all: Stored[]): Stored[] {
  const found = new Map(all.map((each) => [each.name, each]))
  const fused: Stored[] = []
  for (const layer of [0, 1]) {
    const module = `model.layers.${layer}.block_sparse_moe`
    const of = (expert: number, name: string) =>
      found.get(`${module}.experts.${expert}.${name}.weight`)?.values ?? new Float32Array()
    const join_ = (parts: Float32Array[]) => Float32Array.from(parts.flatMap((part) => [...part]))
    const gateUp = join_([0, 1, 2, 3].flatMap((e) => [of(e, 'w1'), of(e, 'w3')]))
    const down = join_([0, 1, 2, 3].map((e) => of(e, 'w2')))
    fused.push(
      { name: `model.layers.${layer}.mlp.experts.gate_up_proj`, shape: [4, 96, 40], values: gateUp },
      { name: `model.layers.${layer}.mlp.experts.down_proj`, shape: [4, 40, 48], values: down },
    )
  }
  const others = all
    .filter(({ name }) => !name.includes('.experts.'))
    .map((each) => ({ ...each, name: each.name.replace('block_sparse_moe', 'mlp') }))
  return [...others, ...fused]
}

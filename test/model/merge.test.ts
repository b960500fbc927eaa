import { cpSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { float16ToFloat32, float32ToFloat16 } from '../../src/float16.ts'
import { readSafetensorsHeader, readTensorBytes, writeSafetensors } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'
import { createRandom } from '../../src/random.ts'
import { fixture, readTensors } from './golden.ts'

const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-merge-'))

/** A base in float16, but for its norms, some of whose numbers bfloat16 does not have, and −0. */
async function float16Base(): Promise<string> {
  const folder = temporary()
  cpSync(fixture('llama'), folder, { recursive: true })
  const { tensors } = await readSafetensorsHeader(fixture('llama', 'model.safetensors'))
  const random = createRandom(3)
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    [...tensors].map(([name, { shape }]) => {
      const count = shape.reduce((product, size) => product * size, 1)
      const values = Float32Array.from({ length: count }, (_, i) => (i % 97 === 0 ? -0 : random() - 0.5))
      const isNorm = shape.length === 1
      return { name, shape, dtype: isNorm ? 'F32' : 'F16', data: isNorm ? values : float32ToFloat16(values) }
    }),
  )
  return folder
}

const bytesOf = async (folder: string) => {
  const { tensors } = await readSafetensorsHeader(join(folder, 'model.safetensors'))
  const entries = [...tensors].map(async ([name, info]) => {
    const bytes = Buffer.from(await readTensorBytes(info)).toString('base64')
    return [name, `${info.dtype} ${bytes}`] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** An adapter on some modules, its B of nothing but zeros or not. */
async function makeAdapter(base: string, options: object, isZero: boolean): Promise<string> {
  const model = await AutoModelForCausalLM.fromPretrained(base, { engine: 'reference', dtype: 'float32' })
  await model.addAdapter({
    r: 2,
    targetModules: ['q_proj', 'down_proj'],
    initLoraWeights: isZero,
    ...options,
  })
  const folder = temporary()
  await model.saveAdapter(folder)
  return folder
}

async function merged(base: string, adapter: string, options: LoadOptions = {}): Promise<string> {
  const model = await AutoModelForCausalLM.fromPretrained(base, options)
  await model.loadAdapter(adapter)
  await model.mergeAdapter()
  const folder = temporary()
  await model.save(folder, { dtype: 'stored' })
  return folder
}

test('an adapter that adds nothing changes no byte of a float16 base', async () => {
  const base = await float16Base()
  const output = await merged(base, await makeAdapter(base, {}, true))
  expect(await bytesOf(output)).toEqual(await bytesOf(base))
  expect(JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'float16' })
})

const hasNative = nativeProblem() === undefined

test.skipIf(!hasNative).each([
  ['LoRA', {}],
  ['whole modules and biases', { modulesToSave: ['embed_tokens', 'lm_head'] }],
  ['rows of tokens', { trainableTokenIndices: { embed_tokens: [3, 9], lm_head: [5] } }],
])('%s: what is merged does not depend on the compute type, and nothing else changes', async (_, options) => {
  const base = await float16Base()
  const adapter = await makeAdapter(base, options, false)
  const output = await bytesOf(await merged(base, adapter, { dtype: 'float32' }))
  expect(await bytesOf(await merged(base, adapter, { dtype: 'bfloat16' }))).toEqual(output)
  const before = await bytesOf(base)
  const changed = Object.keys(before).filter(
    (name) => !name.includes('norm') && output[name] !== before[name],
  )
  expect(changed.toSorted()).toEqual(
    [0, 1].flatMap((layer) =>
      ['mlp.down_proj', 'self_attn.q_proj'].map((module) => `model.layers.${layer}.${module}.weight`),
    ),
  )
})

test('float16 sums are those of float32, rounded once', async () => {
  const base = await float16Base()
  const adapter = await makeAdapter(base, {}, false)
  const [weights, lora, output] = await Promise.all(
    [join(base, 'model.safetensors'), join(adapter, 'adapter_model.safetensors')].map(readTensors),
  ).then(async (tensors) => [
    ...tensors,
    await readTensors(join(await merged(base, adapter), 'model.safetensors')),
  ])
  const name = 'model.layers.1.mlp.down_proj'
  const w = await weights.floats(`${name}.weight`)
  const a = await lora.floats(`base_model.model.${name}.lora_A.weight`)
  const b = await lora.floats(`base_model.model.${name}.lora_B.weight`)
  const columns = a.length / 2
  const scaling = 32 / 2
  const sums = w.map((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    const added = b[row * 2] * a[column] + b[row * 2 + 1] * a[columns + column]
    return value + scaling * added
  })
  const rounded = float16ToFloat32(float32ToFloat16(sums))
  const own = await output.floats(`${name}.weight`)
  const different = own.filter((value, i) => value !== rounded[i]).length
  // Sums that lie between two numbers of float16 within an error of float32 may be rounded to either.
  expect(different / own.length).toBeLessThan(0.002)
})

test('float16 weights are computed with in float32, unless another type is asked for', async () => {
  const base = await float16Base()
  const { dtype } = await AutoModelForCausalLM.fromPretrained(base)
  expect(dtype).toBe('float32')
})

test('a model is not written over itself', async () => {
  const base = await float16Base()
  const model = await AutoModelForCausalLM.fromPretrained(base, { engine: 'reference' })
  await expect(model.save(base)).rejects.toThrow(
    `${base}: the folder of the model itself; expected another one`,
  )
  await model.addAdapter({ r: 2 })
  await expect(model.saveAdapter(base)).rejects.toThrow('the folder of the model itself')
})

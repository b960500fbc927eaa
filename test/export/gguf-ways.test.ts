import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { planModel } from '../../src/export/gguf/write-model.ts'
import { readPieces } from '../../src/export/gguf/tokenizer/sentencepiece.ts'
import { exportModel } from '../../src/export/index.ts'
import { readGguf, readTensorBytes, type GgufTensorToWrite } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, openUnloaded } from '../../src/model/index.ts'
import { makeWorkplace } from '../cli/tiny-model.ts'
import { fixture } from '../model/golden.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures')
const engine = 'reference'
const scratch = await makeWorkplace()
afterAll(() => rmSync(scratch, { recursive: true }))
const [tiny, adapter] = [join(scratch, 'model'), join(scratch, 'adapter')]

const toGguf = async (name: string, options: object) => {
  const output = join(scratch, name)
  await exportModel({ model: tiny, format: 'gguf', type: 'f32', output, engine, ...options })
  return output
}

async function bytesOf(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of data) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** The bytes of all tensors by their names, of all parts. */
async function tensorsOf(path: string): Promise<Map<string, string>> {
  const { tensors } = await readGguf(path)
  const entries = await Promise.all(
    [...tensors].map(async ([name, info]) => {
      const hash = createHash('sha256')
        .update(await readTensorBytes(info))
        .digest('hex')
      return [name, `${info.type} ${info.shape.join()} ${hash}`] as const
    }),
  )
  return new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

test('in several files, which are read as one', async () => {
  const whole = await toGguf('whole.gguf', { type: 'f16' })
  await toGguf('parts.gguf', { type: 'f16', maxShardBytes: 20_000 })
  const parts = readdirSync(scratch).filter((name) => /^parts-\d{5}-of-\d{5}\.gguf$/.test(name))
  expect(parts.length).toBeGreaterThan(2)
  const first = join(scratch, parts.toSorted()[0])
  expect(await tensorsOf(first)).toEqual(await tensorsOf(whole))
  // And they are a base as any other.
  const again = await toGguf('again.gguf', { model: first, type: 'f16' })
  expect(await tensorsOf(again)).toEqual(await tensorsOf(whole))
})

test('a GGUF base with an adapter is what the folder with the adapter is', async () => {
  const base = await toGguf('base.gguf', {})
  const fromGguf = await toGguf('merged-gguf.gguf', { model: base, adapter })
  const fromFolder = await toGguf('merged-folder.gguf', { adapter })
  expect(await tensorsOf(fromGguf)).toEqual(await tensorsOf(fromFolder))
  expect(await tensorsOf(fromGguf)).not.toEqual(await tensorsOf(base))
})

test('a base in 4 bits of bitsandbytes is written as the numbers that these leave', async () => {
  const [four, whole] = [join(scratch, 'four'), join(scratch, 'four-whole')]
  await exportModel({ model: tiny, format: 'safetensors', type: 'nf4', output: four, engine })
  await exportModel({ model: four, format: 'safetensors', type: 'float32', output: whole, engine })
  const direct = await toGguf('four.gguf', { model: four, adapter })
  expect(await tensorsOf(direct)).toEqual(
    await tensorsOf(await toGguf('four-whole.gguf', { model: whole, adapter })),
  )
})

test.each(['gptq', 'awq'])('a base of %s too', async (name) => {
  const model = await openUnloaded(join(fixtures, 'packed', name), undefined, { engine })
  const { gguf } = model
  if (!gguf) throw new Error('no GGUF file is written')
  const whole = join(scratch, `${name}-whole`)
  await model.save(whole, { dtype: 'float32', generationConfig: {} })
  const decoded = await openUnloaded(whole, undefined, { engine })
  const of = (tensor: GgufTensorToWrite) => bytesOf(tensor.data())
  const [packed, plain] = [model, decoded].map((each) => planModel(each, gguf, 'q8_0').tensors)
  expect(packed.map((tensor) => tensor.name)).toEqual(plain.map((tensor) => tensor.name))
  for (const [i, tensor] of packed.entries())
    expect((await of(tensor)).equals(await of(plain[i])), tensor.name).toBe(true)
})

test('gpt-oss keeps its MXFP4 blocks, in ggml’s order', async () => {
  const model = await openUnloaded(fixture('gpt-oss-mxfp4'), undefined, { engine })
  if (!model.gguf) throw new Error('no GGUF file is written')
  const { tensors, entries } = planModel(model, model.gguf, 'f16')
  // llama.cpp reads this one, and computes what Transformers does: test/fixtures/gguf-models/record_experts.py.
  const expected = await readGguf(join(fixtures, 'gguf-models', 'gpt-oss-mxfp4.gguf'))
  const experts = tensors.filter(({ name }) => name.endsWith('_exps.weight'))
  expect(experts.length).toBe(3)
  for (const { name, type, shape, data } of experts) {
    const theirs = expected.tensors.get(name)
    if (!theirs) throw new Error(name)
    expect([name, type, shape]).toEqual([name, theirs.type, theirs.shape])
    const bytes = await bytesOf(data())
    expect(bytes.equals(await readTensorBytes(theirs)), name).toBe(true)
  }
  expect(entries).toContainEqual(['general.file_type', { type: 'u32', value: 38 }])
  expect(planModel(model, model.gguf, 'f32').tensors.some(({ type }) => type === 'MXFP4')).toBe(false)
})

test('with an adapter on its experts, numbers of the type that was asked for', async () => {
  const ofExperts = join(scratch, 'experts')
  const loaded = await AutoModelForCausalLM.fromPretrained(fixture('gpt-oss-mxfp4'), { engine })
  await loaded.addAdapter({ r: 2, targetModules: [], targetParameters: ['mlp.experts.down_proj'] })
  await loaded.saveAdapter(ofExperts)
  const model = await openUnloaded(fixture('gpt-oss-mxfp4'), ofExperts, { engine })
  if (!model.gguf) throw new Error('no GGUF file is written')
  await model.merge()
  const types = new Map(planModel(model, model.gguf, 'f16').tensors.map(({ name, type }) => [name, type]))
  expect(types.get('blk.0.ffn_down_exps.weight')).toBe('F16')
  expect(types.get('blk.0.ffn_up_exps.weight')).toBe('MXFP4')
})

test('a tokenizer.model has the pieces that sentencepiece says it has', async () => {
  const folder = join(fixtures, 'sentencepiece')
  const expected = JSON.parse(readFileSync(join(folder, 'pieces.json'), 'utf8')) as [string, number, number][]
  const found = await readPieces(join(folder, 'tokenizer.model'))
  expect(found.map(({ text, score, type }) => [text, score, type])).toEqual(expected)
})

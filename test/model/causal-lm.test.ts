import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'
import { fixture } from './golden.ts'

const load = (options: LoadOptions = {}) =>
  AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference', ...options })
const inputIds = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
]

describe('what a caller may hand over', () => {
  it('flat batches with a shape give what nested ones give', async () => {
    const model = await load()
    const flat = { data: Int32Array.from(inputIds.flat()), shape: [2, 4] }
    const [a, b] = [
      await model.forward({ inputIds, labels: inputIds }),
      await model.forward({ inputIds: flat, labels: flat }),
    ]
    expect(b).toEqual(a)
    expect(b.logits.shape).toEqual([2, 4, 128])
  })

  it('an adapter that was not waited for is on the model all the same', async () => {
    const model = await load()
    void model.addAdapter({ r: 2, targetModules: ['q_proj'] })
    const gradients = await model.gradients({ inputIds, labels: inputIds })
    expect([...gradients.keys()].every((name) => name.includes('q_proj.lora_'))).toBe(true)
  })

  it('tokens are told with the row that they belong to', async () => {
    const model = await load()
    const told: [number, number][] = []
    const out = await model.generate(
      { inputIds },
      { maxNewTokens: 2, stopTokenIds: [], onToken: (token, row) => told.push([token, row]) },
    )
    expect(told).toEqual([0, 1].flatMap((at) => out.map((row, i) => [row[at], i])))
  })
})

describe('what is refused', () => {
  it.each<[string, (model: AutoModelForCausalLM) => Promise<unknown>, string]>([
    ['a row that is no list of rows', (m) => m.forward({ inputIds: [1, 2] as never }), 'a single row'],
    [
      'a flat batch of another size',
      (m) => m.forward({ inputIds: { data: new Int32Array(3), shape: [2, 2] } }),
      '3 values',
    ],
    [
      'a label outside of the vocabulary',
      (m) => m.forward({ inputIds: [[1, 2]], labels: [[1, 128]] }),
      'labels[0][1]: 128',
    ],
    ['gradients of no loss', (m) => m.gradients({ inputIds: [[1, 2]] }), 'labels: nothing'],
    ['no rows', (m) => m.resizeTokenEmbeddings(0), 'resizeTokenEmbeddings: size: 0'],
    ['no rank', (m) => m.addAdapter({ r: 0 }), 'lora.r: 0'],
    [
      'names as PEFT’s files spell them',
      (m) => m.addAdapter({ lora_alpha: 4 } as object),
      'lora.lora_alpha: an unknown field',
    ],
  ])('%s', async (_, run, says) => {
    await expect(run(await load())).rejects.toThrow(says)
  })

  it.each<[string, object, string]>([
    [
      'an engine that does not exist',
      { engine: 'cuda' },
      'engine: cuda; expected native or wasm or reference',
    ],
    [
      'a quantisation that does not exist',
      { quantization: 'int4' },
      'quantization: "int4"; expected int8, nf4, fp4 or null',
    ],
    [
      'rounded activations without int8 weights',
      { quantization: 'nf4', activationQuantization: 'int8' },
      'activationQuantization: int8 with quantization nf4; expected quantization int8',
    ],
  ])('%s', async (_, options, says) => {
    await expect(load(options)).rejects.toThrow(says)
  })
})

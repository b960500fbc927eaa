import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const peft = (...path: string[]) => join(import.meta.dirname, '..', 'fixtures', 'peft', ...path)
const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? ([{ engine: 'native', dtype: 'float32', threads: 2 }] as const) : []),
]
const load = (base: string, options: LoadOptions) =>
  AutoModelForCausalLM.fromPretrained(fixture(base), options)

/** What PEFT computes of two families; the weights of a GPT-2 lie the other way round. */
const families = [
  ['llama', ''],
  ['gpt2', '-gpt2'],
] as const

describe.each(engines)('several adapters, $engine', (options) => {
  it.each(families)(
    'compute as in PEFT: each, none, both, and what is left when one is deleted: %s',
    async (base, suffix) => {
      const golden = await readTensors(peft(`several${suffix}`, 'golden.safetensors'))
      const inputIds = await golden.rows('input_ids')
      const model = await load(base, options)
      const computes = async (name: string) => {
        const { data } = (await model.forward({ inputIds })).logits
        expect(maxDifference(data, await golden.floats(name)), name).toBeLessThan(1e-4)
      }
      await model.loadAdapter(peft(`combined${suffix}`, 'one'), { name: 'one' })
      await model.loadAdapter(peft(`combined${suffix}`, 'larger'), { name: 'larger' })
      await computes('one')
      await model.setAdapter('larger')
      expect([model.activeAdapters, model.adapterConfig?.r]).toEqual([['larger'], 5])
      await computes('larger')
      for (const [name, { data }] of await model.gradients({ inputIds, labels: inputIds }))
        expect(maxDifference(data as Float32Array, await golden.floats(`grad.${name}`)), name).toBeLessThan(
          1e-5,
        )
      await model.disableAdapter()
      await computes('disabled')
      await model.setAdapter('one')
      await computes('disabled')
      await model.enableAdapter()
      await computes('one')
      await model.withAdapterDisabled(() => computes('disabled'))
      await model.setAdapter(['one', 'larger'])
      await computes('both')
      await model.setAdapter('one')
      await model.deleteAdapter('one')
      expect([model.adapterNames, model.activeAdapters]).toEqual([['larger'], ['larger']])
      await computes('deleted')
      await model.deleteAdapter('larger')
      await computes('disabled')
      expect(model.adapterConfig).toBeNull()
    },
  )

  it('of every kind stay what they are beside each other', async () => {
    const golden = await readTensors(peft('several', 'golden.safetensors'))
    const inputs = { inputIds: await golden.rows('input_ids') }
    const adapters = ['pissa', 'untied-both', 'lora-both', 'olora', 'untied-embedding', 'dora-llama'] as const
    const alone = new Map<string, Float32Array>()
    for (const name of adapters) {
      const model = await load('llama', options)
      await model.loadAdapter(peft(name))
      alone.set(name, (await model.forward(inputs)).logits.data)
    }
    const model = await load('llama', options)
    const base = (await model.forward(inputs)).logits.data
    for (const name of adapters) await model.loadAdapter(peft(name), { name })
    await model.addAdapter({ r: 2, modulesToSave: ['norm'], bias: 'none' }, 'fresh')
    for (const name of [...adapters, ...adapters.toReversed()]) {
      await model.setAdapter(name)
      expect(maxDifference((await model.forward(inputs)).logits.data, alone.get(name) ?? base), name).toBe(0)
      await model.withAdapterDisabled(async () => {
        expect((await model.forward(inputs)).logits.data, `${name} off`).toEqual(base)
      })
    }
    const { inTurn, withAdapter, flatten } = internalsOf(model)
    const other = await inTurn(() => withAdapter('olora', (passes) => passes.logits(flatten(inputs))))
    expect(maxDifference(other, alone.get('olora') ?? base)).toBe(0)
    const folder = mkdtempSync(join(tmpdir(), 'fettle-several-'))
    await model.saveAdapter(folder, { name: 'untied-both' })
    expect(model.activeAdapters).toEqual(['pissa'])
    const again = await load('llama', options)
    await again.loadAdapter(folder)
    expect((await again.forward(inputs)).logits.data).toEqual(alone.get('untied-both'))
    await model.mergeAdapter()
    expect(model.adapterNames).toEqual([])
    expect(maxDifference((await model.forward(inputs)).logits.data, alone.get('pissa') ?? base)).toBeLessThan(
      1e-4,
    )
  })

  it.each(families)('become one as add_weighted_adapter makes it, in memory: %s', async (base, suffix) => {
    const golden = await readTensors(peft(`combined${suffix}`, 'golden.safetensors'))
    const inputs = { inputIds: await golden.rows('input_ids') }
    const model = await load(base, options)
    const names = ['one', 'other', 'larger']
    for (const name of names) await model.loadAdapter(peft(`combined${suffix}`, name), { name })
    for (const [name, count, weights, more] of [
      ['linear', 2, [0.7, -0.4], { combinationType: 'linear' }],
      ['cat', 3, [0.5, 1, -0.3], { combinationType: 'cat' }],
      ['svd', 3, [0.5, 1, -0.3], {}],
      ['svd_2', 2, [0.7, 0.4], { svdRank: 2 }],
    ] as const) {
      await model.addWeightedAdapter(names.slice(0, count), weights, { name, ...more })
      expect(model.activeAdapters).toEqual(['one'])
      await model.setAdapter(name)
      const { data } = (await model.forward(inputs)).logits
      expect(maxDifference(data, await golden.floats(name)), name).toBeLessThan(1e-4)
      await model.setAdapter('one')
    }
  })
})

describe('what cannot be', () => {
  const withTwo = async () => {
    const model = await load('llama-tied-rope3', { engine: 'reference' })
    await model.addAdapter({ r: 2 })
    await model.addAdapter({ r: 2, useDora: true }, { name: 'dora' })
    return model
  }
  const labels = [[5, 9, 3]]
  it.each<[string, (model: AutoModelForCausalLM) => Promise<unknown>, string]>([
    [
      'a name twice',
      (m) => m.addAdapter({ r: 2 }),
      "adapter: the model has one already that is called 'default'",
    ],
    ['an unknown name', (m) => m.setAdapter('x'), "adapter: no adapter 'x'; expected default, dora"],
    ['no name', (m) => m.setAdapter([]), 'setAdapter: []; expected one or more names'],
    [
      'the sum with DoRA',
      (m) => m.setAdapter(['default', 'dora']),
      "setAdapter: 'dora' beside others: more than LoRA",
    ],
    [
      'training one that is off',
      async (m) => {
        await m.disableAdapter()
        await m.gradients({ inputIds: labels, labels })
      },
      'training: the adapter is off',
    ],
    [
      'training a sum',
      async (m) => {
        await m.addAdapter({ r: 3 }, 'more')
        await m.setAdapter(['default', 'more'])
        await m.gradients({ inputIds: labels, labels })
      },
      'training: 2 adapters in use at once',
    ],
    [
      'other tables than the others have',
      (m) => m.loadAdapter(peft('resized-tied'), { name: 'resized' }),
      'tables of 135 tokens, beside adapters for 128',
    ],
    [
      'parting a tied table',
      (m) => m.addAdapter({ r: 2, modulesToSave: ['lm_head'] }, 'parts'),
      'lora.modules_to_save: one of two tied tables, beside other adapters',
    ],
  ])('%s', async (_, call, message) => {
    const model = await withTwo()
    await expect(call(model)).rejects.toThrow(message)
    await model.enableAdapter()
    await model.setAdapter('default')
    expect((await model.gradients({ inputIds: labels, labels })).size).toBeGreaterThan(0)
  })
})

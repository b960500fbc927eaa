import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import type { LoraConfig } from '../../src/peft/index.ts'
import { fixture, goldenModels, readTensors } from '../model/golden.ts'
import { createTrainer } from '../model/trainer.ts'

/** See record_groups.py. */
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/peft/groups.json', import.meta.url), 'utf8'),
) as {
  trainer: Record<string, string[]>
  adapters: {
    base: string
    options: Record<string, unknown>
    parameters: Record<string, [decays: boolean, rate: number, decay: number]>
  }[]
  steps: number[]
}

const load = (name: string) => AutoModelForCausalLM.fromPretrained(fixture(name), { engine: 'reference' })

test.each(goldenModels.filter((name) => recorded.trainer[name]))(
  '%s: weight decay is for what it is for in transformers’ Trainer',
  async (name) => {
    const model = await load(name)
    const { makeTrainable, state } = internalsOf(model)
    await makeTrainable()
    const undecayed = (state.trainable?.tensors ?? [])
      .filter(({ decay }) => !decay)
      .flatMap(({ slices }) => slices.map((slice) => slice.name))
    expect(undecayed.toSorted()).toEqual(recorded.trainer[name])
  },
)

describe('LoRA+', () => {
  const rates = { inputs: 1e-3, outputs: 16e-3, embedding: 1e-6 }

  test.each(recorded.adapters.map((each) => [each.base, JSON.stringify(each.options), each] as const))(
    '%s %s: groups are those of PEFT',
    async (base, _, { options, parameters }) => {
      const fields = Object.entries(options)
        .filter(([key]) => key !== 'fan_in_fan_out')
        .map(([key, value]) => [key.replace(/_(.)/g, (__, letter: string) => letter.toUpperCase()), value])
      const model = await load(base)
      await model.addAdapter({ r: 2, ...(Object.fromEntries(fields) as Partial<LoraConfig>) })
      const { trainable } = internalsOf(model).state
      const own = (trainable?.tensors ?? []).flatMap(({ slices, start, decay }) => {
        const group = trainable?.groups.find(
          (each) => each.start <= start && start < each.start + each.length,
        )
        if (!group) throw new Error('a tensor without a group')
        const all = [decay, rates[group.rate], group.decaysInLoraPlus ? 0.01 : 0]
        return slices.map(({ name }) => [name, all])
      })
      expect(Object.fromEntries(own)).toEqual(parameters)
    },
  )

  test('six steps are those of PEFT', async () => {
    const model = await load('llama')
    await model.loadAdapter(fixture('llama', 'lora_init'))
    const golden = await readTensors(fixture('llama', 'golden.safetensors'))
    const inputs = {
      inputIds: await golden.rows('input_ids'),
      attentionMask: await golden.rows('attention_mask'),
      labels: await golden.rows('labels'),
    }
    const learned = inputs.labels.flatMap((row) => row.slice(1)).filter((label) => label !== -100).length
    const { add, step } = await createTrainer(model, {
      weightDecay: 0.01,
      loraPlus: { outputs: 16, embedding: 1e-3 },
    })
    for (const loss of recorded.steps) {
      expect(Math.abs((await add(inputs, 1 / learned)) / learned - loss)).toBeLessThan(1e-4)
      await step(1e-3, 1)
    }
  })
})

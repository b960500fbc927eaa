import { join } from 'node:path'
import { expect } from 'vitest'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

/*
 * What record_dora.py and record_tables.py write of an adapter, and what fettle's is held to by it.
 */

/** A model of the fixtures with an adapter on it. */
export async function loadAdapted(
  base: string,
  adapter: string,
  options: LoadOptions,
): Promise<AutoModelForCausalLM> {
  const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
  await model.loadAdapter(adapter)
  return model
}

/** The recorded values in a folder, the batch that they are of, and what makes rows of padding count for nothing. */
export async function readAdapterGolden(folder: string) {
  const golden = await readTensors(join(folder, 'golden.safetensors'))
  const inputs = {
    inputIds: await golden.rows('input_ids'),
    attentionMask: await golden.rows('attention_mask'),
    labels: await golden.rows('labels'),
  }
  const mask = inputs.attentionMask.flat()
  const shown = (logits: Float32Array) =>
    logits.map((value, i) => (mask[Math.floor((i * mask.length) / logits.length)] === 1 ? value : 0))
  return { golden, inputs, shown }
}

type AdapterGolden = Awaited<ReturnType<typeof readAdapterGolden>>

/** Logits, loss and the gradients of every tensor of the adapter, and no others. */
export async function expectPeftValues(
  model: AutoModelForCausalLM,
  { golden, inputs, shown }: AdapterGolden,
): Promise<void> {
  const { logits, loss } = await model.forward(inputs)
  expect(maxDifference(logits.data, shown(await golden.floats('logits')))).toBeLessThan(1e-4)
  expect(loss).toBeCloseTo((await golden.floats('loss'))[0], 5)

  const gradients = await model.gradients(inputs)
  const names = golden.names.filter((tensor) => tensor.startsWith('grad.'))
  expect([...gradients.keys()].map((key) => `grad.${key}`).toSorted()).toEqual(names.toSorted())
  for (const [key, { data, shape }] of gradients) {
    expect(relativeError(data, await golden.floats(`grad.${key}`)), key).toBeLessThan(5e-5)
    expect(shape.reduce((product, size) => product * size, 1)).toBe(data.length)
  }
}

/** The file that the model writes of its adapter has the tensors of PEFT's. */
export async function expectPeftFile(
  model: AutoModelForCausalLM,
  folder: string,
  recorded: string,
): Promise<void> {
  await model.saveAdapter(folder)
  const [ours, saved] = await Promise.all(
    [folder, recorded].map((path) => readTensors(join(path, 'adapter_model.safetensors'))),
  )
  expect(ours.names.toSorted()).toEqual(saved.names.toSorted())
  for (const key of saved.names) expect(await ours.floats(key), key).toEqual(await saved.floats(key))
}

/** Token by token, each is the likeliest of a whole pass. */
export async function expectSameWhenCached(
  model: AutoModelForCausalLM,
  prompt: readonly number[],
): Promise<void> {
  const [generated] = await model.generate({ inputIds: [[...prompt]] }, { maxNewTokens: 3, doSample: false })
  const whole = await model.forward({ inputIds: [[...prompt, ...generated]] })
  const width = model.vocabSize
  generated.forEach((token, i) => {
    const row = whole.logits.data.subarray((prompt.length - 1 + i) * width, (prompt.length + i) * width)
    expect(row[token]).toBeCloseTo(Math.max(...row), 4)
  })
}

/** Merges the adapter; gives the logits of the saved model. */
export async function mergedLogits(
  model: AutoModelForCausalLM,
  folder: string,
  inputs: AdapterGolden['inputs'],
  options: LoadOptions,
): Promise<Float32Array> {
  await model.mergeAdapter()
  await model.save(folder)
  const merged = await AutoModelForCausalLM.fromPretrained(folder, options)
  return (await merged.forward(inputs)).logits.data
}

/**
 * Makes the twelve recorded steps; the losses and the adapter afterwards are those of PEFT.
 *
 * @param checkNorm  what is expected of the gradients' norm
 */
export async function expectPeftSteps(
  model: AutoModelForCausalLM,
  { golden, inputs }: AdapterGolden,
  folder: string,
  checkNorm: (norm: number, recorded: number, step: string) => void,
): Promise<void> {
  const steps = await golden.floats('steps')
  const learned = inputs.labels.flatMap((row) => row.slice(1)).filter((label) => label !== -100).length
  const { add, step } = await createTrainer(model, { weightDecay: 0.01 })
  for (let i = 0; i < 12; i += 1) {
    const sum = await add(inputs, 1 / learned)
    const norm = await step(5e-3, 1)
    expect(Math.abs(sum / learned - steps[2 * i]), `loss of step ${i + 1}`).toBeLessThan(1e-4)
    checkNorm(norm, steps[2 * i + 1], `norm of step ${i + 1}`)
  }
  await model.saveAdapter(folder)
  const own = await readTensors(join(folder, 'adapter_model.safetensors'))
  const finals = golden.names.filter((name) => name.startsWith('final.'))
  // Whole tables, which no step changes, are not recorded again.
  const trained = own.names.filter((name) => !name.endsWith('.base_layer.weight'))
  expect(trained.map((name) => `final.${name}`).toSorted()).toEqual(finals.toSorted())
  for (const key of trained)
    expect(maxDifference(await own.floats(key), await golden.floats(`final.${key}`)), key).toBeLessThan(2e-4)
}

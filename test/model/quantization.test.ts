import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quantizations } from '../../src/engine/index.ts'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { maxDifference, readTensors } from './golden.ts'
import { createTrainer } from './trainer.ts'

const folder = join(import.meta.dirname, '..', 'fixtures', 'quantization')
const golden = await readTensors(join(folder, 'golden.safetensors'))
const inputIds = await golden.rows('input_ids')
const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-quantization-'))
})
afterAll(() => rm(scratch, { recursive: true }))

describe.each(engines)('%s engine', (engine) => {
  describe.each(quantizations)('%s', (quantization) => {
    const load = () =>
      AutoModelForCausalLM.fromPretrained(join(folder, 'base'), { dtype: 'float32', engine, quantization })

    it('computes with the numbers that bitsandbytes leaves', async () => {
      const model = await load()
      expect(model.quantization).toBe(quantization)
      const { logits } = await model.forward({ inputIds })
      expect(maxDifference(logits.data, await golden.floats(`${quantization}.base_logits`))).toBeLessThan(
        1e-4,
      )
    })

    it('trains LoRA as PEFT does on them, and merges into them', async () => {
      const model = await load()
      await model.loadAdapter(join(folder, 'adapter'))
      const trainer = await createTrainer(model, { weightDecay: 0.01 })
      const losses = await golden.floats(`${quantization}.losses`)
      const norms = await golden.floats(`${quantization}.norms`)
      const count = inputIds.reduce((sum, row) => sum + row.length - 1, 0)
      for (const [i, expected] of losses.entries()) {
        const loss = (await trainer.add({ inputIds, labels: inputIds }, 1 / count)) / count
        expect(Math.abs(loss - expected), `loss of step ${i}`).toBeLessThan(1e-4)
        const norm = await trainer.step(0.01)
        expect(Math.abs(norm - norms[i]), `norm of step ${i}`).toBeLessThan(1e-4)
      }
      const { logits } = await model.forward({ inputIds })
      const expectedLogits = await golden.floats(`${quantization}.logits`)
      expect(maxDifference(logits.data, expectedLogits)).toBeLessThan(5e-4)
      const saved = join(scratch, `${engine}-${quantization}`)
      await model.saveAdapter(saved)
      const trained = await readTensors(join(saved, 'adapter_model.safetensors'))
      const prefix = `${quantization}.final.`
      const names = golden.names.filter((name) => name.startsWith(prefix))
      expect(trained.names.toSorted()).toEqual(names.map((name) => name.slice(prefix.length)).toSorted())
      for (const name of names) {
        const found = await trained.floats(name.slice(prefix.length))
        expect(maxDifference(found, await golden.floats(name)), name).toBeLessThan(2e-4)
      }
      await model.mergeAdapter()
      const merged = await model.forward({ inputIds })
      expect(maxDifference(merged.logits.data, expectedLogits)).toBeLessThan(5e-4)
      const file = join(scratch, `${engine}-${quantization}-merged`)
      await model.save(file)
      const name = 'model.layers.1.mlp.down_proj.weight'
      const written = await (await readTensors(join(file, 'model.safetensors'))).floats(name)
      const expected = await golden.floats(`${quantization}.merged.${name}`)
      expect(maxDifference(written, expected)).toBeLessThan(2e-4)
    })

    it('generates what it computes whole', async () => {
      const model = await load()
      const prompt = inputIds[0].slice(0, 5)
      const [tokens] = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 8, stopTokenIds: [] })
      // The head has 8 bits in generation: each token is among the best of the whole pass, within what that rounds.
      const { logits } = await model.forward({ inputIds: [[...prompt, ...tokens]] })
      const width = model.vocabSize
      tokens.forEach((token, i) => {
        const at = (prompt.length - 1 + i) * width
        const row = logits.data.subarray(at, at + width)
        const best = Math.max(...row)
        expect(best - row[token]).toBeLessThan(0.02 * (best - Math.min(...row)))
      })
    })

    it('says after merging how its weights are held: merged ones are not quantised any more', async () => {
      const model = await load()
      const mergedInto = async (targetModules: string | string[]) => {
        await model.addAdapter({ r: 2, targetModules })
        await model.mergeAdapter()
        return model.quantization
      }
      expect(await mergedInto(['q_proj'])).toBe(quantization)
      expect(await mergedInto('all-linear')).toBeNull()
      // Nothing is quantised, and so everything can be trained.
      await expect(internalsOf(model).training()).resolves.toBeDefined()
    })

    it('does not train the quantised weights themselves', async () => {
      const model = await load()
      await expect(internalsOf(model).training()).rejects.toThrow(
        `${quantization} weights without an adapter`,
      )
    })
  })
  it('rounds activations to 8 bits in passes of many tokens, and trains through it', async () => {
    const load = (activationQuantization: 'int8' | null) =>
      AutoModelForCausalLM.fromPretrained(join(folder, 'base'), {
        dtype: 'float32',
        engine,
        quantization: 'int8',
        activationQuantization,
      })
    const model = await load('int8')
    expect(model.activationQuantization).toBe('int8')
    const { logits } = await model.forward({ inputIds })
    // Each of its 14 products rounds to one part in 254 of a block's largest value.
    const expected = await golden.floats('int8.base_logits')
    const apart = relativeDifference(logits.data, expected)
    expect(apart).toBeGreaterThan(1e-3)
    expect(apart).toBeLessThan(0.05)

    const gradients = async (each: AutoModelForCausalLM) => {
      await each.loadAdapter(join(folder, 'adapter'))
      return each.gradients({ inputIds, labels: inputIds })
    }
    const exact = await gradients(await load(null))
    for (const [name, { data }] of await gradients(model))
      expect(relativeDifference(data, exact.get(name)?.data ?? []), name).toBeLessThan(0.1)

    // Few tokens are computed as without it.
    const options = { maxNewTokens: 8, stopTokenIds: [] }
    const prompt = { inputIds: [inputIds[0].slice(0, 5)] }
    const plain = await load(null)
    await plain.loadAdapter(join(folder, 'adapter'))
    expect(await model.generate(prompt, options)).toEqual(await plain.generate(prompt, options))
  })
})

function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [errors, squares] = [0, 0]
  for (let i = 0; i < a.length; i += 1) {
    errors += (a[i] - b[i]) ** 2
    squares += b[i] ** 2
  }
  return Math.sqrt(errors / squares)
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { fixture, maxDifference, readGoldenJson, readTensors, relativeError } from './golden.ts'

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)
const models = ['mixtral', 'qwen3-moe', 'gpt-oss'] as const

interface Golden {
  moe: { aux_loss: number; loss_with_aux: number }
}

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-experts-'))
})
afterAll(() => rm(scratch, { recursive: true }))

async function goldenInputs(name: string) {
  const tensors = await readTensors(fixture(name, 'golden.safetensors'))
  const inputs = {
    inputIds: await tensors.rows('input_ids'),
    attentionMask: await tensors.rows('attention_mask'),
    labels: await tensors.rows('labels'),
  }
  return { tensors, inputs }
}

describe.each(engines)('%s engine in float32 against Transformers', (engine) => {
  describe.each(models)('%s', (name) => {
    const { moe } = readGoldenJson<Golden>(name, 'golden.json')

    test('router logits, auxiliary loss and its gradients', async () => {
      const model = await AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine })
      const { tensors, inputs } = await goldenInputs(name)
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
      expect(names.length).toBe(name === 'gpt-oss' ? 0 : 2)
      for (const key of names)
        expect(
          relativeError(gradients.get(key.slice(9))?.data ?? new Float32Array(), await tensors.floats(key)),
          key,
        ).toBeLessThan(5e-5)
    })
  })
})

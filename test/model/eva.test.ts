import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import {
  AutoModelForCausalLM,
  internalsOf,
  type ForwardInputs,
  type LoadOptions,
} from '../../src/model/index.ts'
import type { LoraConfig } from '../../src/peft/index.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'
import { createTrainer } from './trainer.ts'

/** What PEFT begins; see test/peft/record_eva.py. */
const recorded = (name: string, file: string) =>
  join(import.meta.dirname, '..', 'fixtures', 'peft', `eva-${name}`, file)

const attention = ['q_proj', 'k_proj', 'v_proj', 'o_proj']
const cases: [
  name: string,
  base: string,
  lora: Partial<LoraConfig>,
  eva: Partial<LoraConfig['evaConfig']>,
][] = [
  ['as-it-is', 'llama', { r: 12, targetModules: [...attention, 'gate_proj'] }, { tau: 0.9 }],
  ['all-linear', 'llama', { r: 4 }, { rho: 2.5, tau: 0.95 }],
  [
    'whiten',
    'qwen3',
    { r: 3, useRslora: true, targetModules: ['q_proj', 'o_proj', 'down_proj'] },
    { rho: 1.5, tau: 0.9, whiten: true, useLabelMask: false, adjustScalingFactors: false },
  ],
  [
    'patterns',
    'gemma3',
    {
      r: 3,
      rankPattern: { q_proj: 5, [String.raw`layers\.1\..*`]: 2 },
      alphaPattern: { o_proj: 10 },
      targetModules: [...attention, 'up_proj'],
    },
    { tau: 0.9 },
  ],
  ['no-redistribution', 'gpt2', { r: 3, targetModules: ['c_attn', 'mlp.c_proj'] }, { rho: 1, tau: 0.9 }],
]

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-eva-'))
const batchesOf = async (golden: Awaited<ReturnType<typeof readTensors>>): Promise<ForwardInputs[]> =>
  Promise.all(
    [0, 1, 2, 3, 4].map(async (n) => ({
      inputIds: await golden.rows(`input_ids.${n}`),
      attentionMask: await golden.rows(`attention_mask.${n}`),
      labels: await golden.rows(`labels.${n}`),
    })),
  )

describe.each(engines)('adapters that begin with what the data activate, on $engine', (options) => {
  it.each(cases)(
    '%s: ranks, alphas and A are those of PEFT, and so are three steps',
    async (name, base, lora, eva) => {
      const golden = await readTensors(recorded(name, 'golden.safetensors'))
      const batches = await batchesOf(golden)
      const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
      const evaConfig = {
        rho: 2,
        tau: 0.99,
        useLabelMask: true,
        whiten: false,
        adjustScalingFactors: true,
        ...eva,
      }
      await model.addAdapter({ loraAlpha: 6, ...lora, initLoraWeights: 'eva', evaConfig }, { batches })
      const folder = temporary()
      await model.saveAdapter(folder)
      const config = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
      const [own, theirs] = [
        config(join(folder, 'adapter_config.json')),
        config(recorded(name, 'adapter_config.json')),
      ]
      for (const key of ['rank_pattern', 'alpha_pattern', 'eva_config', 'init_lora_weights'])
        expect(own[key], key).toEqual(theirs[key])
      const adapter = await readTensors(join(folder, 'adapter_model.safetensors'))
      const modules = golden.names.filter((each) => each.startsWith('A.')).map((each) => each.slice(2))
      expect(adapter.names.filter((each) => each.endsWith('lora_A.weight')).toSorted()).toEqual(
        modules.map((module) => `base_model.model.${module}.lora_A.weight`).toSorted(),
      )
      for (const module of modules) {
        const a = await adapter.floats(`base_model.model.${module}.lora_A.weight`)
        expect(maxDifference(a, await golden.floats(`A.${module}`)), module).toBeLessThan(2e-3)
      }

      const { add, step } = await createTrainer(model)
      for (const loss of await golden.floats('losses')) {
        const { learnedTokens } = internalsOf(model).flatten(batches[0])
        const sum = await add(batches[0], 1 / learnedTokens)
        await step(1e-3, 0)
        expect(Math.abs(sum / learnedTokens - loss)).toBeLessThan(1e-4)
      }
      // What is saved is what is loaded.
      const again = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
      await model.saveAdapter(folder)
      await again.loadAdapter(folder)
      const [{ logits }, { logits: loaded }] = [
        await model.forward(batches[1]),
        await again.forward(batches[1]),
      ]
      expect(maxDifference(logits.data, loaded.data)).toBeLessThan(1e-6)
    },
  )
})

describe('what EVA cannot begin with', () => {
  const eva = { r: 2, initLoraWeights: 'eva' } as const
  const batches = [{ inputIds: [[1, 2, 3]], labels: [[-100, 2, 3]] }]
  const add = async (
    lora: Partial<LoraConfig>,
    options: Parameters<AutoModelForCausalLM['addAdapter']>[1],
  ) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
    await model.addAdapter({ targetModules: ['q_proj'], ...eva, ...lora }, options)
  }
  it.each<[string, Partial<LoraConfig>, Parameters<AutoModelForCausalLM['addAdapter']>[1], string]>([
    ['no batches', {}, {}, 'addAdapter: options.batches: no batch with tokens that have labels'],
    [
      'labels without one',
      {},
      { batches: [{ inputIds: [[1, 2]], labels: [[-100, -100]] }] },
      'no batch with tokens',
    ],
    [
      'batches too small',
      {},
      { batches },
      'batches of at most 2 tokens that have labels; expected 4 or more',
    ],
    [
      'more directions than numbers',
      { r: 30 },
      { batches },
      'up to 60 directions of model.layers.0.self_attn.q_proj; expected at most 48',
    ],
    [
      'a table',
      { targetModules: ['q_proj', 'lm_head'] },
      { batches },
      '"eva" for lm_head; expected LoRA on linear layers',
    ],
  ])('%s', async (_, lora, options, message) => {
    await expect(add(lora, options)).rejects.toThrow(message)
  })
})

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loraConfig, readAdapterConfig } from '../../src/peft/index.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'

test('addAdapter and trainSft have the same defaults', () => {
  const { taskType, ...fields } = loraConfig({})
  expect(fields).toEqual(readTrainOptions({ data: ['train.jsonl'] }).lora)
  expect(fields).toMatchObject({ r: 16, loraAlpha: 32, loraDropout: 0, targetModules: 'all-linear' })
  expect(taskType).toBe('CAUSAL_LM')
})

test.each<[string, object, string]>([
  ['a rank of zero', { r: 0 }, 'lora.r: 0; expected a number from 1.'],
  [
    'a rank of one module',
    { rankPattern: { q_proj: 0.5 } },
    'lora.rankPattern.q_proj: 0.5; expected a whole number.',
  ],
  ['another bias', { bias: 'some' }, 'lora.bias: "some"; expected none or all or lora_only.'],
  ['a dropout of one', { loraDropout: 1 }, 'lora.loraDropout: 1; expected a number below 1.'],
  ['a name of PEFT’s files', { lora_alpha: 4 }, 'lora.lora_alpha: an unknown field; expected r, loraAlpha,'],
])('%s is refused', (_, given, message) => {
  expect(() => loraConfig(given)).toThrow(message)
})

describe('adapter_config.json', () => {
  const readAll = (config: object) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-lora-config-'))
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', ...config }))
    return readAdapterConfig(folder)
  }

  const read = async (config: object) => (await readAll(config)).values
  const notices = async (config: object) => (await readAll(config)).notices

  test('what it leaves out is as in PEFT’s class, not as fettle would train', async () => {
    expect(await read({ target_modules: ['q_proj'] })).toMatchObject({ r: 8, loraAlpha: 8, loraDropout: 0 })
  })

  test('empty lists are as good as none', async () => {
    const config = await read({ r: 4, target_modules: ['q_proj'], modules_to_save: [], exclude_modules: [] })
    expect(config.modulesToSave).toBeUndefined()
    expect(config.excludeModules).toBeUndefined()
  })

  const wrong: [string, object, string][] = [
    ['no modules', { target_modules: null }, 'target_modules: null; expected a text or a list'],
    ['a number of modules', { target_modules: 7 }, 'target_modules: 7; expected a text or a list'],
    [
      'modules to save as a text',
      { modules_to_save: 'lm_head' },
      'modules_to_save: "lm_head"; expected a list',
    ],
    ['a rank as a text', { r: '8' }, 'r: "8"; expected a number'],
    ['a rank of nothing', { r: null }, 'r: null; expected a number'],
    ['patterns in a list', { rank_pattern: [4] }, 'rank_pattern: [4]; expected names with values'],
    ['another bias', { bias: 'some' }, 'bias: "some"; expected none or all or lora_only'],
    ['another task', { task_type: 'TOKEN_CLS' }, 'task_type: "TOKEN_CLS"; expected CAUSAL_LM or SEQ_CLS'],
    ['a DoRA that is neither', { use_dora: 'yes' }, 'use_dora: "yes"; expected true or false'],
    ['routed adapters', { arrow_config: { top_k: 2 } }, 'arrow_config: {"top_k": 2}; expected null'],
    ['replicated layers', { layer_replication: [[0, 2]] }, 'layer_replication: [[0, 2]]; expected null'],
    ...['pissa_niter_4', 'corda', 'lora_ga', 'mica', 'newly_found'].map((init): [string, object, string] => [
      `initial weights by ${init}`,
      { init_lora_weights: init },
      `init_lora_weights: "${init}"; expected true, false, gaussian or orthogonal or eva or pissa or olora or loftq. What it made`,
    ]),
  ]
  test.each(wrong)('%s is an error about the field', async (_, config, message) => {
    await expect(read({ target_modules: ['q_proj'], ...config })).rejects.toThrow(
      `adapter_config.json: ${message}`,
    )
  })

  test('everything that is wrong is said at once, and no value at length', async () => {
    const reading = read({ target_modules: 5, r: 'x'.repeat(5000), lora_bias: true })
    await expect(reading).rejects.toThrow(/r: "x{1,200}….*\n.*target_modules: 5.*\n.*lora_bias: true/)
  })

  test.each([
    { fan_in_fan_out: true, inference_mode: false, peft_version: '0.21.2', megatron_core: 'megatron.core' },
    { use_dora: null, target_parameters: [], use_bdlora: null, loftq_config: {}, qalora_group_size: 16 },
    { init_lora_weights: 'eva', eva_config: { rho: 2 } },
  ])('what changes nothing loads: %o', async (config) => {
    expect(await notices({ target_modules: ['q_proj'], ...config })).toEqual([])
  })

  test('what is not known is named as not read, what only training would notice as not obeyed', async () => {
    const [one, other] = await notices({
      target_modules: ['q_proj'],
      use_newthing: true,
      velora_config: { r: 1 },
    })
    expect(one.found).toBe('velora_config: {"r": 1}')
    expect(other.found).toBe('keys that fettle does not read: use_newthing')
  })
})

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
  const read = (config: object) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-lora-config-'))
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', ...config }))
    return readAdapterConfig(folder)
  }

  test('what it leaves out is as in PEFT’s class, not as fettle would train', async () => {
    expect(await read({ target_modules: ['q_proj'] })).toMatchObject({ r: 8, loraAlpha: 8, loraDropout: 0 })
  })

  test('empty lists are as good as none', async () => {
    const config = await read({ r: 4, target_modules: ['q_proj'], modules_to_save: [], exclude_modules: [] })
    expect(config.modulesToSave).toBeUndefined()
    expect(config.excludeModules).toBeUndefined()
  })

  test('which modules it changes has to be said', async () => {
    await expect(read({ r: 4, target_modules: null })).rejects.toThrow('no target_modules')
  })
})

import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeIsas } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { readTensors, relativeError } from './golden.ts'

const packed = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'packed', name)
const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeIsas().length > 0
    ? ([
        { engine: 'native', dtype: 'float32' },
        { engine: 'native', dtype: 'bfloat16' },
      ] as const)
    : []),
]
/** How many matrices are read in place. */
const cases = { gptq: 4, 'gptq-order': 0, 'gptq-8': 4, awq: 4 } as const

describe.each(engines)('$engine in $dtype', (options) => {
  it.each(Object.entries(cases))('%s computes as the numbers that it stands for', async (name, inPlace) => {
    const golden = await readTensors(join(packed(name), 'golden.safetensors'))
    await using model = await AutoModelForCausalLM.fromPretrained(packed(name), options)
    expect(model.notices).toEqual([])
    expect(internalsOf(model).state.forms.size).toBe(inPlace)
    const inputs = { inputIds: await golden.rows('input_ids') }
    const { logits } = await model.forward(inputs)
    const bound = options.dtype === 'bfloat16' ? 0.02 : 1e-5
    expect(relativeError(logits.data, await golden.floats('logits'))).toBeLessThan(bound)
    await model.addAdapter({ r: 2, initLoraWeights: false })
    expect((await model.gradients({ ...inputs, labels: inputs.inputIds })).size).toBe(14)
  })
})

it('saves the numbers whole', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-packed-'))
  const golden = await readTensors(join(packed('awq'), 'golden.safetensors'))
  const model = await AutoModelForCausalLM.fromPretrained(packed('awq'), { engine: 'reference' })
  await model.save(folder, { dtype: 'float32' })
  const again = await AutoModelForCausalLM.fromPretrained(folder, { engine: 'reference' })
  const { logits } = await again.forward({ inputIds: await golden.rows('input_ids') })
  expect(relativeError(logits.data, await golden.floats('logits'))).toBeLessThan(1e-5)
})

describe('refused by name', () => {
  const changed = (name: string, change: (quantization: Record<string, unknown>) => void) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-packed-'))
    cpSync(packed(name), folder, { recursive: true })
    const path = join(folder, 'config.json')
    const config = JSON.parse(readFileSync(path, 'utf8')) as { quantization_config: Record<string, unknown> }
    change(config.quantization_config)
    writeFileSync(path, JSON.stringify(config))
    return AutoModelForCausalLM.fromPretrained(folder, { engine: 'reference' })
  }
  it.each<[string, string, Record<string, unknown>, string]>([
    ['three bits', 'gptq', { bits: 3 }, 'quantization_config.bits: GPTQ in 3 bits; expected 4 or 8'],
    ['AWQ in eight bits', 'awq', { bits: 8 }, 'quantization_config.bits: AWQ in 8 bits; expected 4'],
    ["AWQ's other layout", 'awq', { version: 'gemv' }, 'version: "gemv"'],
    ["Marlin's layout", 'gptq', { checkpoint_format: 'marlin' }, 'checkpoint_format: "marlin"'],
    ['other bits for some modules', 'gptq', { dynamic: { '.*down': { bits: 8 } } }, 'dynamic: '],
    ['codes that do not fit', 'gptq', { bits: 8 }, 'expected I32 [3, 16]'],
  ])('%s', async (_, name, change, message) => {
    await expect(changed(name, (given) => Object.assign(given, change))).rejects.toThrow(message)
  })
})

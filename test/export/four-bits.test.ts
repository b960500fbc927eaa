import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { exportModel } from '../../src/export/index.ts'
import { openWeightFiles, readSafetensorsHeader, readTensorBytes } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, openUnloaded } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from '../model/golden.ts'

// Recorded from Transformers and bitsandbytes by test/fixtures/bitsandbytes/record_export.py.
const golden = (name: string) =>
  join(import.meta.dirname, '..', 'fixtures', 'bitsandbytes', `${name}.safetensors`)
const scratch = mkdtempSync(join(tmpdir(), 'fettle-four-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const kinds = {
  nf4: { type: 'nf4', isDouble: false },
  'nf4-double': { type: 'nf4', isDouble: true },
} as const

async function exported(model: string, kind: keyof typeof kinds, maxShardBytes = 1e9): Promise<string> {
  const output = mkdtempSync(join(scratch, 'm-'))
  const opened = await openUnloaded(fixture(model), undefined, { engine: 'reference' })
  await opened.save(output, { fourBits: kinds[kind], generationConfig: {}, maxShardBytes })
  return output
}

const stateName = /quant_state\.bitsandbytes__nf4$/

test.each(['nf4', 'nf4-double'] as const)(
  '%s: the tensors that bitsandbytes has of the same numbers',
  async (type) => {
    // In several files, with what belongs to one matrix in more than one of them.
    const output = await exported('qwen3', type, 20_000)
    const found = await openWeightFiles(output)
    expect(new Set([...found.values()].map(({ path }) => path)).size).toBeGreaterThan(2)
    const { tensors: expected } = await readSafetensorsHeader(golden(`export-${type}`))
    expect([...found.keys()].filter((name) => name.includes('_proj.weight')).toSorted()).toEqual(
      [...expected.keys()].toSorted(),
    )
    for (const [name, info] of expected) {
      const own = found.get(name)
      if (!own) throw new Error(name)
      const [bytes, theirs] = [await readTensorBytes(own), await readTensorBytes(info)]
      if (stateName.test(name)) {
        const [state, expectedState] = [bytes, theirs].map(
          (each) => JSON.parse(new TextDecoder().decode(each)) as Record<string, unknown>,
        )
        const { nested_offset: offset, ...rest } = state
        const { nested_offset: expectedOffset, ...others } = expectedState
        expect(rest, name).toEqual(others)
        // A mean, whose sums have other orders.
        if (type === 'nf4-double') expect(Number(offset)).toBeCloseTo(Number(expectedOffset), 6)
      } else if (name.endsWith('.absmax') && type === 'nf4-double') {
        // bitsandbytes' CPU kernel looks codes up in a table: of two that are as near but for 1e-5 it may take the farther one.
        const apart = [...bytes].map((code, i) => Math.abs(code - theirs[i]))
        expect(Math.max(...apart), name).toBeLessThanOrEqual(1)
        expect(apart.filter((each) => each > 0).length, name).toBeLessThanOrEqual(1)
      } else if (name.endsWith('nested_absmax')) {
        const numbers = (each: Uint8Array) => new Float32Array(Uint8Array.from(each).buffer)
        expect(maxDifference(numbers(bytes), numbers(theirs)), name).toBeLessThan(1e-6)
      } else expect(Buffer.from(bytes).equals(theirs), name).toBe(true)
      if (!stateName.test(name)) expect([own.dtype, own.shape]).toEqual([info.dtype, info.shape])
    }
  },
)

test.each(['nf4', 'nf4-double'] as const)(
  '%s: loads, and computes what Transformers computes with it',
  async (type) => {
    const output = await exported('qwen3', type)
    const config = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as Record<string, unknown>
    expect(config).toMatchObject({
      dtype: 'float32',
      quantization_config: {
        quant_method: 'bitsandbytes',
        load_in_4bit: true,
        bnb_4bit_quant_type: 'nf4',
        bnb_4bit_use_double_quant: type === 'nf4-double',
        bnb_4bit_compute_dtype: 'float32',
        llm_int8_skip_modules: ['model.embed_tokens', 'lm_head'],
      },
    })
    const model = await AutoModelForCausalLM.fromPretrained(output, { dtype: 'float32', engine: 'reference' })
    expect([model.quantization, model.notices]).toEqual(['nf4', []])
    const logits = await readTensors(golden('export-logits'))
    const found = await model.forward({ inputIds: await logits.rows('input_ids') })
    // With rounded scales three of 500 scales have another code; see above.
    const most = type === 'nf4' ? 1e-4 : 0.03
    expect(maxDifference(found.logits.data, await logits.floats(type))).toBeLessThan(most)
  },
)

test.each([
  ['mixtral', /experts, which bitsandbytes leaves whole.*--quantization nf4/],
  ['gpt2', /matrices of GPT-2, whose rows are inputs/],
])('%s is refused, with what to do', async (model, says) => {
  await expect(exported(model, 'nf4')).rejects.toThrow(says)
})

test('is a type of an export, with what the certificate says of it', async () => {
  const tiny = join(import.meta.dirname, '..', '..', 'assets', 'tiny-llama')
  const output = join(scratch, 'tiny')
  const { type, files } = await exportModel({
    model: tiny,
    format: 'safetensors',
    type: 'nf4-double',
    output,
    engine: 'reference',
  })
  expect(type).toBe('nf4-double')
  expect(files.map(({ path }) => basename(path))).toContain('tokenizer.json')
  const { quantization_config: config } = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as {
    quantization_config: object
  }
  expect(config).toMatchObject({ bnb_4bit_use_double_quant: true })
})

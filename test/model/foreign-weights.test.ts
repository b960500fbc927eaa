import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { describeProblem, FettleError } from '../../src/error.ts'
import {
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  writeSafetensors,
} from '../../src/formats/index.ts'
import type { TensorToWrite } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, checkModel } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-foreign-'))
})
afterAll(() => rm(scratch, { recursive: true }))

/** A copy of the Llama fixture with other keys in config.json and other tensors. */
async function variant(
  config: Record<string, unknown>,
  change: (tensors: TensorToWrite[]) => TensorToWrite[] = (tensors) => tensors,
  model = 'llama',
): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'm-'))
  const { tensors } = await readSafetensorsHeader(fixture(model, 'model.safetensors'))
  const stored: TensorToWrite[] = []
  for (const [name, info] of tensors) {
    const values = toFloat32(await readTensorBytes(info), info.dtype)
    stored.push({ name, dtype: 'F32', shape: info.shape, data: async () => values })
  }
  await writeSafetensors(join(folder, 'model.safetensors'), change(stored))
  const given = JSON.parse(await readFile(fixture(model, 'config.json'), 'utf8')) as Record<string, unknown>
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...given, ...config }))
  return folder
}

const zeros = (name: string, shape: number[]): TensorToWrite => ({
  name,
  dtype: 'F32',
  shape,
  data: async () => new Float32Array(shape.reduce((product, size) => product * size, 1)),
})

const open = (folder: string, engine: (typeof engines)[number] = 'reference') =>
  AutoModelForCausalLM.fromPretrained(folder, { dtype: 'float32', engine })

const refusal = async (folder: string): Promise<string> => {
  const error = await open(folder).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(FettleError)
  return (error as FettleError).message
}

describe.each(engines)('checkpoints of bitsandbytes on the %s engine', (engine) => {
  it.each([
    ['nf4', 'nf4'],
    ['nf4-double', 'nf4'],
    ['nf4-storage', 'nf4'],
    ['nf4-skips', 'nf4'],
    ['fp4', 'fp4'],
    ['int8', 'int8'],
  ])('%s has the numbers that bitsandbytes left', async (name, quantization) => {
    const folder = join(import.meta.dirname, '..', 'fixtures', 'bitsandbytes', name)
    const golden = await readTensors(join(folder, 'logits.safetensors'))
    const model = await open(folder, engine)
    expect([model.quantization, model.notices]).toEqual([quantization, []])
    const { logits } = await model.forward({ inputIds: await golden.rows('input_ids') })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
    const saved = join(scratch, `${engine}-${name}`)
    await model.save(saved)
    await model.free()
    const whole = await readTensors(join(saved, 'model.safetensors'))
    for (const weight of ['model.layers.0.self_attn.q_proj.weight', 'model.layers.1.mlp.up_proj.weight'])
      if (golden.names.includes(`dequantized.${weight}`))
        expect(
          maxDifference(await whole.floats(weight), await golden.floats(`dequantized.${weight}`)),
        ).toBeLessThan(1e-6)
    const config = await readFile(join(saved, 'config.json'), 'utf8')
    expect(config).not.toContain('quantization_config')
  })
})

describe('a checkpoint of bitsandbytes that is damaged', () => {
  const damaged = async (name: string, change: (tensors: TensorToWrite[]) => TensorToWrite[]) => {
    const from = join(import.meta.dirname, '..', 'fixtures', 'bitsandbytes', name)
    const folder = await mkdtemp(join(scratch, 'b-'))
    await cp(from, folder, { recursive: true })
    const { tensors } = await readSafetensorsHeader(join(from, 'model.safetensors'))
    const stored = [...tensors].map(([tensor, info]): TensorToWrite => ({
      name: tensor,
      dtype: info.dtype,
      shape: info.shape,
      data: () => readTensorBytes(info),
    }))
    await writeSafetensors(join(folder, 'model.safetensors'), change(stored))
    return folder
  }
  const weight = 'model.layers.0.self_attn.q_proj.weight'
  const withState = (state: unknown) => (tensors: TensorToWrite[]) => {
    const bytes = new TextEncoder().encode(JSON.stringify(state))
    const name = `${weight}.quant_state.bitsandbytes__nf4`
    return tensors.map((tensor) =>
      tensor.name === name ? { ...tensor, shape: [bytes.length], data: async () => bytes } : tensor,
    )
  }
  it.each<[string, (tensors: TensorToWrite[]) => TensorToWrite[], string]>([
    [
      'absmax',
      (tensors) => tensors.filter(({ name }) => name !== `${weight}.absmax`),
      `${weight}.absmax: nothing`,
    ],
    ['state', withState([]), 'quant_state.bitsandbytes__nf4: an empty list; expected a JSON object'],
    ['block size', withState({ quant_type: 'nf4', blocksize: 0, shape: [64, 64] }), 'blocksize: 0; expected'],
    [
      'shape',
      withState({ quant_type: 'nf4', blocksize: 64, shape: [1e9, 1e9] }),
      'shape [64, 64] by config.json',
    ],
    ['type', withState({ quant_type: 'nf5', blocksize: 64, shape: [64, 64] }), 'quant_type: "nf5"'],
  ])('%s', async (_, change, says) => {
    expect(await refusal(await damaged('nf4', change))).toContain(says)
  })
})

describe('weights in a form that fettle does not read are named as what they are', () => {
  const bare = (names: string[]) => () => names.map((name) => zeros(name, [4, 4]))
  it.each<[string, Record<string, unknown>, string[], string]>([
    [
      'GPTQ',
      { quantization_config: { quant_method: 'gptq', bits: 4 } },
      ['model.layers.0.mlp.up_proj.qweight'],
      'model.layers.0.mlp.up_proj.qweight: F32 [4, 4]; expected I32',
    ],
    [
      'GPTQ by its tensors',
      {},
      ['model.layers.0.mlp.up_proj.qweight', 'model.layers.0.mlp.up_proj.qzeros'],
      'weights in the form of GPTQ or AWQ',
    ],
    [
      'MLX',
      { quantization: { group_size: 64, bits: 4 } },
      ['model.layers.0.mlp.up_proj.scales'],
      'the form of MLX; expected weights as they were trained, or in 4 or 8 bits of bitsandbytes, GPTQ or AWQ. mlx_lm.convert --dequantize',
    ],
    [
      'FP8',
      { quantization_config: { quant_method: 'fp8' } },
      ['model.layers.0.mlp.up_proj.weight_scale_inv'],
      'the form of FP8',
    ],
    ['FP8 by its tensors', {}, ['model.layers.0.mlp.up_proj.weight_scale_inv'], 'the form of FP8'],
    [
      'compressed-tensors',
      { quantization_config: { quant_method: 'compressed-tensors' } },
      ['x'],
      'the form of compressed-tensors',
    ],
    [
      'an older compressed-tensors',
      { compression_config: { quant_method: 'compressed-tensors' } },
      ['x'],
      'compression_config: weights in the form of compressed-tensors',
    ],
    ['something new', { quantization_config: { quant_method: 'x'.repeat(1000) } }, ['x'], 'the form of "xxx'],
    ['nonsense', { quantization_config: 'x' }, ['x'], 'quantization_config: weights in the form of "x"'],
  ])('%s', async (_, config, names, says) => {
    const message = await refusal(await variant(config, bare(names)))
    expect(message).toContain(says)
    expect(message.length).toBeLessThan(600)
  })
})

it('whole weights that config.json calls quantised are read as they are, and that is said', async () => {
  const model = await open(await variant({ quantization_config: { load_in_4bit: true } }))
  expect(model.quantization).toBe(null)
  expect(model.notices.map(describeProblem)).toEqual([
    expect.stringMatching(
      /quantization_config: bitsandbytes, but the weights are whole; expected no such key/,
    ),
  ])
})

it('weights under other names are named beside those that are missing', async () => {
  const renamed = (tensors: TensorToWrite[]) =>
    tensors.map((tensor) => ({ ...tensor, name: `_orig_mod.${tensor.name}` }))
  const message = await refusal(await variant({}, renamed))
  expect(message).toContain('tensor model.embed_tokens.weight: nothing')
  expect(message).toContain('nothing reads them: _orig_mod.lm_head.weight')
  const inner = (tensors: TensorToWrite[]) =>
    tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace('self_attn', 'attention') }))
  const other = await refusal(await variant({}, inner))
  expect(other).toContain('tensor model.layers.0.self_attn.q_proj.weight: nothing')
  expect(other).toContain('nothing reads them: model.layers.0.attention.k_proj.weight')
})

describe('a head that config.json calls the embedding', () => {
  const logitsOf = async (folder: string) => {
    const model = await open(folder)
    const { logits } = await model.forward({ inputIds: [[5, 6, 7]] })
    return { data: logits.data, model, notices: model.notices.map(describeProblem) }
  }
  const withoutHead = (tensors: TensorToWrite[]) => tensors.filter(({ name }) => name !== 'lm_head.weight')
  const sameHead = (tensors: TensorToWrite[]) => [
    ...withoutHead(tensors),
    ...tensors.flatMap((tensor) =>
      tensor.name === 'model.embed_tokens.weight' ? [{ ...tensor, name: 'lm_head.weight' }] : [],
    ),
  ]

  it('with other numbers is the head, and that is said', async () => {
    const untied = await logitsOf(await variant({ tie_word_embeddings: false }))
    const folder = await variant({ tie_word_embeddings: true })
    const { data, model, notices } = await logitsOf(folder)
    expect(maxDifference(data, untied.data)).toBe(0)
    expect(notices).toEqual([
      `${join(folder, 'config.json')}: tie_word_embeddings: true, but lm_head.weight of the weights has other numbers than model.embed_tokens.weight; expected false; so it is read.`,
    ])
    expect(model.config['tie_word_embeddings']).toBe(false)
  })

  it('with the same numbers is the embedding', async () => {
    const { data, model, notices } = await logitsOf(await variant({ tie_word_embeddings: true }, sameHead))
    const alone = await logitsOf(await variant({ tie_word_embeddings: true }, withoutHead))
    expect(maxDifference(data, alone.data)).toBe(0)
    expect([notices, model.config['tie_word_embeddings']]).toEqual([[], true])
  })

  it('is missing where nothing says so', async () => {
    const message = await refusal(await variant({ tie_word_embeddings: false }, withoutHead))
    expect(message).toContain('lm_head.weight: nothing')
  })

  it('is the only one of the two that is there', async () => {
    const onlyHead = (tensors: TensorToWrite[]) =>
      sameHead(tensors).filter(({ name }) => name !== 'model.embed_tokens.weight')
    const { data } = await logitsOf(await variant({ tie_word_embeddings: true }, onlyHead))
    const alone = await logitsOf(await variant({ tie_word_embeddings: true }, withoutHead))
    expect(maxDifference(data, alone.data)).toBe(0)
  })
})

describe('tensors that nothing reads are named once', () => {
  it.each<[string, TensorToWrite[], RegExp | undefined]>([
    [
      'rotation tables of older files',
      [zeros('model.layers.0.self_attn.rotary_emb.inv_freq', [4])],
      undefined,
    ],
    [
      'a bias without attention_bias',
      [zeros('model.layers.0.self_attn.q_proj.bias', [48])],
      /: a tensor that the model has no place for, so that nothing reads it: model\.layers\.0\.self_attn\.q_proj\.bias\.$/,
    ],
    [
      'many',
      Array.from({ length: 20 }, (_, i) => zeros(`other.${i}.${'x'.repeat(100)}`, [1])),
      /: 20 tensors .+ and 12 more\.$/,
    ],
  ])('%s', async (_, more, says) => {
    const model = await open(await variant({}, (tensors) => [...tensors, ...more]))
    const texts = model.notices.map(describeProblem)
    expect(texts).toEqual(says ? [expect.stringMatching(says)] : [])
    expect(texts.join('').length).toBeLessThan(1000)
  })
})

describe('checkModel says what loading would, without an engine', () => {
  it('of a model that loads: its notices', async () => {
    const folder = await variant({ my_key: 1 })
    const model = await open(folder)
    expect(await checkModel(folder)).toEqual(model.notices)
    expect(model.notices.map(describeProblem)).toEqual([
      `${join(folder, 'config.json')}: keys that fettle does not read: my_key.`,
    ])
  })

  it('of one that does not: why', async () => {
    const integers = (tensors: TensorToWrite[]) =>
      tensors.map((tensor): TensorToWrite =>
        tensor.name === 'model.norm.weight'
          ? { ...tensor, dtype: 'I32', data: async () => new Uint8Array(4 * 48) }
          : tensor,
      )
    await expect(checkModel(await variant({}, integers))).rejects.toThrow(
      'dtype I32; expected F32, F16 or BF16',
    )
    await expect(checkModel(await variant({ num_hidden_layers: 3 }))).rejects.toThrow('num_hidden_layers: 3')
  })
})

describe('a config.json of nonsense is refused before anything is allocated', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ num_hidden_layers: 1_000_000 }, 'num_hidden_layers: 1000000; expected a number up to 10000'],
    [
      { num_hidden_layers: 9_999 },
      'num_hidden_layers: 9999; expected at most 2, the layers that the weights have',
    ],
    [{ num_hidden_layers: null }, 'num_hidden_layers: null; expected a number'],
    [{ vocab_size: 1e15 }, 'expected shape [1000000000000000, 48] by config.json'],
    [{ hidden_size: 1e15 }, 'by config.json'],
    [{ rope_parameters: 'x' }, 'rope_parameters: "x"; expected a block of options'],
    [{ num_attention_heads: 5, hidden_act: 'x' }, 'hidden_act: "x"'],
    [{ num_key_value_heads: 3 }, 'num_key_value_heads: 3; expected a divisor of num_attention_heads, 4'],
    [{ eos_token_id: 'x'.repeat(1e6) }, 'eos_token_id: "xxx'],
  ])('%j', async (config, says) => {
    const begun = performance.now()
    const message = await refusal(await variant(config))
    expect(message).toContain(says)
    expect(message.length).toBeLessThan(1000)
    expect(performance.now() - begun).toBeLessThan(2000)
  })
})

it('a model that is stored in 4 bits is trained with an adapter, or saved whole first', async () => {
  const model = await open(join(import.meta.dirname, '..', 'fixtures', 'bitsandbytes', 'nf4'))
  await expect(model.gradients({ inputIds: [[1, 2]], labels: [[1, 2]] })).rejects.toThrow(
    'write the weights whole first: model.save(folder)',
  )
  await model.addAdapter({ r: 2 })
  expect((await model.gradients({ inputIds: [[1, 2]], labels: [[1, 2]] })).size).toBeGreaterThan(0)
})

it.each(engines)('a window beyond every sequence is none on the %s engine', async (engine) => {
  const logitsOf = async (sliding_window: number | null) => {
    const model = await open(await variant({ sliding_window }, undefined, 'mistral'), engine)
    const { logits } = await model.forward({ inputIds: [[5, 9, 2, 7, 3, 11, 4, 8, 6, 10, 12, 1]] })
    await model.free()
    return logits.data
  }
  expect(await logitsOf(1e15)).toEqual(await logitsOf(null))
})

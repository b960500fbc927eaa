import { describe, expect, it } from 'vitest'
import { describeProblem } from '../../src/error.ts'
import type { GgufTensor, GgufValue } from '../../src/formats/index.ts'
import {
  AutoModelForCausalLM,
  describeGguf,
  describeModel,
  linearParameters,
  parametersOf,
  vocabularyOf,
} from '../../src/model/index.ts'

const read = (raw: Record<string, unknown>) => describeModel(raw, 'config.json')

/** The numbers that an architecture was built from. */
async function summary(raw: Record<string, unknown>) {
  const { config, architecture } = await read(raw)
  const blocks = architecture.layers.flat()
  const [attention] = blocks.flatMap((block) => block.attention ?? [])
  const linear = linearParameters(architecture)
  return {
    vocabulary: vocabularyOf(architecture),
    width: architecture.width,
    inner: linear[3].columns,
    layers: architecture.layers.length,
    heads: attention.queryHeads,
    keyHeads: attention.keyHeads,
    headDim: attention.headDim,
    window: attention.window,
    theta: attention.rope?.theta,
    positions: architecture.maxPositions,
    tied: architecture.isTied,
    bos: config.bosTokenId,
    eos: config.eosTokenIds,
  }
}

describe('what config.json does not say is as the class of Transformers 5.24 has it', () => {
  it.each([
    {
      model_type: 'llama',
      defaults: {
        vocabulary: 32000,
        width: 4096,
        inner: 11008,
        layers: 32,
        heads: 32,
        keyHeads: 32,
        headDim: 128,
        window: 0,
        theta: 10000,
        positions: 2048,
        tied: false,
        bos: 1,
        eos: [2],
      },
    },
    {
      model_type: 'mistral',
      defaults: {
        vocabulary: 32000,
        width: 4096,
        inner: 14336,
        layers: 32,
        heads: 32,
        keyHeads: 8,
        headDim: 128,
        window: 4096,
        theta: 10000,
        positions: 131072,
        tied: false,
        bos: 1,
        eos: [2],
      },
    },
    {
      model_type: 'qwen2',
      defaults: {
        vocabulary: 151936,
        width: 4096,
        inner: 22016,
        layers: 32,
        heads: 32,
        keyHeads: 32,
        headDim: 128,
        window: 0,
        theta: 10000,
        positions: 32768,
        tied: false,
        bos: null,
        eos: [],
      },
    },
    {
      model_type: 'smollm3',
      defaults: {
        vocabulary: 128256,
        width: 2048,
        inner: 11008,
        layers: 36,
        heads: 16,
        keyHeads: 4,
        headDim: 128,
        window: 0,
        theta: 2000000,
        positions: 32768,
        tied: true,
        bos: 128000,
        eos: [128001],
      },
    },
  ])('$model_type', async ({ model_type, defaults }) => {
    expect(await summary({ model_type })).toEqual(defaults)
  })

  it('qwen3, whose heads do not share the width', async () => {
    expect(await summary({ model_type: 'qwen3', hidden_size: 1024 })).toMatchObject({
      headDim: 128,
      keyHeads: 32,
      window: 0,
    })
  })
})

const windows = async (raw: Record<string, unknown>) => {
  const { layers } = (await read({ num_hidden_layers: 4, ...raw })).architecture
  return layers.map(([attention]) => attention.attention?.window)
}

describe('which layers see a window', () => {
  it.each<[string, Record<string, unknown>, number[]]>([
    ['no Mistral where it says null', { model_type: 'mistral', sliding_window: null }, [0, 0, 0, 0]],
    [
      'as far as engines count',
      { model_type: 'mistral', sliding_window: 1e15 },
      [2 ** 30, 2 ** 30, 2 ** 30, 2 ** 30],
    ],
    ['every Mistral', { model_type: 'mistral', sliding_window: 7 }, [7, 7, 7, 7]],
    ['no Qwen that does not use it', { model_type: 'qwen2', sliding_window: 7 }, [0, 0, 0, 0]],
    [
      'the upper layers of a Qwen of before Transformers 4.53',
      { model_type: 'qwen2', sliding_window: 7, use_sliding_window: true, max_window_layers: 3 },
      [0, 0, 0, 7],
    ],
    [
      'those that a Qwen lists',
      {
        model_type: 'qwen3',
        sliding_window: 7,
        use_sliding_window: true,
        layer_types: ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'],
      },
      [7, 0, 7, 0],
    ],
    [
      'those without positions of a SmolLM3',
      { model_type: 'smollm3', sliding_window: 7, use_sliding_window: true },
      [0, 0, 0, 7],
    ],
  ])('%s', async (_, raw, expected) => {
    expect(await windows(raw)).toEqual(expected)
  })
})

it.each([
  [{ model_type: 'smollm3' }, [true, true, true, false]],
  [{ model_type: 'smollm3', no_rope_layer_interval: 2 }, [true, false, true, false]],
  [{ model_type: 'smollm3', no_rope_layers: [0, 1, 1, 1] }, [false, true, true, true]],
])('%j rotates queries and keys in some layers', async (raw, expected) => {
  const { layers } = (await read({ num_hidden_layers: 4, ...raw })).architecture
  expect(layers.map(([attention]) => attention.attention?.rope !== null)).toEqual(expected)
})

describe('which projections have a bias', () => {
  const biased = async (raw: Record<string, unknown>) => {
    const { architecture } = await read({ num_hidden_layers: 1, ...raw })
    return parametersOf(architecture).flatMap(({ parts }) =>
      parts.flatMap(({ safetensors: { name } }) => /(\w+)_proj\.bias$/.exec(name)?.[1] ?? []),
    )
  }
  it.each([
    ['llama', {}, []],
    ['llama', { attention_bias: true }, ['q', 'k', 'v', 'o']],
    ['llama', { mlp_bias: true }, ['gate', 'up', 'down']],
    ['mistral', { attention_bias: true, mlp_bias: true }, []],
    ['qwen2', {}, ['q', 'k', 'v']],
    ['qwen2', { attention_bias: true }, ['q', 'k', 'v']],
    ['qwen3', {}, []],
    ['qwen3', { attention_bias: true }, ['q', 'k', 'v', 'o']],
    ['smollm3', { attention_bias: true, mlp_bias: true }, ['q', 'k', 'v', 'o', 'gate', 'up', 'down']],
  ])('%s with %j', async (model_type, raw, expected) => {
    expect(await biased({ model_type, ...raw })).toEqual(expected)
  })
})

describe('names what it cannot read', () => {
  it.each([
    ['a relative', { model_type: 'qwen3_next' }, 'the nearest that it knows is qwen3'],
    ['a relative of a text model', { model_type: 'gemma3n' }, 'the nearest that it knows is gemma3_text'],
    ['an older relative', { model_type: 'olmo' }, 'the nearest that it knows is olmo2'],
    ['a distant relative', { model_type: 'phi' }, 'the nearest that it knows is phi3'],
    ['nothing alike', { model_type: 'xlnet' }, 'choose a model of one of these families'],
    [
      'no type',
      {},
      'model_type nothing; expected llama, mistral, ministral3, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe, smollm3',
    ],
    [
      'a size',
      { model_type: 'llama', hidden_size: 'big' },
      'config.json: hidden_size: "big"; expected a number',
    ],
    [
      'an activation',
      { model_type: 'llama', hidden_act: 'relu' },
      'hidden_act: "relu"; expected silu or swish or gelu',
    ],
    [
      'a rotation',
      { model_type: 'llama', rope_scaling: { type: 'axial' } },
      'rope_scaling.type: "axial"; expected default or linear or llama3 or yarn',
    ],
    [
      'a rotation without what it needs',
      { model_type: 'llama', rope_scaling: { type: 'longrope', factor: 2 } },
      'expected short_factor and long_factor for rope_type longrope',
    ],
    [
      'a rotation with lists of another length',
      { model_type: 'phi3', rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1] } },
      'expected 48 numbers each in short_factor and long_factor',
    ],
    ['an end token', { model_type: 'llama', eos_token_id: ['</s>'] }, 'eos_token_id'],
  ])('%s', async (_, raw, says) => {
    await expect(read(raw)).rejects.toThrow(says)
  })

  it('everything at once', async () => {
    await expect(read({ model_type: 'llama', hidden_size: -1, mlp_bias: 'no' })).rejects.toThrow(
      /hidden_size: -1; expected a number above 0[^]*mlp_bias: "no"; expected true or false/,
    )
  })
})

it.each<[unknown, string]>([
  [null, 'config: null; expected the fields of a config.json'],
  ['x', 'config: "x"; expected the fields of a config.json'],
  [{ model_type: 'llama', hidden_size: 1e9 }, 'GiB of weights; expected at most the memory of this machine'],
])('a fresh model of %j', async (raw, says) => {
  await expect(AutoModelForCausalLM.fromConfig(raw as Record<string, unknown>)).rejects.toThrow(says)
})

describe('a GGUF file stands for a config.json', () => {
  const layers = ['blk.0.attn_norm.weight', 'blk.1.attn_norm.weight']
  const sizes = { block_count: 2, embedding_length: 32, feed_forward_length: 64, context_length: 128 }
  const described = (architecture: string, numbers: Record<string, GgufValue>, tensors: string[] = []) => {
    const metadata = new Map<string, GgufValue>([['general.architecture', architecture]])
    for (const [key, value] of Object.entries({
      ...sizes,
      'attention.head_count': 4,
      'attention.layer_norm_rms_epsilon': 1e-5,
      ...numbers,
    }))
      metadata.set(`${architecture}.${key}`, value)
    const tensor = (name: string): [string, GgufTensor] => [
      name,
      { name, type: 'F32', shape: [100, 32], path: 'm.gguf', offset: 0, byteLength: 0 },
    ]
    return describeGguf('m.gguf', {
      version: 3,
      metadata,
      tensors: new Map(['token_embd.weight', ...layers, ...tensors].map(tensor)),
    })
  }

  it.each<[string, Record<string, number>, string[], Record<string, unknown>]>([
    ['llama', {}, [], { num_key_value_heads: 4, attention_bias: false, mlp_bias: false, head_dim: 8 }],
    ['llama', {}, ['blk.0.attn_q.bias'], { attention_bias: true, tie_word_embeddings: true }],
    ['llama', {}, ['output.weight'], { tie_word_embeddings: false, vocab_size: 100, dtype: 'float32' }],
    ['mistral', { 'attention.sliding_window': 7 }, [], { sliding_window: 7 }],
    ['mistral', {}, [], { sliding_window: null, eos_token_id: null }],
    ['qwen2', { 'attention.sliding_window': 7 }, [], { sliding_window: 7, use_sliding_window: true }],
    ['qwen3', { 'attention.key_length': 16 }, [], { head_dim: 16, use_sliding_window: false }],
    ['granite', {}, [], { attention_multiplier: 8 ** -0.5, embedding_multiplier: 1, logits_scaling: 1 }],
    ['olmo2', {}, [], { rms_norm_eps: expect.any(Number) as number }],
  ])('%s with %j and %j', async (architecture, numbers, tensors, raw) => {
    const { config } = await described(architecture, numbers, tensors)
    expect(config.raw).toMatchObject({ model_type: architecture, hidden_size: 32, ...raw })
  })

  it('has the keys of its family and no others', async () => {
    expect((await described('llama', { 'attention.sliding_window': 7 })).config.raw).not.toHaveProperty(
      'sliding_window',
    )
    expect((await described('qwen2', {})).config.raw).not.toHaveProperty('attention_bias')
  })

  it.each<[string, Record<string, GgufValue>, string]>([
    [
      'a key that llama.cpp needs',
      { block_count: 'two' },
      'm.gguf: llama: block_count: "two"; expected a number',
    ],
    [
      'heads that differ from layer to layer',
      { 'attention.head_count': [4, 2] },
      'attention.head_count: [4, 2]; expected a number',
    ],
    [
      'more experts of a token than there are',
      { expert_count: 8, expert_used_count: 9 },
      'num_experts_per_tok: 9; expected at most the number of experts, 8',
    ],
    [
      'widths that differ from layer to layer',
      { feed_forward_length: [64, 96] },
      'feed_forward_length: [64, 96]; expected the same width in every layer',
    ],
    [
      'a partial rotation',
      { 'rope.dimension_count': 4 },
      'rope.dimension_count: 4; expected the length of a head',
    ],
    [
      'another scaling',
      { 'rope.scaling.type': 'su' },
      'rope.scaling.type: "su"; expected none or linear or yarn or longrope',
    ],
    [
      'a scaling without its tensors',
      { 'rope.scaling.type': 'longrope' },
      'expected short_factor and long_factor for rope_type longrope',
    ],
    [
      'a factor of what is turned',
      { 'rope.scaling.attn_factor': 1.5 },
      'rope.scaling.attn_factor: 1.5; expected 1 for a scaling of type none',
    ],
    [
      'more layers than the file has',
      { block_count: 1_000_000_000 },
      'num_hidden_layers: 1000000000; expected',
    ],
    ['a third of a layer', { block_count: 0.3 }, 'num_hidden_layers: 0.3; expected'],
    [
      'heads that do not divide',
      { 'attention.head_count_kv': 3 },
      'num_key_value_heads: 3; expected a divisor',
    ],
  ])('and is refused for %s', async (_, values, says) => {
    await expect(described('llama', values)).rejects.toThrow(says)
  })

  it.each<[string, Record<string, GgufValue>, Record<string, unknown>]>([
    ['a factor alone is linear', { 'rope.scaling.factor': 2 }, { rope_type: 'linear', factor: 2 }],
    ['the older name of it', { 'rope.scale_linear': 4 }, { rope_type: 'linear', factor: 4 }],
    ['none', { 'rope.scaling.type': 'none', 'rope.scaling.factor': 2 }, { rope_type: 'default' }],
    [
      'the ramp of yarn',
      { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 2, 'rope.scaling.yarn_beta_fast': 16 },
      { rope_type: 'yarn', factor: 2, beta_fast: 16 },
    ],
  ])('with the scaling of its rotation: %s', async (_, values, expected) => {
    const { config } = await described('llama', values)
    expect(config.raw['rope_parameters']).toMatchObject(expected)
  })

  it('names metadata that nothing reads once', async () => {
    const { notices } = await described('llama', { 'attention.sliding_window': 7, my_key: 1 })
    expect(notices.map(describeProblem)).toEqual([
      'm.gguf: llama: keys that fettle does not read: attention.sliding_window, my_key.',
    ])
  })

  it('of an unknown architecture names the nearest', async () => {
    await expect(described('qwen3next', {})).rejects.toThrow('architecture "qwen3next"; expected llama')
    await expect(described('qwen3next', {})).rejects.toThrow('the nearest that it knows is qwen3')
    await expect(described('qwen3', { expert_count: 8 })).rejects.toThrow(
      'expert_count: 8; expected 0: fettle knows no experts of this architecture',
    )
  })
})

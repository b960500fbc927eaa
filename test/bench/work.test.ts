import { describe, expect, test } from 'vitest'
import { collate } from '../../src/batch/index.ts'
import { passShapes, promptWork, stepWork, totalWork } from '../../src/cli/bench/work.ts'
import { modelShape, weightsOfToken } from '../../src/cli/bench/model-shape.ts'
import { describeModel } from '../../src/model/index.ts'

/** Sizes that are all different primes or products of them, so that no two products have one count. */
const raw = {
  model_type: 'mistral',
  vocab_size: 101,
  hidden_size: 14,
  intermediate_size: 23,
  num_hidden_layers: 3,
  num_attention_heads: 7,
  num_key_value_heads: 1,
  head_dim: 2,
  sliding_window: 4,
}
const config = modelShape((await describeModel(raw, 'test')).architecture)

/** Documents of 5, 1 and 9 tokens; each token but the first two of its document is learned. */
const batch = collate(
  [5, 1, 9].map((length, i) => ({
    inputIds: Int32Array.from({ length }, (_, at) => at),
    mask: Uint8Array.from({ length }, (_, at) => (at > 1 ? 1 : 0)),
    origin: { file: 'test', line: i + 1 },
  })),
)

/** Counts what a naive loop would do: the oracle knows nothing of closed forms. */
function naiveFlops(rank: number): number {
  const documents = [5, 1, 9]
  let flops = 0
  const product = (m: number, n: number, k: number) => {
    flops += 2 * m * n * k
  }
  const tokens = 15
  const projections: [name: string, rows: number, depth: number][] = [
    ['q', 14, 14],
    ['k', 2, 14],
    ['v', 2, 14],
    ['o', 14, 14],
    ['gate', 23, 14],
    ['up', 23, 14],
    ['down', 14, 23],
  ]
  for (let layer = 0; layer < 3; layer += 1) {
    for (const [name, rows, depth] of projections) {
      product(tokens, rows, depth)
      // Frozen embeddings need no gradient, so that the first layer's q, k and v make none for their input.
      const makesInput = rank === 0 || layer > 0 || !'qkv'.includes(name)
      if (makesInput) product(tokens, rows, depth)
      if (rank === 0) {
        product(rows, depth, tokens)
        continue
      }
      product(tokens, rank, depth)
      product(tokens, rows, rank)
      product(tokens, rank, rows)
      if (makesInput) product(tokens, depth, rank)
      product(rank, depth, tokens)
      product(rows, rank, tokens)
    }
    for (const length of documents)
      for (let query = 0; query < length; query += 1)
        for (let key = 0; key <= query; key += 1)
          // A head's score and its share of the output, then dV, dP, dQ and dK.
          if (query - key < 4) flops += 7 * 6 * 2 * 2
  }
  const learned = 3 + 7
  const headProducts = rank === 0 ? 3 : 2
  for (let i = 0; i < headProducts; i += 1) product(learned, 101, 14)
  return flops
}

describe('the work of a step', () => {
  test.each([
    ['LoRA of rank 3', 3],
    ['all weights', 0],
  ])('%s needs the FLOPs that naive loops count', (_, rank) => {
    const passes = passShapes(batch, 1024, config)
    const work = stepWork({ config, rank, trainable: 1000, elementBytes: 2 }, passes)
    expect(totalWork(work).flops).toBe(naiveFlops(rank))
  })

  test('does not depend on how the batch is divided into passes', () => {
    const shape = { config, rank: 3, trainable: 1000, elementBytes: 2 } as const
    const passes = passShapes(batch, 4, config)
    expect(passes.length).toBeGreaterThan(1)
    expect(totalWork(stepWork(shape, passes)).flops).toBe(naiveFlops(3))
  })
})

describe('layers of several kinds', () => {
  /** Weights of the projections of one Gemma 4 layer, of 12 columns and 3 query heads; `keys` of as many rows. */
  const gemma4Layer = ({ headDim, keys, inner }: { headDim: number; keys: number; inner: number }) =>
    12 * (3 * headDim) + 12 * keys + 3 * headDim * 12 + 3 * 12 * inner + 2 * 12 * 5

  test.each([
    {
      model: 'Gemma 4: heads of two lengths, shared keys and wider MLPs above, inputs of layers',
      raw: {
        model_type: 'gemma4_text',
        vocab_size: 101,
        vocab_size_per_layer_input: 101,
        hidden_size: 12,
        intermediate_size: 7,
        num_hidden_layers: 4,
        num_attention_heads: 3,
        num_key_value_heads: 1,
        head_dim: 2,
        global_head_dim: 4,
        hidden_size_per_layer_input: 5,
        num_kv_shared_layers: 2,
        use_double_wide_mlp: true,
        layer_types: ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'],
      },
      weights:
        4 * 5 * 12 +
        gemma4Layer({ headDim: 2, keys: 2 * 2, inner: 7 }) +
        gemma4Layer({ headDim: 4, keys: 2 * 4, inner: 7 }) +
        gemma4Layer({ headDim: 2, keys: 0, inner: 14 }) +
        gemma4Layer({ headDim: 4, keys: 0, inner: 14 }),
    },
    {
      model: 'LFM2: a convolution over 3 tokens',
      raw: {
        model_type: 'lfm2',
        vocab_size: 101,
        hidden_size: 12,
        intermediate_size: 7,
        block_auto_adjust_ff_dim: false,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        num_key_value_heads: 1,
        conv_L_cache: 3,
        layer_types: ['conv', 'full_attention'],
      },
      weights: 2 * 3 * 12 * 7 + (3 * 12 + 3 + 12) * 12 + (12 + 2 * 4 + 12) * 12,
    },
    {
      model: 'Mixtral: two of eight experts, and the router',
      raw: {
        model_type: 'mixtral',
        vocab_size: 101,
        hidden_size: 12,
        intermediate_size: 7,
        num_hidden_layers: 1,
        num_attention_heads: 3,
        num_key_value_heads: 1,
        num_local_experts: 8,
        num_experts_per_tok: 2,
      },
      weights: (12 + 2 * 4 + 12) * 12 + 8 * 12 + 2 * 3 * 12 * 7,
    },
  ])('$model', async ({ raw, weights }) => {
    const shape = modelShape((await describeModel(raw, 'test')).architecture)
    expect(weightsOfToken(shape)).toBe(weights)
    // Without attention, 2 FLOPs a weight forward; 2 for the input's gradient but where nothing is below; LoRA apart.
    const pass = { tokens: 1, learned: 0, pairs: shape.layers.map(() => 0) }
    const work = stepWork({ config: shape, rank: 0, trainable: 0, elementBytes: 2 }, [pass])
    expect(totalWork(work).flops).toBe(6 * weights)
  })
})

test('a prompt: the last layer makes keys and values of all tokens, and the rest of the last one', () => {
  let flops = 2 * 101 * 14
  for (let layer = 0; layer < 3; layer += 1)
    for (let token = 0; token < 9; token += 1) {
      flops += 2 * 2 * 2 * 14
      if (layer === 2 && token < 8) continue
      flops += 2 * (14 * 14 + 14 * 14 + 2 * 23 * 14 + 14 * 23)
      const keys = Math.min(token + 1, 4)
      flops += 2 * 7 * (keys * 2 + keys * 2)
    }
  expect(totalWork(promptWork(config, 9)).flops).toBe(flops)
})

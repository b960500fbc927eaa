import { z } from 'zod'
import { isOneOf } from '../../formats/foreign/index.ts'
import { plainLogits, type Layer } from '../blocks/architecture.ts'
import { attention } from '../blocks/attention.ts'
import { positionedEmbedding } from '../blocks/embedding.ts'
import { linear } from '../blocks/linear.ts'
import { mlp } from '../blocks/mlp.ts'
import { layerNorm } from '../blocks/norm.ts'
import { biases, gain, matrix, type ModuleName } from '../weights/parameters.ts'
import { transposed } from '../weights/transforms.ts'
import { activationName, activationNames } from './activation-keys.ts'
import { defineFamily } from './family.ts'
import { real, whole } from './gguf-metadata.ts'
import { commonKeys, count, dropout, flag, layerCount, number } from './keys.ts'

const keys = z.object({
  ...commonKeys(50256, 50256),
  vocab_size: count(50257),
  n_positions: count(1024),
  n_embd: count(768),
  n_layer: layerCount(12),
  n_head: count(12),
  /** null: 4 · n_embd. */
  n_inner: z.int().positive().nullable().default(null),
  activation_function: activationName('gelu_new'),
  layer_norm_epsilon: number(1e-5),
  tie_word_embeddings: flag(true),
})

type Gpt2Config = z.output<typeof keys>

/** GPT-2: learned positions, layer norms, an MLP without gates, and weights stored as [inputs, outputs] (Radford et al. 2019). */
export const gpt2 = defineFamily({
  modelType: 'gpt2',
  className: 'GPT2LMHeadModel',
  keys,
  layersKey: 'n_layer',
  harmless: [
    'summary_type',
    'summary_use_proj',
    'summary_activation',
    'summary_proj_to_labels',
    'summary_first_dropout',
    'n_ctx',
    'reorder_and_upcast_attn',
  ],
  unobeyed: {
    attn_pdrop: dropout,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    scale_attn_weights: { isHarmless: isOneOf(true), expected: 'true' },
    scale_attn_by_inverse_layer_idx: { isHarmless: isOneOf(false), expected: 'false' },
  },
  check: ({ n_embd, n_head }) =>
    n_embd % n_head === 0 ? [] : [{ key: 'n_head', expected: `a divisor of n_embd, ${n_embd}` }],
  describe(config) {
    const { n_embd: width, vocab_size: rows, n_positions: maxPositions } = config
    const table = (name: string, gguf: string, count: number) =>
      matrix('matrix', width, [{ module: named(name, gguf), rows: count }])
    return {
      width,
      maxPositions,
      embedding: positionedEmbedding(
        table('transformer.wte', 'token_embd', rows),
        table('transformer.wpe', 'position_embd', maxPositions),
      ),
      layers: Array.from({ length: config.n_layer }, (_, layer) => gpt2Layer(config, layer)),
      norm: norm(named('transformer.ln_f', 'output_norm'), config),
      head: table('lm_head', 'output', rows),
      isTied: config.tie_word_embeddings,
      logits: plainLogits,
    }
  },
  gguf: {
    architecture: 'gpt2',
    obeys: ['attention.layer_norm_epsilon'],
    metadata: (values) => ({
      n_positions: values.context_length,
      n_embd: values.embedding_length,
      n_layer: values.block_count,
      n_head: values['attention.head_count'],
      n_inner: values.feed_forward_length,
      activation_function: 'gelu_new',
      layer_norm_epsilon: values['attention.layer_norm_epsilon'],
    }),
    write: (config) => ({
      block_count: whole(config.n_layer),
      context_length: whole(config.n_positions),
      embedding_length: whole(config.n_embd),
      feed_forward_length: whole(config.n_inner ?? 4 * config.n_embd),
      'attention.head_count': whole(config.n_head),
      'attention.layer_norm_epsilon': real(config.layer_norm_epsilon),
    }),
  },
})

const named = (safetensors: string, gguf: string) => ({ safetensors, gguf })

function norm(module: ModuleName, { n_embd: width, layer_norm_epsilon: eps }: Gpt2Config) {
  return layerNorm(gain(module, width), biases([{ module, rows: width }]), eps)
}

function gpt2Layer(config: Gpt2Config, layer: number): Layer {
  const { n_embd: width, n_head: heads, n_inner } = config
  const inner = n_inner ?? 4 * width
  const module = (name: string, gguf: string) =>
    named(`transformer.h.${layer}.${name}`, `blk.${layer}.${gguf}`)
  const conv1d = (name: string, gguf: string, inputs: number, rows: number) =>
    linear(inputs, [{ module: module(name, gguf), rows, transform: transposed }], true)
  return [
    attention({
      shape: { queryHeads: heads, keyHeads: heads, headDim: width / heads, window: 0, rope: null },
      scale: (width / heads) ** -0.5,
      norm: norm(module('ln_1', 'attn_norm'), config),
      qkv: conv1d('attn.c_attn', 'attn_qkv', width, 3 * width),
      headNorms: null,
      output: conv1d('attn.c_proj', 'attn_output', width, width),
    }),
    mlp({
      norm: norm(module('ln_2', 'ffn_norm'), config),
      up: conv1d('mlp.c_fc', 'ffn_up', width, inner),
      down: conv1d('mlp.c_proj', 'ffn_down', inner, width),
      activation: activationNames[config.activation_function],
    }),
  ]
}

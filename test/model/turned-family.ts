import { plainLogits } from '../../src/model/blocks/architecture.ts'
import { attention } from '../../src/model/blocks/attention.ts'
import { tokenEmbedding } from '../../src/model/blocks/embedding.ts'
import { gatedMlp } from '../../src/model/blocks/gated-mlp.ts'
import { linear } from '../../src/model/blocks/linear.ts'
import { rmsNorm } from '../../src/model/blocks/norm.ts'
import { defineFamily } from '../../src/model/families/family.ts'
import { llamaKeys } from '../../src/model/families/keys/llama-keys.ts'
import { ropeOf } from '../../src/model/families/keys/rope-keys.ts'
import { gain, matrix } from '../../src/model/weights/parameters.ts'
import { onePlus, reordered, transposed } from '../../src/model/weights/transforms.ts'

/** Rows from the last to the first. */
export const backwards = (rows: number) => reordered((row) => rows - 1 - row)

/**
 * A Llama whose files say everything in another way: q, k and v are one tensor [inputs, outputs], the rows of gate stand
 * backwards, gains are stored as their distance from one.
 */
export const turned = defineFamily({
  modelType: 'mistral',
  className: 'TurnedForCausalLM',
  gguf: { architecture: 'turned' },
  keys: llamaKeys({
    vocabSize: 128,
    hiddenSize: 48,
    intermediateSize: 88,
    layers: 2,
    heads: 4,
    keyHeads: 2,
    maxPositions: 64,
    bos: 1,
    eos: 2,
  }),
  describe(config) {
    const { hidden_size: width, intermediate_size: inner, rms_norm_eps: eps, vocab_size: vocabSize } = config
    const headDim = config.head_dim ?? 12
    const named = (name: string) => ({ safetensors: name, gguf: name })
    const norm = (name: string) => rmsNorm(gain(named(name), width, onePlus), eps)
    const table = (name: string) => matrix('matrix', width, [{ module: named(name), rows: vocabSize }])
    const shape = { queryHeads: 4, keyHeads: 2, headDim, window: 0, rope: ropeOf(config, headDim) }
    return {
      width,
      maxPositions: config.max_position_embeddings,
      embedding: tokenEmbedding(table('turned.wte')),
      layers: [0, 1].map((i) => [
        attention({
          shape,
          scale: headDim ** -0.5,
          norm: norm(`turned.h.${i}.ln_1`),
          qkv: linear(
            width,
            [{ module: named(`turned.h.${i}.c_attn`), rows: 8 * headDim, transform: transposed }],
            false,
          ),
          headNorms: null,
          output: linear(
            4 * headDim,
            [{ module: named(`turned.h.${i}.c_proj`), rows: width, transform: transposed }],
            false,
          ),
        }),
        gatedMlp({
          norm: norm(`turned.h.${i}.ln_2`),
          gateUp: linear(
            width,
            [
              { module: named(`turned.h.${i}.gate`), rows: inner, transform: backwards(inner) },
              { module: named(`turned.h.${i}.up`), rows: inner },
            ],
            false,
          ),
          down: linear(inner, [{ module: named(`turned.h.${i}.down`), rows: width }], false),
        }),
      ]),
      norm: norm('turned.ln_f'),
      head: table('lm_head'),
      isTied: false,
      logits: plainLogits,
    }
  },
})

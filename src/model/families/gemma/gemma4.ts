import type { Architecture } from '../../blocks/architecture.ts'
import { tokenEmbedding } from '../../blocks/embedding.ts'
import { rmsNorm } from '../../blocks/norm.ts'
import { gain, matrix } from '../../weights/parameters.ts'
import { defineFamily } from '../family.ts'
import { gemma4Inputs, gemma4Layers } from './gemma4-layers.ts'
import { checkGemma4, layerShapes, ropesOfTypes } from './gemma4-shapes.ts'
import { gemma4Gguf } from './gemma4-gguf.ts'
import { gemma4Metadata, lostOfGemma4 } from './gemma4-metadata.ts'
import { gemma4Keys } from './gemma4-keys.ts'
import { ropeTypesWithin } from '../keys/typed-ropes.ts'

/**
 * Gemma 4's text models: layers that read inputs of their own, later layers that read the keys and values of earlier ones, heads
 * of another length in layers that see everything (transformers 5.24, modeling_gemma4.py).
 */
export const gemma4 = defineFamily({
  modelType: 'gemma4_text',
  className: 'Gemma4ForCausalLM',
  classifierName: null,
  keys: gemma4Keys,
  unobeyed: {
    rope_scaling: {
      isHarmless: (value) => value === null,
      expected: 'rope_parameters of each type of layers',
    },
    use_bidirectional_attention: {
      isHarmless: (value) => value === null || value === 'vision',
      expected: 'null or "vision": each token of a text sees those before it',
    },
  },
  within: { rope_parameters: ropeTypesWithin.rope_parameters },
  check: checkGemma4,
  describe(config): Architecture {
    const { root, hidden_size: width, vocab_size: rows, rms_norm_eps: eps } = config
    const table = (safetensors: string, gguf: string) =>
      matrix('matrix', width, [{ module: { safetensors, gguf }, rows }])
    const shapes = layerShapes(config, ropesOfTypes(config))
    const layerInputs = gemma4Inputs(config)
    return {
      width,
      maxPositions: config.max_position_embeddings,
      embedding: tokenEmbedding(table(`${root}.embed_tokens`, 'token_embd'), {
        factor: Math.sqrt(width),
        isRounded: true,
      }),
      ...(layerInputs && { layerInputs }),
      ...gemma4Layers(config, shapes),
      norm: rmsNorm(gain({ safetensors: `${root}.norm`, gguf: 'output_norm' }, width), eps),
      head: table('lm_head', 'output'),
      isTied: config.tie_word_embeddings,
      logits: { scale: 1, cap: config.final_logit_softcapping ?? 0 },
    }
  },
  gguf: { ...gemma4Gguf, write: gemma4Metadata, lost: lostOfGemma4 },
})

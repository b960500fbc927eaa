import { plainLogits, type Architecture, type LogitBounds } from '../../blocks/architecture.ts'
import type { Balance } from '../../blocks/balance.ts'
import { tokenEmbedding, type Embedding } from '../../blocks/embedding.ts'
import { rmsNorm, type Norm } from '../../blocks/norm.ts'
import { gain, matrix, type ModuleName, type Parameter } from '../../weights/parameters.ts'
import type { Transform } from '../../weights/transforms.ts'
import { headsOf, type LlamaConfig } from '../keys/llama-keys.ts'
import { ropeOf } from '../keys/rope-keys.ts'
import { eachLayer } from '../keys/values.ts'
import type { LayerName } from './layer-names.ts'
import { llamaLayer, type LlamaLayerOptions } from './llama-layer.ts'

/** What the relatives have outside of their layers that Llama does not. */
export interface LlamaModelOptions {
  /** What the layers begin with; default a token's row of the table. */
  embed?: (table: Parameter) => Embedding
  /** Default plain. */
  logits?: LogitBounds
  /** Where layers have experts. */
  balance?: Balance
  /** What happens to every norm's gain between file and memory. */
  gain?: Transform
  /** Other norms of the stream than by the root mean square. */
  norm?: (module: ModuleName) => Norm
  /** Whether `partial_rotary_factor` is the share of each head that turns. */
  isPartial?: boolean
  /** The rotation's theta where the file names none. */
  theta?: number
  /** What is called otherwise: table and layers in model.safetensors, and the last norm. */
  names?: { embedding?: string; layers?: string; norm?: LayerName }
}

/** Root mean square norms, rotated grouped heads and a gated MLP. */
export function llamaLike(
  config: LlamaConfig,
  optionsOf: (layer: number) => LlamaLayerOptions,
  model: LlamaModelOptions = {},
): Architecture {
  const { vocab_size: vocabSize, hidden_size: width, rms_norm_eps: eps, root = 'model' } = config
  const { embed = tokenEmbedding, logits = plainLogits, gain: transform, balance } = model
  const {
    embedding = 'embed_tokens',
    layers = 'layers',
    norm: last = ['norm', 'output_norm'],
  } = model.names ?? {}
  const norm = model.norm ?? ((module: ModuleName) => rmsNorm(gain(module, width, transform), eps))
  const rope = ropeOf(config, headsOf(config).headDim, model)
  const table = (safetensors: string, gguf: string) =>
    matrix('matrix', width, [{ module: { safetensors, gguf }, rows: vocabSize }])
  return {
    width,
    maxPositions: config.max_position_embeddings,
    embedding: embed(table(`${root}.${embedding}`, 'token_embd')),
    layers: eachLayer(config, (layer) =>
      llamaLayer(config, optionsOf(layer), {
        rope,
        gain: transform,
        norm,
        named: (safetensors, gguf) => ({
          safetensors: `${root}.${layers}.${layer}.${safetensors}`,
          gguf: `blk.${layer}.${gguf}`,
        }),
      }),
    ),
    norm: norm({ safetensors: `${root}.${last[0]}`, gguf: last[1] }),
    head: table('lm_head', 'output'),
    isTied: config.tie_word_embeddings,
    logits,
    balance,
  }
}

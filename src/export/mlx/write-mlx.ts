import { join } from 'node:path'
import { FettleError, type Problem } from '../../error.ts'
import { writeFileAtomic, writeSafetensors, type TensorToWrite } from '../../formats/index.ts'
import type { AdapterFactors, PlainAdapter, UnloadedModel } from '../../model/index.ts'
import { transpose } from '../../transpose.ts'
import type { WriteExport } from '../format.ts'
import { lacksOlderRope } from './older-rope.ts'

/**
 * A LoRA adapter as mlx-lm loads it: `lora_a` [inputs, rank] and `lora_b` [rank, outputs] of each module in the last `num_layers` layers, and one
 * rank and one scale for all. A smaller rank is filled with zeros, another scale goes into B, and a module that has no LoRA in some layer
 * gets zeros there, since mlx-lm refuses tensors that are missing.
 * Source: mlx_lm/tuner/utils.py (linear_to_lora_layers, load_adapters), https://github.com/ml-explore/mlx-lm
 */
export const writeMlxAdapter: WriteExport = async ({ model, paths }, target) => {
  const adapter = await model.adapter()
  const place = `${paths.adapter ?? paths.model}: adapter_config.json`
  if (!adapter) throw new Error('no adapter')
  const left = whatIsLeft(model, adapter)
  if (left.length > 0)
    throw new FettleError(
      left.map((found): Problem => ({
        place,
        found,
        expected: 'LoRA on linear layers of the decoder, which is all that an adapter of mlx-lm can be here',
        cure: 'Export the merged model instead: --format mlx.',
      })),
    )
  const rank = Math.max(...adapter.factors.map((factors) => factors.rank))
  const scale = adapter.factors[0].scaling
  const layers = model.architecture.layers.length
  const placed = adapter.factors.map((factors) => ({ ...splitModule(factors.module), factors }))
  const first = Math.min(...placed.map(({ layer }) => layer))
  const keys = [...new Set(placed.map(({ key }) => key))]
  const tensors = keys.flatMap((key) => {
    const own = placed.filter((each) => each.key === key)
    const { stem } = own[0]
    return Array.from({ length: layers - first }, (_, i) => first + i).flatMap((layer) => {
      const here = own.find((each) => each.layer === layer)?.factors
      return pair(`${stem}.${layer}.${key}`, here ?? own[0].factors, here ? 1 : 0, { rank, scale })
    })
  })
  target.onTensor(0, tensors.length)
  await writeSafetensors(join(target.folder, 'adapters.safetensors'), tensors, { format: 'mlx' })
  const { loraDropout } = adapter.config
  const config = {
    fine_tune_type: 'lora',
    num_layers: layers - first,
    lora_parameters: { rank, scale, dropout: loraDropout, keys },
  }
  await writeFileAtomic(join(target.folder, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`)
  return lacksOlderRope(model.config.raw) ? [unlikeBase(paths.model)] : []
}

function unlikeBase(model: string): Problem {
  return {
    place: `${model}: config.json`,
    found: 'rope_parameters without rope_theta',
    expected:
      'the spelling of transformers 4, too: of most models mlx-lm reads no other, and computes with 10,000 as theta',
    cure: 'Export the model itself with --format mlx, and give mlx-lm that one with the adapter.',
  }
}

/** `model.layers`, 3 and `self_attn.q_proj` of `model.layers.3.self_attn.q_proj`. */
function splitModule(module: string): { stem: string; layer: number; key: string } {
  const [, stem = '', layer = '', key = ''] = /^(.*?)\.(\d+)\.(.+)$/.exec(module) ?? []
  return { stem, layer: Number(layer), key }
}

function whatIsLeft(
  { architecture, config: { root } }: UnloadedModel,
  { config, factors }: PlainAdapter,
): string[] {
  const { modulesToSave = [], trainableTokenIndices: rows, initLoraWeights: init } = config
  const { embedding, head } = architecture
  const isTable = ({ parameter }: AdapterFactors) => parameter === embedding.table || parameter === head
  return [
    ...(config.useDora ? ['use_dora: true'] : []),
    ...(config.bias === 'none' ? [] : [`bias: ${config.bias}`]),
    ...(modulesToSave.length > 0 ? ['modules_to_save'] : []),
    ...(rows === undefined ? [] : ['trainable_token_indices']),
    ...(factors.some(isTable) ? ['LoRA on the embedding or the head'] : []),
    ...(factors.some(({ parameter }) => parameter.experts) ? ['target_parameters: experts'] : []),
    ...(root === 'model' ? [] : ['a text model inside of another one']),
    ...(root === 'model' && factors.some((each) => !isTable(each) && !each.module.startsWith('model.layers.'))
      ? ['modules that mlx-lm calls otherwise']
      : []),
    ...(init === 'loftq' || init === 'olora' || String(init).startsWith('pissa')
      ? [`init_lora_weights: ${String(init)}, which changes the base's weights`]
      : []),
  ]
}

/** A and B of a module; `share` 0: zeros of their shapes. */
function pair(
  module: string,
  { a, b, rank: own, rows, scaling, parameter: { columns } }: AdapterFactors,
  share: number,
  { rank, scale }: { rank: number; scale: number },
): TensorToWrite[] {
  const loraA = new Float32Array(columns * rank)
  const loraB = new Float32Array(rank * rows)
  if (share > 0) {
    const turned = transpose(a, own, columns)
    for (let i = 0; i < columns; i += 1) loraA.set(turned.subarray(i * own, (i + 1) * own), i * rank)
    loraB.set(transpose(b, rows, own).map((value) => (value * scaling) / scale))
  }
  return [
    { name: `${module}.lora_a`, dtype: 'F32', shape: [columns, rank], data: loraA },
    { name: `${module}.lora_b`, dtype: 'F32', shape: [rank, rows], data: loraB },
  ]
}

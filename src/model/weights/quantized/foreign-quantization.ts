import { FettleError, quoteValue, type Problem } from '../../../error.ts'
import { isJsonObject, type JsonObject } from '../../../formats/foreign/index.ts'

/** What a model's weights were made smaller with, by `quant_method` of config.json. */
const methods: Readonly<Record<string, string>> = {
  'auto-round': 'AutoRound',
  fp8: 'FP8',
  fbgemm_fp8: 'FP8 (FBGEMM)',
  modelopt: 'NVIDIA ModelOpt',
  'compressed-tensors': 'compressed-tensors',
  hqq: 'HQQ',
  aqlm: 'AQLM',
  quanto: 'Quanto',
  torchao: 'TorchAO',
  bitnet: 'BitNet',
  eetq: 'EETQ',
  higgs: 'HIGGS',
  vptq: 'VPTQ',
  spqr: 'SpQR',
  quark: 'Quark',
  fp_quant: 'FP-Quant',
}

/** Tensors that only one way of making weights smaller has, for files whose config.json does not say it. */
const marks: readonly [RegExp, string][] = [
  [/\.qzeros$/, 'GPTQ or AWQ'],
  [/\.qweight$/, 'GPTQ or AWQ'],
  [/\.weight_packed$/, 'compressed-tensors'],
  [/\.weight_scale(_inv)?$/, 'FP8'],
]

const mlx = 'MLX'

/** What is read beside bitsandbytes: see mxfp4.ts and packed-weights.ts. */
const read = ['mxfp4', 'gptq', 'awq']

/**
 * Ends the reading of weights in a form that is neither numbers nor bitsandbytes', GPTQ's, AWQ's nor gpt-oss's MXFP4, with its name.
 *
 * @param config   config.json
 * @param tensors  names of the tensors
 */
export function refuseQuantized(config: JsonObject, place: string, tensors: Iterable<string>): void {
  const { key, method } = methodOf(config, [...tensors])
  if (method === undefined) return
  throw new FettleError({
    place: key === undefined ? place : `${place}: ${key}`,
    found: `weights in the form of ${method}`,
    expected: 'weights as they were trained, or in 4 or 8 bits of bitsandbytes, GPTQ or AWQ',
    cure:
      method === mlx
        ? 'mlx_lm.convert --dequantize writes them whole.'
        : 'Take the model that they were made from; --quantization nf4 or int8 makes it small when it is loaded.',
  })
}

/** Whether a quantization_config is that of bitsandbytes; older files do not name it. */
export function isBitsandbytes(given: unknown): boolean {
  if (!isJsonObject(given)) return false
  const { quant_method: method } = given
  return (
    method === 'bitsandbytes' ||
    (method === undefined && ('load_in_4bit' in given || 'load_in_8bit' in given))
  )
}

function methodOf(
  config: JsonObject,
  names: readonly string[],
): { key?: string; method?: string | undefined } {
  // MLX writes group size and bits under a key of its own, and again under that of others.
  if (isJsonObject(config['quantization'])) return { key: 'quantization', method: mlx }
  for (const key of ['quantization_config', 'compression_config'] as const) {
    const given = config[key]
    if (given === undefined || given === null) continue
    const method = isJsonObject(given) ? given['quant_method'] : given
    if (isBitsandbytes(given) || read.includes(String(method))) return {}
    const name = typeof method === 'string' && Object.hasOwn(methods, method) ? methods[method] : undefined
    return { key, method: name ?? quoteValue(method) }
  }
  const mark = marks.find(([pattern]) => names.some((name) => pattern.test(name)))
  return { method: mark?.[1] }
}

/** What to say of whole weights beside a config.json that calls them quantised, as merging leaves it. */
export function wholeNotice(config: JsonObject, place: string, isQuantized: boolean): Problem[] {
  if (isQuantized || !isBitsandbytes(config['quantization_config'])) return []
  return [
    {
      place: `${place}: quantization_config`,
      found: 'bitsandbytes, but the weights are whole',
      expected: 'no such key; they are read as they are',
    },
  ]
}

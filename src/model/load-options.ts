import type { EngineName } from '../engine/index.ts'
import { activationQuantizations, quantizations } from '../engine/index.ts'
import type { ActivationQuantization, DType, Engine, Quantization } from '../engine/index.ts'
import { clipText, FettleError, quoteValue } from '../error.ts'
import type { WeightStore } from './weights/stores/weight-store.ts'

/** How a model is loaded. */
export interface LoadOptions {
  /**
   * Compute type; `auto` is the stored type where the engine has it, float32 for weights stored in float16 (bfloat16 would round
   * them), else the engine's preferred one.
   */
  dtype?: 'auto' | 'float32' | 'bfloat16'
  /** Without it the first that runs here; where that is not native, `notices` of the model says so. */
  engine?: EngineName
  threads?: number
  /**
   * Hold the linear layers of the decoder in 8 or 4 bits, with bitsandbytes' values. They are frozen: train an adapter.
   * Generation reads the head in 8 bits; embedding, norms and activations stay in `dtype`. A checkpoint of bitsandbytes is held in
   * its own bits where no others are asked for.
   */
  quantization?: Quantization | null
  /**
   * With nf4 or fp4: the scales of their blocks are rounded to 8 bits themselves, as bitsandbytes does with bnb_4bit_use_double_quant. The
   * numbers are its; the memory is that of nf4 without it.
   */
  doubleQuantization?: boolean
  /**
   * With int8 weights: round activations, and their gradients, to 8 bits where they meet these weights, so that the products of
   * training and of prompts are made in integers: faster, less exact. Passes of up to 16 tokens do not.
   */
  activationQuantization?: ActivationQuantization | null
}

/** @throws FettleError for a name that is none, and for rounded activations without int8 weights */
export function readQuantization(given: {
  quantization?: unknown
  activationQuantization?: unknown
  doubleQuantization?: unknown
}) {
  const quantization = oneOf('quantization', given.quantization, quantizations)
  const activationQuantization = oneOf(
    'activationQuantization',
    given.activationQuantization,
    activationQuantizations,
  )
  if (activationQuantization !== null && quantization !== 'int8')
    throw new FettleError({
      place: 'activationQuantization',
      found: `${activationQuantization} with ${quantization === null ? 'no quantization' : `quantization ${quantization}`}`,
      expected: 'quantization int8: integers are multiplied with integers',
    })
  const { doubleQuantization = false } = given
  if (typeof doubleQuantization !== 'boolean')
    throw new FettleError({
      place: 'doubleQuantization',
      found: quoteValue(doubleQuantization),
      expected: 'true or false',
    })
  if (doubleQuantization && quantization !== 'nf4' && quantization !== 'fp4')
    throw new FettleError({
      place: 'doubleQuantization',
      found: `true with ${quantization === null ? 'no quantization' : `quantization ${quantization}`}`,
      expected: 'quantization nf4 or fp4, whose scales it rounds',
    })
  return { quantization, activationQuantization, doubleQuantization }
}

function oneOf<T extends string>(place: string, given: unknown, names: readonly T[]): T | null {
  if (given === undefined || given === null) return null
  const known = names.find((name) => name === given)
  if (known) return known
  throw new FettleError({ place, found: quoteValue(given), expected: `${names.join(', ')} or null` })
}

/** The type of activations: what was asked for, else the stored one where the engine has it. */
export function computeType(
  engine: Engine,
  stored: WeightStore['dtype'],
  wanted: LoadOptions['dtype'] = 'auto',
): DType {
  const storedType = stored === 'BF16' ? 'bfloat16' : 'float32'
  const dtype = wanted === 'auto' ? storedType : wanted
  if (engine.activationTypes.includes(dtype)) return dtype
  if (wanted === 'auto') return engine.activationTypes[0]
  throw new FettleError({
    place: 'dtype',
    found: typeof wanted === 'string' ? clipText(wanted) : quoteValue(wanted),
    expected: `${engine.activationTypes.join(' or ')} on the ${engine.name} engine`,
  })
}

import type { EngineName } from '../engine/index.ts'
import { quantizations } from '../engine/index.ts'
import type { DType, Engine, Quantization } from '../engine/index.ts'
import { FettleError } from '../error.ts'
import type { WeightStore } from './weight-store.ts'

/** How a model is loaded. */
export interface LoadOptions {
  /** Compute type; `auto` is the stored type where the engine has it, else its preferred one. */
  dtype?: 'auto' | 'float32' | 'bfloat16'
  /** Without it: native where it was built, else reference. */
  engine?: EngineName
  threads?: number
  /**
   * Hold the linear layers of the decoder in 8 or 4 bits, with bitsandbytes' values. They are frozen: train an adapter.
   * Generation reads the head in 8 bits; embedding, norms and activations stay in `dtype`.
   */
  quantization?: Quantization | null
}

/** @throws FettleError for a name that is none */
export function quantizationOf({ quantization: given }: { quantization?: unknown }): Quantization | null {
  if (given === undefined || given === null) return null
  const known = quantizations.find((name) => name === given)
  if (known) return known
  throw new FettleError({
    place: 'quantization',
    found: String(given),
    expected: `${quantizations.join(', ')} or null`,
  })
}

/** The type of activations: what was asked for, else the stored one where the engine has it. */
export function computeType(
  engine: Engine,
  stored: WeightStore['dtype'],
  wanted: LoadOptions['dtype'] = 'auto',
): DType {
  const storedType = stored === 'F32' ? 'float32' : 'bfloat16'
  const dtype = wanted === 'auto' ? storedType : wanted
  if (engine.activationTypes.includes(dtype)) return dtype
  if (wanted === 'auto') return engine.activationTypes[0]
  throw new FettleError({
    place: 'dtype',
    found: wanted,
    expected: `${engine.activationTypes.join(' or ')} on the ${engine.name} engine`,
  })
}

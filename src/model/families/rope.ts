import type { RopeConfig } from './config.ts'

/** Rotation angles: inverse frequencies [rotaryDim / 2] and the factor by which cos and sin are multiplied. */
export interface RopeFrequencies {
  inverse: Float64Array
  attentionScaling: number
}

/**
 * Inverse frequencies θ_i = base^(−2i / rotaryDim), scaled as the configuration says:
 * - `linear`  θ / factor
 * - `llama3`  long wavelengths / factor, short ones as they are, a smooth passage between (Llama 3.1)
 * - `yarn`    interpolation by a ramp over the dimensions, and a temperature (Peng et al. 2023, arXiv:2309.00071)
 * Same formulas as transformers' modeling_rope_utils.
 */
export function ropeFrequencies(rope: RopeConfig, rotaryDim: number): RopeFrequencies {
  const half = rotaryDim / 2
  const plain = Float64Array.from({ length: half }, (_, i) => rope.theta ** (-(2 * i) / rotaryDim))
  if (rope.factors) return { inverse: plain.map((f, i) => f / (rope.factors?.[i] ?? 1)), attentionScaling: 1 }
  switch (rope.type) {
    case 'default':
      return { inverse: plain, attentionScaling: 1 }
    case 'linear':
      return { inverse: plain.map((f) => f / rope.factor), attentionScaling: 1 }
    case 'llama3': {
      const lowWavelength = rope.originalMaxPositions / rope.lowFrequencyFactor
      const highWavelength = rope.originalMaxPositions / rope.highFrequencyFactor
      const inverse = plain.map((f) => {
        const wavelength = (2 * Math.PI) / f
        if (wavelength > lowWavelength) return f / rope.factor
        if (wavelength < highWavelength) return f
        const smooth =
          (rope.originalMaxPositions / wavelength - rope.lowFrequencyFactor) /
          (rope.highFrequencyFactor - rope.lowFrequencyFactor)
        return ((1 - smooth) * f) / rope.factor + smooth * f
      })
      return { inverse, attentionScaling: 1 }
    }
    case 'yarn':
      return yarn(rope, plain, rotaryDim)
  }
}

function yarn(rope: RopeConfig, plain: Float64Array, rotaryDim: number): RopeFrequencies {
  // The dimension whose wavelength makes `rotations` turns over the original context.
  const dimensionOf = (rotations: number) =>
    (rotaryDim * Math.log(rope.originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(rope.theta))
  const round = rope.truncate
    ? { down: Math.floor, up: Math.ceil }
    : { down: (x: number) => x, up: (x: number) => x }
  const low = Math.max(round.down(dimensionOf(rope.betaFast)), 0)
  let high = Math.min(round.up(dimensionOf(rope.betaSlow)), rotaryDim - 1)
  if (low === high) high += 0.001
  const inverse = plain.map((f, i) => {
    const interpolated = Math.min(1, Math.max(0, (i - low) / (high - low)))
    return (f / rope.factor) * interpolated + f * (1 - interpolated)
  })
  const temperature = (scale: number, weight: number) => (scale <= 1 ? 1 : 0.1 * weight * Math.log(scale) + 1)
  const attentionScaling =
    rope.attentionFactor ??
    (rope.mscale && rope.mscaleAllDim
      ? temperature(rope.factor, rope.mscale) / temperature(rope.factor, rope.mscaleAllDim)
      : temperature(rope.factor, 1))
  return { inverse, attentionScaling }
}

/** cos and sin of position · θ_i, times the attention scaling; both [positions, rotaryDim / 2]. */
export function ropeTables(
  { inverse, attentionScaling }: RopeFrequencies,
  positions: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = inverse.length
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  // transformers rounds θ to float32 and multiplies in float32; so do we, to the bit of the angle.
  const rounded = Float32Array.from(inverse)
  for (let position = 0; position < positions; position += 1)
    for (let i = 0; i < half; i += 1) {
      const angle = Math.fround(position * rounded[i])
      cos[position * half + i] = Math.cos(angle) * attentionScaling
      sin[position * half + i] = Math.sin(angle) * attentionScaling
    }
  return { cos, sin }
}

/** Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864): which columns turn, and how fast. */
export interface Rope {
  /** Columns at the start of each head that are rotated. */
  rotaryDim: number
  theta: number
  scaling: RopeScaling
}

/** How the frequencies θ_i = theta^(−2i / rotaryDim) are changed for longer contexts; as in transformers' modeling_rope_utils. */
export type RopeScaling =
  | { type: 'default' }
  /** θ / factor */
  | { type: 'linear'; factor: number }
  /** Long wavelengths / factor, short ones as they are, a smooth passage between (Llama 3.1). */
  | {
      type: 'llama3'
      factor: number
      originalMaxPositions: number
      lowFrequencyFactor: number
      highFrequencyFactor: number
    }
  /** Interpolation by a ramp over the dimensions, and a temperature (Peng et al. 2023, https://arxiv.org/abs/2309.00071). */
  | {
      type: 'yarn'
      factor: number
      originalMaxPositions: number
      betaFast: number
      betaSlow: number
      truncate: boolean
      attentionFactor?: number | undefined
      mscale?: number | undefined
      mscaleAllDim?: number | undefined
    }
  /** θ_i / divisors[i], as llama.cpp stores a scaling (`rope_freqs.weight`). */
  | { type: 'divisors'; divisors: readonly number[] }

/** Rotation angles: inverse frequencies [rotaryDim / 2] and the factor by which cos and sin are multiplied. */
export interface RopeFrequencies {
  inverse: Float64Array
  attentionScaling: number
}

export function ropeFrequencies(rope: Rope): RopeFrequencies {
  const { rotaryDim, theta, scaling } = rope
  const plain = Float64Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** (-(2 * i) / rotaryDim))
  const unscaled = (inverse: Float64Array) => ({ inverse, attentionScaling: 1 })
  switch (scaling.type) {
    case 'default':
      return unscaled(plain)
    case 'linear':
      return unscaled(plain.map((f) => f / scaling.factor))
    case 'divisors':
      return unscaled(plain.map((f, i) => f / scaling.divisors[i]))
    case 'llama3':
      return unscaled(plain.map((f) => llama3(f, scaling)))
    case 'yarn':
      return yarn(plain, rope, scaling)
  }
}

type Scaling<T extends RopeScaling['type']> = Extract<RopeScaling, { type: T }>

function llama3(
  f: number,
  { factor, originalMaxPositions, lowFrequencyFactor, highFrequencyFactor }: Scaling<'llama3'>,
): number {
  const wavelength = (2 * Math.PI) / f
  if (wavelength > originalMaxPositions / lowFrequencyFactor) return f / factor
  if (wavelength < originalMaxPositions / highFrequencyFactor) return f
  const smooth =
    (originalMaxPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
  return ((1 - smooth) * f) / factor + smooth * f
}

function yarn(plain: Float64Array, { rotaryDim, theta }: Rope, scaling: Scaling<'yarn'>): RopeFrequencies {
  const { factor, originalMaxPositions, truncate, mscale, mscaleAllDim } = scaling
  // The dimension whose wavelength makes `rotations` turns over the original context.
  const dimensionOf = (rotations: number) =>
    (rotaryDim * Math.log(originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta))
  const round = truncate
    ? { down: Math.floor, up: Math.ceil }
    : { down: (x: number) => x, up: (x: number) => x }
  const low = Math.max(round.down(dimensionOf(scaling.betaFast)), 0)
  let high = Math.min(round.up(dimensionOf(scaling.betaSlow)), rotaryDim - 1)
  if (low === high) high += 0.001
  const inverse = plain.map((f, i) => {
    const interpolated = Math.min(1, Math.max(0, (i - low) / (high - low)))
    return (f / factor) * interpolated + f * (1 - interpolated)
  })
  const temperature = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  const attentionScaling =
    scaling.attentionFactor ??
    (mscale && mscaleAllDim ? temperature(mscale) / temperature(mscaleAllDim) : temperature(1))
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

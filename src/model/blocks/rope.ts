/** Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864): which columns turn, and how fast. */
export interface Rope {
  /** Columns at the start of each head that are rotated; even. */
  rotaryDim: number
  /** What the exponents are divided by, where it is not rotaryDim: an odd number of columns is rounded up. */
  exponentDim?: number
  theta: number
  scaling: RopeScaling
  /** What is turned grows with its position, in steps of `every`: by 1 + beta · ln(1 + ⌊position / every⌋). */
  growth?: { beta: number; every: number } | undefined
}

/** How the frequencies θ_i = theta^(−2i / exponentDim) are changed for longer contexts; as in transformers' modeling_rope_utils. */
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
  /** Beyond maxPositions a larger theta, by the length of the sequence (NTK-aware scaling, by u/bloc97 and u/emozilla). */
  | { type: 'dynamic'; factor: number; maxPositions: number }
  /**
   * θ_i / factors[i]: the long ones where the longest sequence of a pass has more than originalMaxPositions tokens, else the short
   * ones (Ding et al. 2024, https://arxiv.org/abs/2402.13753). Entropy is kept by attentionFactor in both.
   */
  | {
      type: 'longrope'
      shortFactors: readonly number[]
      longFactors: readonly number[]
      originalMaxPositions: number
      attentionFactor: number
    }
  /** The first so many θ_i / factor; the others are zero: their columns do not turn (Gemma 4). */
  | { type: 'proportional'; turning: number; factor: number }
  /** θ_i / divisors[i], as llama.cpp stores a scaling (`rope_freqs.weight`). */
  | { type: 'divisors'; divisors: readonly number[] }

/** Rotation angles: inverse frequencies [rotaryDim / 2] and the factor by which cos and sin are multiplied. */
export interface RopeFrequencies {
  inverse: Float64Array
  attentionScaling: number
}

/** @param length  of the longest sequence of the pass; some scalings depend on it */
export function ropeFrequencies(rope: Rope, length = 0): RopeFrequencies {
  const { scaling } = rope
  const plain = plainFrequencies(rope, rope.theta)
  const unscaled = (inverse: Float64Array) => ({ inverse, attentionScaling: 1 })
  switch (scaling.type) {
    case 'default':
      return unscaled(plain)
    case 'linear':
      return unscaled(plain.map((f) => f / scaling.factor))
    case 'proportional':
      return unscaled(plain.map((f, i) => (i < scaling.turning ? f / scaling.factor : 0)))
    case 'divisors':
      return unscaled(plain.map((f, i) => f / scaling.divisors[i]))
    case 'llama3':
      return unscaled(plain.map((f) => llama3(f, scaling)))
    case 'yarn':
      return yarn(plain, rope, scaling)
    case 'dynamic':
      return unscaled(plainFrequencies(rope, dynamicTheta(rope, scaling, length)))
    case 'longrope': {
      const { shortFactors, longFactors, originalMaxPositions, attentionFactor } = scaling
      const factors = length > originalMaxPositions ? longFactors : shortFactors
      return { inverse: plain.map((f, i) => f / factors[i]), attentionScaling: attentionFactor }
    }
  }
}

/** theta^(−2i / exponentDim) */
function plainFrequencies({ rotaryDim, exponentDim = rotaryDim }: Rope, theta: number): Float64Array {
  return Float64Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** (-(2 * i) / exponentDim))
}

/** Two lengths with the same number have the same tables up to the shorter one. */
export function tableVersion({ scaling }: Rope, length: number): number {
  if (scaling.type === 'longrope') return length > scaling.originalMaxPositions ? 1 : 0
  return scaling.type === 'dynamic' ? Math.max(length, scaling.maxPositions) : 0
}

/** How long a sequence of this length may become before what it has already needs other tables. */
export function longestWithTable({ scaling }: Rope, length: number): number {
  return scaling.type === 'longrope' && length <= scaling.originalMaxPositions
    ? scaling.originalMaxPositions
    : Number.POSITIVE_INFINITY
}

/** Whether its tables depend on the length of the longest sequence. */
export function followsLength({ scaling: { type } }: Rope): boolean {
  return type === 'longrope' || type === 'dynamic'
}

type Scaling<T extends RopeScaling['type']> = Extract<RopeScaling, { type: T }>

/** theta · (factor · length / maxPositions − (factor − 1))^(dim / (dim − 2)) */
function dynamicTheta(
  { rotaryDim: dim, theta }: Rope,
  { factor, maxPositions }: Scaling<'dynamic'>,
  length: number,
): number {
  const stretched = (factor * Math.max(length, maxPositions)) / maxPositions - (factor - 1)
  return theta * stretched ** (dim / (dim - 2))
}

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

/**
 * cos and sin of position · θ_i, times the attention scaling and what grows with the position; both [positions, rotaryDim / 2]. Positions from `length` on are
 * those of tokens that are generated after a sequence of that length: each has the frequencies of its own length.
 */
export function ropeTables(
  rope: Rope,
  positions: number,
  length: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = rope.rotaryDim / 2
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  const { inverse, attentionScaling } = ropeFrequencies(rope, length)
  // transformers rounds θ to float32 and multiplies in float32; so do we, to the bit of the angle.
  let rounded = Float32Array.from(inverse)
  const own = rope.scaling.type === 'dynamic' ? Math.max(length, rope.scaling.maxPositions) : positions
  for (let position = 0; position < positions; position += 1) {
    if (position >= own) rounded = Float32Array.from(ropeFrequencies(rope, position + 1).inverse)
    const factor = attentionScaling * growthAt(rope, position)
    for (let i = 0; i < half; i += 1) {
      const angle = Math.fround(position * rounded[i])
      cos[position * half + i] = Math.cos(angle) * factor
      sin[position * half + i] = Math.sin(angle) * factor
    }
  }
  return { cos, sin }
}

function growthAt({ growth }: Rope, position: number): number {
  return growth ? 1 + growth.beta * Math.log(1 + Math.floor(position / growth.every)) : 1
}

import { logSigmoid, sigmoid } from './log-sigmoid.ts'

/** What a divergence makes of a log-ratio s, and the slope of that: f'(e^s). */
interface Score {
  score: number
  slope: number
}

/** Beyond it e^x is taken as e^80, as TRL does for float32. */
const largestExponent = 80

/**
 * The divergences between policy and reference that DPO may be bound by, by TRL's names.
 * Source: Wang et al. 2023, https://arxiv.org/abs/2309.16240
 */
export const fDivergences = {
  reverse_kl: (ratio: number): Score => ({ score: ratio, slope: 1 }),
  // 1 − e^−s
  forward_kl: (ratio: number): Score => ({ score: 1 - Math.exp(-ratio), slope: Math.exp(-ratio) }),
  // log 2 + log σ(s)
  js_divergence: (ratio: number): Score => ({
    score: Math.LN2 + logSigmoid(ratio),
    slope: sigmoid(-ratio),
  }),
  // (e^((α − 1) s) − 1) / (α − 1), and s itself where α is 1
  alpha_divergence(ratio: number, alpha: number): Score {
    if (Math.abs(alpha - 1) < 1e-6) return { score: ratio, slope: 1 }
    const exponent = (alpha - 1) * ratio
    const power = Math.exp(Math.min(exponent, largestExponent))
    return { score: (power - 1) / (alpha - 1), slope: exponent < largestExponent ? power : 0 }
  },
} as const satisfies Record<string, (ratio: number, alpha: number) => Score>

import { logSigmoid, sigmoid } from './log-sigmoid.ts'

/** A loss, and its slopes by the log-ratios of the chosen and of the rejected answer. */
export interface PairLoss {
  loss: number
  chosen: number
  rejected: number
}

/** What a pair's loss follows from: log π − log π_ref of both answers, or what an f-divergence makes of them, and their tokens. */
export interface PairRatios {
  chosen: number
  rejected: number
  /** Tokens of the answers. */
  chosenLength: number
  rejectedLength: number
}

/** Parameters of the losses, by TRL's names. */
export interface PairLossOptions {
  beta: number
  labelSmoothing: number
  discopopTau: number
}

type Formula = (pair: PairRatios, options: PairLossOptions) => PairLoss

/**
 * The losses of DPO that are sums over pairs, by TRL's names, with c and r the log-ratios, Δ = c − r, z = βΔ, ε = label_smoothing.
 * `scores`: c and r are what f_divergence_type makes of the log-ratios; the others take the log-ratios themselves.
 * Sources: Rafailov et al. 2023 (sigmoid), Liu et al. 2024 (hinge), Azar et al. 2023 (ipo), Ji et al. 2024 (exo_pair), Chen et al. 2024
 * (nca_pair), Chowdhury et al. 2024 (robust), Jung et al. 2024 (bco_pair), Wu et al. 2024 (sppo_hard), D'Oosterlinck et al. 2024 (apo),
 * Lu et al. 2024 (discopop), Meng et al. 2024 (sigmoid_norm)
 */
export const pairLosses = {
  // −log σ(z)
  sigmoid: { scores: true, at: ofMargin((z) => [-logSigmoid(z), -sigmoid(-z)]) },
  // max(0, 1 − z)
  hinge: { scores: true, at: ofMargin((z) => [Math.max(0, 1 - z), z < 1 ? -1 : 0]) },
  // (c / n_c − r / n_r − 1 / 2β)²
  ipo: {
    scores: true,
    at: ({ chosen, rejected, chosenLength, rejectedLength }, { beta }) => {
      const error = chosen / chosenLength - rejected / rejectedLength - 1 / (2 * beta)
      return { loss: error ** 2, chosen: (2 * error) / chosenLength, rejected: (-2 * error) / rejectedLength }
    },
  },
  // q (log q − log(1 − ε)) + (1 − q) (log(1 − q) − log ε), q = σ(z)
  exo_pair: {
    scores: true,
    at: ofMargin((z, { labelSmoothing }) => {
      const wins = logSigmoid(z) - Math.log1p(-labelSmoothing)
      const loses = logSigmoid(-z) - Math.log(labelSmoothing)
      const q = sigmoid(z)
      // q' = q (1 − q), and what the logarithms add to the slope cancels.
      return [q * wins + (1 - q) * loses, q * (1 - q) * (wins - loses)]
    }),
  },
  // −log σ(βc) − ½ log σ(−βc) − ½ log σ(−βr)
  nca_pair: {
    scores: false,
    at: ({ chosen, rejected }, { beta }) => {
      const [c, r] = [beta * chosen, beta * rejected]
      return {
        loss: -logSigmoid(c) - 0.5 * logSigmoid(-c) - 0.5 * logSigmoid(-r),
        chosen: beta * (0.5 * sigmoid(c) - sigmoid(-c)),
        rejected: beta * 0.5 * sigmoid(r),
      }
    },
  },
  // (−(1 − ε) log σ(z) + ε log σ(−z)) / (1 − 2ε)
  robust: {
    scores: true,
    at: ofMargin((z, { labelSmoothing: e }) => [
      (-(1 - e) * logSigmoid(z) + e * logSigmoid(-z)) / (1 - 2 * e),
      (-(1 - e) * sigmoid(-z) - e * sigmoid(z)) / (1 - 2 * e),
    ]),
  },
  // −log σ(βc) − log σ(−βr)
  bco_pair: {
    scores: false,
    at: ({ chosen, rejected }, { beta }) => ({
      loss: -logSigmoid(beta * chosen) - logSigmoid(-beta * rejected),
      chosen: -beta * sigmoid(-beta * chosen),
      rejected: beta * sigmoid(beta * rejected),
    }),
  },
  // (c − 1 / 2β)² + (r + 1 / 2β)²
  sppo_hard: {
    scores: false,
    at: ({ chosen, rejected }, { beta }) => {
      const [c, r] = [chosen - 0.5 / beta, rejected + 0.5 / beta]
      return { loss: c ** 2 + r ** 2, chosen: 2 * c, rejected: 2 * r }
    },
  },
  // 1 − σ(βc) + σ(βr)
  apo_zero: {
    scores: false,
    at: ({ chosen, rejected }, { beta }) => ({
      loss: sigmoid(-beta * chosen) + sigmoid(beta * rejected),
      chosen: -beta * bell(beta * chosen),
      rejected: beta * bell(beta * rejected),
    }),
  },
  // σ(βc) + 1 − σ(β(c − r))
  apo_down: {
    scores: false,
    at: ({ chosen, rejected }, { beta }) => {
      const z = beta * (chosen - rejected)
      return {
        loss: sigmoid(beta * chosen) + sigmoid(-z),
        chosen: beta * (bell(beta * chosen) - bell(z)),
        rejected: beta * bell(z),
      }
    },
  },
  // −(1 − m) log σ(z) + m e^−z, m = σ(z / τ)
  discopop: {
    scores: true,
    at: ofMargin((z, { discopopTau: tau }) => {
      const m = sigmoid(z / tau)
      const [logistic, exponential] = [-logSigmoid(z), Math.exp(-z)]
      const slope =
        -(1 - m) * sigmoid(-z) - m * exponential + (bell(z / tau) / tau) * (exponential - logistic)
      return [logistic * (1 - m) + exponential * m, slope]
    }),
  },
  // −log σ(β(c / n_c − r / n_r))
  sigmoid_norm: {
    scores: true,
    at: ({ chosen, rejected, chosenLength, rejectedLength }, { beta }) => {
      const z = beta * (chosen / chosenLength - rejected / rejectedLength)
      const slope = -beta * sigmoid(-z)
      return { loss: -logSigmoid(z), chosen: slope / chosenLength, rejected: -slope / rejectedLength }
    },
  },
} as const satisfies Record<string, { scores: boolean; at: Formula }>

/** A loss that follows from z = β(c − r): its value and its slope by z. */
function ofMargin(formula: (z: number, options: PairLossOptions) => [loss: number, slope: number]): Formula {
  return ({ chosen, rejected }, options) => {
    const [loss, slope] = formula(options.beta * (chosen - rejected), options)
    return { loss, chosen: options.beta * slope, rejected: -options.beta * slope }
  }
}

/** The slope of σ. */
function bell(x: number): number {
  return sigmoid(x) * sigmoid(-x)
}

import type { Kernel } from '../kernel.ts'
import { eachExpert } from './expert-rows.ts'

/** y[r] = w[r] · s[e(r)];  w'[r] = s[e(r)] · y'[r],  s'[e] = Σ w[r] y'[r] over its rows. weights [R], scales [E] → y [R] */
export const scaleExperts: Kernel<'scaleExperts'> = {
  forward({ weights, ends, scales }, { y }) {
    eachExpert(ends, (e, begin, end) => {
      for (let r = begin; r < end; r += 1) y.data[r] = weights.data[r] * scales.data[e]
    })
  },
  vjp(saved, { y: dy }, { weights: dWeights, scales: dScales }) {
    eachExpert(saved.ends, (e, begin, end) => {
      for (let r = begin; r < end; r += 1) {
        if (dWeights) dWeights.data[r] += saved.scales.data[e] * dy.data[r]
        if (dScales) dScales.data[e] += saved.weights.data[r] * dy.data[r]
      }
    })
  },
}

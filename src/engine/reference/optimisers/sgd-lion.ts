import type { Kernel } from '../kernel.ts'

/**
 * SGD in place, with g = clip · gradient + decay · p:  v = μ v + gain · g,  p = p − lr · v, or p − lr (g + μ v) by Nesterov;
 * without v, p − lr · g. Source: PyTorch's SGD
 *
 * hyper = [lr, μ, gain, decay, nesterov]; all others have the parameters' shape
 */
export const sgd: Kernel<'sgd'> = {
  forward({ parameters, gradients, velocity, stats, hyper }) {
    const [rate, momentum, gain, decay, nesterov] = hyper.data
    const clip = stats?.data[1] ?? 1
    for (let i = 0; i < parameters.data.length; i += 1) {
      const g = clip * gradients.data[i] + decay * parameters.data[i]
      let update = g
      if (velocity) {
        const v = momentum * velocity.data[i] + gain * g
        velocity.data[i] = v
        update = nesterov ? g + momentum * v : v
      }
      parameters.data[i] -= rate * update
    }
  },
  vjp: null,
}

/**
 * Lion in place, with g = clip · gradient:  p = p (1 − lr·decay) − lr · sign(β1 m + (1−β1) g),  m = β2 m + (1−β2) g.
 * Source: Chen et al. 2023, https://arxiv.org/abs/2302.06675, as bitsandbytes computes it
 *
 * hyper = [lr, β1, β2, decay]; all others have the parameters' shape
 */
export const lion: Kernel<'lion'> = {
  forward({ parameters, gradients, m, stats, hyper }) {
    const [rate, beta1, beta2, decay] = hyper.data
    const clip = stats?.data[1] ?? 1
    for (let i = 0; i < parameters.data.length; i += 1) {
      const g = clip * gradients.data[i]
      const direction = Math.sign(beta1 * m.data[i] + (1 - beta1) * g)
      m.data[i] = beta2 * m.data[i] + (1 - beta2) * g
      parameters.data[i] = parameters.data[i] * (1 - rate * decay) - rate * direction
    }
  },
  vjp: null,
}

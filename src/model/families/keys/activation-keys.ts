import { z } from 'zod'
import type { Activation } from '../../../engine/index.ts'

/** What transformers' names of activations compute. */
export const activationNames = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  gelu_python_tanh: 'geluTanh',
  gelu_fast: 'geluTanh',
  gelu_accurate: 'geluTanh',
} as const satisfies Record<string, Activation>

export const activationName = (fallback: keyof typeof activationNames) =>
  z.enum(Object.keys(activationNames) as (keyof typeof activationNames)[]).default(fallback)

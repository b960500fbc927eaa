import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { biases, matrix, rowCount, type ModuleName } from '../weights/parameters.ts'
import { depthwise, transposed, type Transform } from '../weights/transforms.ts'
import type { CacheShape } from './cache-shape.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/** A depthwise convolution over earlier tokens. */
export interface CausalConv {
  /** [taps, channels] */
  weight: Parameter
  bias: Parameter | null
  /** Whether silu follows. */
  silu: boolean
  /** 3: of b · v between the gates b and c, y = c · conv(b · v); 1: of its input. */
  parts: 1 | 3
}

export function causalConv(
  module: ModuleName,
  {
    channels,
    taps,
    hasBias = false,
    ggufTransform = transposed,
    ...form
  }: { channels: number; taps: number; hasBias?: boolean; ggufTransform?: Transform } & Pick<
    CausalConv,
    'silu' | 'parts'
  >,
): CausalConv {
  return {
    weight: matrix('matrix', channels, [{ module, rows: taps, transform: depthwise, ggufTransform }]),
    bias: hasBias ? biases([{ module, rows: channels }]) : null,
    ...form,
  }
}

export function convParts({ weight, bias }: CausalConv): Parameter[] {
  return bias ? [weight, bias] : [weight]
}

/** What the next token reads of those before it. */
export function convState({ weight }: CausalConv): { positions: number; width: number } {
  return { positions: rowCount(weight) - 1, width: weight.columns }
}

/**
 * y [M, channels]
 *
 * @param x  [M, parts · channels]
 * @param cache  whose last state is the convolution's
 */
export function recordConv(
  { tape, tensors, tokens: { context, positions }, options: { activation } }: ForwardPass,
  x: Tensor,
  { weight: taps, bias: added, silu, parts }: CausalConv,
  cache: CacheShape,
): Tensor {
  const given = { weight: tensors.tensor(taps), x, bias: added && tensors.tensor(added) }
  const attributes = { parts, silu: silu ? 1 : 0 } as const
  const y = { dtype: activation, shape: [x.shape[0], taps.columns] }
  if ('starts' in context)
    return present(tape.apply('causalConv', { ...given, starts: context.starts }, attributes, { y }).y)
  const { slots, caches } = context
  const state = caches.get(cache)?.at(-1) ?? null
  return present(tape.apply('cachedCausalConv', { ...given, slots, positions, state }, attributes, { y }).y)
}

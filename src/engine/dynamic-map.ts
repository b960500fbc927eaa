/**
 * What the 256 codes of an 8-bit state stand for, ascending: an exponent of ten, of which each further one leaves a bit less for the
 * fraction. It is bitsandbytes' `create_dynamic_map`, in its float32 arithmetic.
 * Source: Dettmers et al. 2021, https://arxiv.org/abs/2110.02861
 *
 * @param signed  for the first moment; without a sign for the second
 */
export function dynamicMap(signed: boolean): Float32Array {
  const exponents = 7
  const values = [0, 1]
  for (let i = 0; i < exponents; i += 1) {
    const fractions = signed ? 2 ** i : 2 ** (i + 1)
    for (const mean of means(fractions)) {
      const value = Math.fround(Math.fround(10 ** (i - exponents + 1)) * mean)
      values.push(...(signed ? [value, -value] : [value]))
    }
  }
  return Float32Array.from(values).toSorted()
}

/** The middles of `count` equal parts of 0.1 … 1. */
function means(count: number): number[] {
  const step = Math.fround((1 - Math.fround(0.1)) / count)
  // torch.linspace counts from both ends.
  const border = (i: number) =>
    Math.fround(i < (count + 1) / 2 ? Math.fround(0.1) + step * i : 1 - step * (count - i))
  return Array.from({ length: count }, (_, i) => Math.fround(Math.fround(border(i) + border(i + 1)) / 2))
}

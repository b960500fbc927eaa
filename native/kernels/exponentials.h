// Powers of two and logarithms, as exact as the cells need them that take the results. (e^x is in simd.h.)
#pragma once

#include <cmath>

#include "simd.h"

namespace fettle::FETTLE_ISA {

constexpr float kLog2E = 1.44269504088896341f, kLn2 = 0.693147180559945309f;

// 2^x. The argument is rounded to an integer; a minimax polynomial of 2^r, |r| ≤ 1/2, has a relative error of 7.5e-8 for
// float cells and of 2.6e-6 for bf16 ones, whose rounding is 2e-3. Below −126 the result is 0 (or subnormal); above 127 it
// is huge or not a number, which callers notice in the sums.
template <class C> inline vf exp2(vf x) {
#if FETTLE_LANES == 16
  const vf n = (vf)_mm512_maskz_roundscale_ps(0xffff, (__m512)x, 8);  // nearest
#else
  const vi tiny = x < splat(-126.0f);
  x = vmin(vmax(x, splat(-126.0f)), splat(127.0f));
  const vf shifted = x + splat(12582912.0f);  // adding 1.5·2^23 rounds to an integer
  const vf n = shifted - splat(12582912.0f);
#endif
  const vf r = x - n;
  vf p;
  if constexpr (sizeof(C) == 2) {
    p = splat(9.5701018633e-3f);
    p = multiplyAdd(p, r, splat(5.5917860341e-2f));
    p = multiplyAdd(p, r, splat(2.4024744831e-1f));
    p = multiplyAdd(p, r, splat(6.9312181474e-1f));
    p = multiplyAdd(p, r, splat(9.9999926144e-1f));
  } else {
    p = splat(1.3276472632e-3f);
    p = multiplyAdd(p, r, splat(9.6755413431e-3f));
    p = multiplyAdd(p, r, splat(5.5507132719e-2f));
    p = multiplyAdd(p, r, splat(2.4022119724e-1f));
    p = multiplyAdd(p, r, splat(6.9314696707e-1f));
    p = multiplyAdd(p, r, splat(1.0000000717e+0f));
  }
#if FETTLE_LANES == 16
  return (vf)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)n);
#else
  const vi exponent = ((vi)shifted - (vi)splat(12582912.0f)) << 23;
  return select(tiny, vf{}, (vf)((vi)p + exponent));
#endif
}

// Natural logarithm of numbers above 0, relative error about 1e-7; not a number of inf or NaN. x = 2^e · m, m from
// √½ to √2, and a polynomial of m − 1 (Cephes' logf).
inline vf log(vf x) {
  const vi e = ((vi)x - 0x3f3504f3) >> 23;
  const vf r = (vf)((vi)x - (e << 23)) - splat(1.0f);
  vf p = splat(7.0376836292e-2f);
  p = multiplyAdd(p, r, splat(-1.1514610310e-1f));
  p = multiplyAdd(p, r, splat(1.1676998740e-1f));
  p = multiplyAdd(p, r, splat(-1.2420140846e-1f));
  p = multiplyAdd(p, r, splat(1.4249322787e-1f));
  p = multiplyAdd(p, r, splat(-1.6668057665e-1f));
  p = multiplyAdd(p, r, splat(2.0000714765e-1f));
  p = multiplyAdd(p, r, splat(-2.4999993993e-1f));
  p = multiplyAdd(p, r, splat(3.3333331174e-1f));
  const vf square = r * r;
  return multiplyAdd(p * r, square, multiplyAdd(square, splat(-0.5f), r)) +
         __builtin_convertvector(e, vf) * splat(kLn2) + (x - x);
}

// tanh, relative error about 2e-7: an odd polynomial near 0 (Cephes' tanhf), 1 − 2 / (1 + e^2x) elsewhere.
inline vf tanh(vf x) {
  const vf z = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = multiplyAdd(p, z, splat(2.06390887954e-2f));
  p = multiplyAdd(p, z, splat(-5.37397155531e-2f));
  p = multiplyAdd(p, z, splat(1.33314422036e-1f));
  p = multiplyAdd(p, z, splat(-3.33332819422e-1f));
  const vf near = multiplyAdd(p * z, x, x);
  const vf far = splat(1.0f) - splat(2.0f) / (splat(1.0f) + exp(x + x));
  return select(z < splat(0.390625f), near, far);
}

// cap · tanh(scale · x / cap), or scale · x without a cap (0).
struct Capped {
  float scale, cap, inverse;
  Capped(float scale, float cap) : scale(scale), cap(cap), inverse(cap == 0 ? 0 : scale / cap) {}
  bool isCapped() const { return cap != 0; }
  bool isPlain() const { return cap == 0 && scale == 1; }
  float operator()(float x) const { return isCapped() ? cap * std::tanh(x * inverse) : x * scale; }
  float slope(float y) const { return isCapped() ? scale * (1 - y / cap * (y / cap)) : scale; }
  vf operator()(vf x) const { return isCapped() ? splat(cap) * tanh(x * splat(inverse)) : x * splat(scale); }
  // Its slope at the x that gave y.
  vf slope(vf y) const {
    if (!isCapped()) return splat(scale);
    const vf t = y * splat(1.0f / cap);
    return splat(scale) * (splat(1.0f) - t * t);
  }
};

}  // namespace fettle::FETTLE_ISA

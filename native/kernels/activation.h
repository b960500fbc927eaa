// Activation functions, f(x) and its slope, in vectors; numbered as `activations` in src/engine/ops.ts.
//   0  silu      x · σ(x)
//   1  geluTanh  x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
//   2  gelu      x · Φ(x) = x · (1 + erf(x / √2)) / 2
// Sources: Elfwing et al. 2017, https://arxiv.org/abs/1702.03118; Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415
#pragma once

#include <cstdint>

#include "ops.h"
#include "exponentials.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// σ(x) as exact as T needs it: for bf16 within 7e-5, a thirtieth of its rounding, in two thirds of the time.
template <class T> inline vf sigmoid(vf x) {
  if constexpr (sizeof(T) == 4) return splat(1.0f) / (splat(1.0f) + exp(-x));
  const vf divisor = splat(1.0f) + exp2<bf16>(x * splat(-kLog2E));
#if FETTLE_LANES == 16
  return (vf)_mm512_maskz_rcp14_ps(0xffff, (__m512)divisor);
#else
  return splat(1.0f) / divisor;
#endif
}

// f(x), and its slope where it is asked for.
struct ActivationPoint {
  vf value, slope;
};

template <class T> struct Silu {
  static vf value(vf x) { return x * sigmoid<T>(x); }
  static ActivationPoint point(vf x) {
    const vf s = sigmoid<T>(x), silu = x * s;
    return {silu, s + silu * (splat(1.0f) - s)};
  }
};

template <class T> struct GeluTanh {
  // (1 + tanh(u)) / 2 = σ(2u)
  static vf twoU(vf x) { return x * multiplyAdd(x * x, splat(0.0713548163f), splat(1.5957691216f)); }
  static vf value(vf x) { return x * sigmoid<T>(twoU(x)); }
  static ActivationPoint point(vf x) {
    const vf s = sigmoid<T>(twoU(x));
    const vf slopeOfTwoU = multiplyAdd(x * x, splat(3 * 0.0713548163f), splat(1.5957691216f));
    return {x * s, s + x * s * (splat(1.0f) - s) * slopeOfTwoU};
  }
};

template <class T> struct Gelu {
  // erf(x) = x · P(x²) / Q(x²) on [−4, 4], within 2e-7.
  static vf erf(vf x) {
    x = vmin(vmax(x, splat(-4.0f)), splat(4.0f));
    const vf z = x * x;
    vf p = splat(-2.72614225801306e-10f);
    p = multiplyAdd(p, z, splat(2.77068142495902e-08f));
    p = multiplyAdd(p, z, splat(-2.10102402082508e-06f));
    p = multiplyAdd(p, z, splat(-5.69250639462346e-05f));
    p = multiplyAdd(p, z, splat(-7.34990630326855e-04f));
    p = multiplyAdd(p, z, splat(-2.95459980854025e-03f));
    p = multiplyAdd(p, z, splat(-1.60960333262415e-02f));
    vf q = splat(-1.45660718464996e-05f);
    q = multiplyAdd(q, z, splat(-2.13374055278905e-04f));
    q = multiplyAdd(q, z, splat(-1.68282697438203e-03f));
    q = multiplyAdd(q, z, splat(-7.37332916720468e-03f));
    q = multiplyAdd(q, z, splat(-1.42647390514189e-02f));
    return x * p / q;
  }
  static vf phi(vf x) { return multiplyAdd(erf(x * splat(0.70710678f)), splat(0.5f), splat(0.5f)); }
  static vf value(vf x) { return x * phi(x); }
  static ActivationPoint point(vf x) {
    const vf p = phi(x);
    return {x * p, p + x * splat(0.3989422804f) * exp(x * x * splat(-0.5f))};
  }
};

// body(F<T>) of the function with this number.
template <class T, class Body> inline void withActivation(int64_t number, const Body& body) {
  if (number == 0) body(Silu<T>{});
  else if (number == 1) body(GeluTanh<T>{});
  else body(Gelu<T>{});
}

// y = f(x), elements divided between threads.
static void activationForward(const args::Activation& op) {
  const Tensor &x = op.x(), &y = op.y();
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    withActivation<T>(op.activation(), [&](auto f) {
      pool.run(x.size(), [&](int thread) {
        const Range range = partOf(x.size(), thread, pool.threads());
        const T* from = x.as<const T>() + range.begin;
        T* to = y.as<T>() + range.begin;
        eachVector(range.end - range.begin, [&](int64_t i, auto count) { storePart(to + i, f.value(loadPart(from + i, count)), count); });
      });
    });
  });
}

// y may be dY, and dX may be x.
static void activationVjp(const args::ActivationVjp& op) {
  if (!op.dX()) return;
  const Tensor &x = op.x(), &dY = op.dY(), &dX = *op.dX(), *remade = op.remadeY();
  const bool accumulate = op.accumulatesX();
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    withActivation<T>(op.activation(), [&](auto f) {
      pool.run(x.size(), [&](int thread) {
        const Range range = partOf(x.size(), thread, pool.threads());
        const T *from = x.as<const T>() + range.begin, *given = dY.as<const T>() + range.begin;
        T *to = dX.as<T>() + range.begin, *y = remade ? remade->as<T>() + range.begin : nullptr;
        eachVector(range.end - range.begin, [&](int64_t i, auto count) {
          const ActivationPoint point = f.point(loadPart(from + i, count));
          vf d = loadPart(given + i, count) * point.slope;
          if (accumulate) d += loadPart(to + i, count);
          storePart(to + i, d, count);
          if (y) storePart(y + i, point.value, count);
        });
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

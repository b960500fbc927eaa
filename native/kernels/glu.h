// The gated activation of a transformer block, rows shared by threads; gate and up lie side by side in one row.
//   y = f(g) · u
//   dU = dY · f(g),   dG = dY · u · f'(g)
// Arithmetic is float32 whatever the activations' type; the vjp recomputes f, which is cheaper than to store it, and makes y
// again on the way where it is asked to: y may take the place of dY.
// Each row asks memory for the next one: twice as fast, since the processor foresees nothing across rows of three streams.
// Source: Shazeer 2020, https://arxiv.org/abs/2002.05202
#pragma once

#include <cstdint>

#include "ops.h"
#include "activation.h"
#include "shares.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void gluForward(const args::Glu& op) {
  const Tensor &gateUp = op.gateUp(), &y = op.y();
  Pool& pool = op.pool();
  const int64_t width = y.cols();
  withType(gateUp.dtype, [&](auto zero) {
    using T = decltype(zero);
    withActivation<T>(op.activation(), [&](auto f) {
      shareRows(pool, y.rows(), gateUp.size(), [&](int, Range range) {
        for (int64_t m = range.begin; m < range.end; m++) {
          const T *gate = gateUp.as<const T>() + m * 2 * width, *up = gate + width;
          T* out = y.as<T>() + m * width;
          eachVector(width, [&](int64_t i, auto count) {
            __builtin_prefetch(gate + 2 * width + i);
            __builtin_prefetch(up + 2 * width + i);
            const vf g = loadPart(gate + i, count), u = loadPart(up + i, count);
            storePart(out + i, f.value(g) * u, count);
          });
        }
      });
    });
  });
}

// `y` may be null, or dY.
template <class F, class T>
static inline void gluRowVjp(const T* gate, const T* up, const T* dY, int64_t width, T* dGate, T* dUp, bool accumulate, T* y) {
  eachVector(width, [&](int64_t i, auto count) {
    __builtin_prefetch(gate + 2 * width + i);
    __builtin_prefetch(up + 2 * width + i);
    __builtin_prefetch(dY + width + i);
    const vf g = loadPart(gate + i, count), u = loadPart(up + i, count), d = loadPart(dY + i, count);
    const ActivationPoint f = F::point(g);
    vf dU = d * f.value;
    vf dG = d * u * f.slope;
    if (accumulate) {
      dU += loadPart(dUp + i, count);
      dG += loadPart(dGate + i, count);
    }
    storePart(dUp + i, dU, count);
    storePart(dGate + i, dG, count);
    if (y) storePart(y + i, f.value * u, count);
  });
}

static void gluVjp(const args::GluVjp& op) {
  if (!op.dGateUp()) return;
  const Tensor &gateUp = op.gateUp(), &dY = op.dY(), &dGateUp = *op.dGateUp(), *remade = op.remadeY();
  Pool& pool = op.pool();
  const int64_t width = dY.cols();
  withType(gateUp.dtype, [&](auto zero) {
    using T = decltype(zero);
    withActivation<T>(op.activation(), [&](auto f) {
      shareRows(pool, dY.rows(), gateUp.size(), [&](int, Range range) {
        for (int64_t m = range.begin; m < range.end; m++) {
          const T* gate = gateUp.as<const T>() + m * 2 * width;
          T* dGate = dGateUp.as<T>() + m * 2 * width;
          gluRowVjp<decltype(f)>(gate, gate + width, dY.as<const T>() + m * width, width, dGate, dGate + width,
                                 op.accumulatesGateUp(), remade ? remade->as<T>() + m * width : nullptr);
        }
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

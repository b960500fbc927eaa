// The gated activation of experts, rows divided between threads; gate and up lie side by side in one row.
//   y = s · f(g) · u,   f(g) = F(gain · g) / gain, s the row's weight
//   dU = dY · s · f(g),   dG = dY · s · u · f'(g),   ds = Σ dY · f(g) · u
// With a limit: min(g, limit) for g, clamp(u, ±limit) + 1 for u, with no gradient where they were cut.
// The vjp makes y again where it is asked to, and that may take the place of dY.
#pragma once

#include <cstdint>

#include "ops.h"
#include "activation.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

struct ExpertGluShape {
  vf gain, inverse, limit;
  bool isCut;
  template <class Op>
  explicit ExpertGluShape(const Op& op)
      : gain(splat((float)op.gain())), inverse(splat((float)(1 / op.gain()))), limit(splat((float)op.limit())), isCut(op.limit() > 0) {}
  vf gate(vf g) const { return gain * (isCut ? vmin(g, limit) : g); }
  vf up(vf u) const { return isCut ? vmax(vmin(u, limit), -limit) + splat(1.0f) : u; }
};

static void expertGluForward(const args::ExpertGlu& op) {
  const Tensor &gateUp = op.gateUp(), &y = op.y();
  const float* weights = op.weights().as<const float>();
  const ExpertGluShape shape(op);
  Pool& pool = op.pool();
  const int64_t width = y.cols();
  withType(gateUp.dtype, [&](auto zero) {
    using T = decltype(zero);
    withActivation<T>(op.activation(), [&](auto f) {
      pool.run(gateUp.size(), [&](int thread) {
        const Range range = partOf(y.rows(), thread, pool.threads());
        for (int64_t r = range.begin; r < range.end; r++) {
          const T *gate = gateUp.as<const T>() + r * 2 * width, *up = gate + width;
          T* out = y.as<T>() + r * width;
          const vf scale = splat(weights[r]) * shape.inverse;
          eachVector(width, [&](int64_t i, auto count) {
            __builtin_prefetch(gate + 2 * width + i);
            __builtin_prefetch(up + 2 * width + i);
            storePart(out + i, scale * f.value(shape.gate(loadPart(gate + i, count))) * shape.up(loadPart(up + i, count)), count);
          });
        }
      });
    });
  });
}

static void expertGluVjp(const args::ExpertGluVjp& op) {
  const Tensor &gateUp = op.gateUp(), &dY = op.dY(), *dGateUp = op.dGateUp(), *dWeights = op.dWeights(), *remade = op.remadeY();
  const float* weights = op.weights().as<const float>();
  const ExpertGluShape shape(op);
  const bool accumulate = op.accumulatesGateUp();
  Pool& pool = op.pool();
  const int64_t width = dY.cols();
  withType(gateUp.dtype, [&](auto zero) {
    using T = decltype(zero);
    withActivation<T>(op.activation(), [&](auto f) {
      pool.run([&](int thread) {
        const Range range = partOf(dY.rows(), thread, pool.threads());
        for (int64_t r = range.begin; r < range.end; r++) {
          const T *gate = gateUp.as<const T>() + r * 2 * width, *up = gate + width, *given = dY.as<const T>() + r * width;
          T *dGate = dGateUp ? dGateUp->as<T>() + r * 2 * width : nullptr, *dUp = dGate + width;
          T* y = remade ? remade->as<T>() + r * width : nullptr;
          const vf weight = splat(weights[r]);
          vf sums = {};
          eachVector(width, [&](int64_t i, auto count) {
            __builtin_prefetch(gate + 2 * width + i);
            __builtin_prefetch(up + 2 * width + i);
            __builtin_prefetch(given + width + i);
            const vf g = loadPart(gate + i, count), v = loadPart(up + i, count), d = loadPart(given + i, count);
            const ActivationPoint point = f.point(shape.gate(g));
            const vf value = point.value * shape.inverse, u = shape.up(v), product = value * u;
            sums += d * product;
            if (dGate) {
              vf dU = d * weight * value, dG = d * weight * u * point.slope;
              if (shape.isCut) {
                dU = select(v > shape.limit, vf{}, select(v < -shape.limit, vf{}, dU));
                dG = select(g > shape.limit, vf{}, dG);
              }
              if (accumulate) {
                dU += loadPart(dUp + i, count);
                dG += loadPart(dGate + i, count);
              }
              storePart(dUp + i, dU, count);
              storePart(dGate + i, dG, count);
            }
            if (y) storePart(y + i, weight * product, count);
          });
          if (dWeights) {
            float* to = dWeights->as<float>() + r;
            *to = sum(sums) + (op.accumulatesWeights() ? *to : 0);
          }
        }
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

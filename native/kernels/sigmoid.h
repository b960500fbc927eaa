// y = σ(x), dX = dY · y · (1 − y), a number a token.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void sigmoidForward(const args::Sigmoid& op) {
  const float* x = op.x().as<const float>();
  float* y = op.y().as<float>();
  eachVector(std::min(op.x().rows(), op.y().shape[0]), [&](int64_t m, auto count) {
    storePart(y + m, splat(1.0f) / (splat(1.0f) + exp(-loadPart(x + m, count))), count);
  });
}

static void sigmoidVjp(const args::SigmoidVjp& op) {
  if (!op.dX()) return;
  const float *y = op.y().as<const float>(), *dY = op.dY().as<const float>();
  float* dX = op.dX()->as<float>();
  eachVector(std::min(op.dX()->rows(), op.y().shape[0]), [&](int64_t m, auto count) {
    const vf value = loadPart(y + m, count);
    vf d = loadPart(dY + m, count) * value * (splat(1.0f) - value);
    if (op.accumulatesX()) d += loadPart(dX + m, count);
    storePart(dX + m, d, count);
  });
}

}  // namespace fettle::FETTLE_ISA

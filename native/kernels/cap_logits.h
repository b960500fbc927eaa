// Logits within bounds, elements divided between threads: y = cap · tanh(scale · x / cap), or scale · x without a cap.
// Source: Gemma Team 2024, https://arxiv.org/abs/2408.00118
#pragma once

#include <cstdint>

#include "ops.h"
#include "exponentials.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void capLogitsForward(const args::CapLogits& op) {
  const Tensor &x = op.x(), &y = op.y();
  const Capped capped((float)op.scale(), (float)op.cap());
  Pool& pool = op.pool();
  pool.run(x.size(), [&](int thread) {
    const Range range = partOf(x.size(), thread, pool.threads());
    const float* from = x.as<const float>() + range.begin;
    float* to = y.as<float>() + range.begin;
    eachVector(range.end - range.begin, [&](int64_t i, auto count) { storePart(to + i, capped(loadPart(from + i, count)), count); });
  });
}

}  // namespace fettle::FETTLE_ISA

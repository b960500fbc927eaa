// A factor of each expert on the weights of the rows that go to it; the formula stands in src/engine/reference/experts/scale-experts.ts. R is a few
// thousand: one thread does it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops.h"

namespace fettle::FETTLE_ISA {

// body(e, begin, end) of all experts, also of those without rows.
template <class Body>
static void eachExpert(const Tensor& ends, int64_t rows, Body body) {
  int64_t begin = 0;
  for (int64_t e = 0; e < ends.size(); e++) {
    const int64_t end = std::clamp<int64_t>(ends.as<const int32_t>()[e], begin, rows);
    body(e, begin, end);
    begin = end;
  }
}

static void scaleExpertsForward(const args::ScaleExperts& op) {
  const float *weights = op.weights().as<const float>(), *scales = op.scales().as<const float>();
  float* y = op.y().as<float>();
  eachExpert(op.ends(), op.y().size(), [&](int64_t e, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) y[r] = weights[r] * scales[e];
  });
}

static void scaleExpertsVjp(const args::ScaleExpertsVjp& op) {
  const float* given = op.dY().as<const float>();
  eachExpert(op.ends(), op.dY().size(), [&](int64_t e, int64_t begin, int64_t end) {
    if (op.dWeights()) {
      float* to = op.dWeights()->as<float>();
      const float scale = op.scales()->as<const float>()[e];
      for (int64_t r = begin; r < end; r++) to[r] = scale * given[r] + (op.accumulatesWeights() ? to[r] : 0);
    }
    if (op.dScales()) {
      float sum = 0;
      for (int64_t r = begin; r < end; r++) sum += op.weights()->as<const float>()[r] * given[r];
      float* to = op.dScales()->as<float>() + e;
      *to = sum + (op.accumulatesScales() ? *to : 0);
    }
  });
}

}  // namespace fettle::FETTLE_ISA

// A score of each row: scores = h · W, dHidden = −weight · W, dW = −Σ weight · h. Rows are the last tokens of documents, a few of them,
// so one thread does it all.
#pragma once

#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void scoreRowsForward(const args::ScoreRows& op) {
  const Tensor &hidden = op.hidden(), &weight = op.weight();
  float* scores = op.scores().as<float>();
  const float* weights = dataOf<const float>(op.weights());
  const int64_t width = hidden.cols();
  withType(hidden.dtype, [&](auto actZero) {
    withType(weight.dtype, [&](auto weightZero) {
      using Act = decltype(actZero);
      using Weight = decltype(weightZero);
      const Weight* w = weight.as<const Weight>();
      Act* dHidden = dataOf<Act>(op.dHidden());
      for (int64_t m = 0; m < hidden.rows(); m++) {
        const Act* h = hidden.as<const Act>() + m * width;
        vf sums = {};
        const vf factor = splat(-(weights ? weights[m] : 1.0f));
        eachVector(width, [&](int64_t i, auto count) {
          const vf column = loadPart(w + i, count);
          sums += loadPart(h + i, count) * column;
          if (dHidden) storePart(dHidden + m * width + i, factor * column, count);
        });
        scores[m] = sum(sums);
      }
    });
  });
}

static void scoreRowsVjp(const args::ScoreRowsVjp& op) {
  if (!op.dWeight()) return;
  const Tensor& hidden = op.hidden();
  const float* weights = dataOf<const float>(op.weights());
  const int64_t width = hidden.cols();
  float* dWeight = op.dWeight()->as<float>();
  withType(hidden.dtype, [&](auto zero) {
    using T = decltype(zero);
    eachVector(width, [&](int64_t i, auto count) {
      vf d = op.accumulatesWeight() ? loadPart(dWeight + i, count) : vf{};
      for (int64_t m = 0; m < hidden.rows(); m++)
        d -= splat(weights ? weights[m] : 1.0f) * loadPart(hidden.as<const T>() + m * width + i, count);
      storePart(dWeight + i, d, count);
    });
  });
}

}  // namespace fettle::FETTLE_ISA

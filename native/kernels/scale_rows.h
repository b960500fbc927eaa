// Each row times a number of its own, rows divided between threads: y[m] = weights[m] · x[m]. y may be x.
#pragma once

#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void scaleRowsForward(const args::ScaleRows& op) {
  const Tensor &x = op.x(), &y = op.y();
  const float* weights = op.weights().as<const float>();
  Pool& pool = op.pool();
  const int64_t width = x.cols();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(x.size(), [&](int thread) {
      const Range range = partOf(x.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* from = x.as<const T>() + m * width;
        T* to = y.as<T>() + m * width;
        eachVector(width, [&](int64_t i, auto count) { storePart(to + i, splat(weights[m]) * loadPart(from + i, count), count); });
      }
    });
  });
}

}  // namespace fettle::FETTLE_ISA

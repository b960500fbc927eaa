// Greedy choice: the index of the largest element of each row, the first of equals; −1 of a row that holds NaN or whose largest
// element is infinite, from which nothing can be chosen.
// Rows are divided between threads; one row (48 Ki logits) takes a few microseconds.
#pragma once

#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// Each lane keeps its first largest element and where it stands; at the end the lanes are compared.
static int32_t argmaxOfRow(const float* x, int64_t width) {
  const float lowest = -__builtin_inff();
  vf best = splat(lowest);
  vi at, index, isNan = {};
  for (int i = 0; i < kLanes; i++) index[i] = i;
  at = index;
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const vf v = load(x + i);
    const vi larger = v > best;
    best = select(larger, v, best);
    at = (larger & index) | (~larger & at);
    isNan |= v != v;
    index += kLanes;
  }
  float largest = lowest;
  // Stays where no element is above −inf.
  int32_t where = -1;
  for (int lane = 0; lane < kLanes; lane++) {
    if (isNan[lane]) return -1;
    if (best[lane] > largest || (best[lane] == largest && largest > lowest && at[lane] < where)) {
      largest = best[lane];
      where = at[lane];
    }
  }
  for (; i < width; i++) {
    if (x[i] != x[i]) return -1;
    if (x[i] > largest) {
      largest = x[i];
      where = (int32_t)i;
    }
  }
  return largest < __builtin_inff() ? where : -1;
}

static void argmaxForward(const args::Argmax& op) {
  const Tensor& x = op.x();
  int32_t* y = op.y().as<int32_t>();
  Pool& pool = op.pool();
  pool.run([&](int thread) {
    const Range range = partOf(x.rows(), thread, pool.threads());
    for (int64_t m = range.begin; m < range.end; m++) y[m] = argmaxOfRow(x.as<const float>() + m * x.cols(), x.cols());
  });
}

}  // namespace fettle::FETTLE_ISA

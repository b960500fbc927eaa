// Two matrices side by side, rows divided between threads: y = [x, scale · t],  dX and dT = their columns of dY.
#pragma once

#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void appendColumnsForward(const args::AppendColumns& op) {
  const Tensor &x = op.x(), &t = op.t(), &y = op.y();
  const int64_t width = x.cols(), more = t.cols();
  const vf scale = splat((float)op.scale());
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(y.size(), [&](int thread) {
      const Range range = partOf(y.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        T* to = y.as<T>() + m * (width + more);
        const T* from = t.as<const T>() + m * more;
        __builtin_memcpy(to, x.as<const T>() + m * width, width * sizeof(T));
        eachVector(more, [&](int64_t i, auto count) { storePart(to + width + i, scale * loadPart(from + i, count), count); });
      }
    });
  });
}

// to (+)= scale · columns [first, first + width) of dY.
static void takeColumns(Pool& pool, const Tensor& to, const Tensor& dY, int64_t first, vf scale, bool accumulate) {
  const int64_t width = to.cols(), stride = dY.cols();
  withType(dY.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(to.size(), [&](int thread) {
      const Range range = partOf(to.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* from = dY.as<const T>() + m * stride + first;
        T* row = to.as<T>() + m * width;
        eachVector(width, [&](int64_t i, auto count) {
          vf value = scale * loadPart(from + i, count);
          if (accumulate) value += loadPart(row + i, count);
          storePart(row + i, value, count);
        });
      }
    });
  });
}

static void appendColumnsVjp(const args::AppendColumnsVjp& op) {
  const Tensor *dX = op.dX(), *dT = op.dT();
  if (dX) takeColumns(op.pool(), *dX, op.dY(), 0, splat(1.0f), op.accumulatesX());
  if (dT) takeColumns(op.pool(), *dT, op.dY(), op.dY().cols() - dT->cols(), splat((float)op.scale()), op.accumulatesT());
}

}  // namespace fettle::FETTLE_ISA

// Columns of two tensors side by side, rows divided between threads.
//   y = [x | from[first … first + width)],   dX = dY[… X),   dFrom[first … first + width) = dY[X …), its other columns zero
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void joinColumnsForward(const args::JoinColumns& op) {
  const Tensor &x = op.x(), &from = op.from(), &y = op.y();
  const int64_t own = x.cols(), width = op.width();
  Pool& pool = op.pool();
  withType(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(y.size(), [&](int thread) {
      const Range range = partOf(y.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        T* to = y.as<T>() + m * y.cols();
        std::memcpy(to, x.as<const T>() + m * own, own * sizeof(T));
        std::memcpy(to + own, from.as<const T>() + m * from.cols() + op.first(), width * sizeof(T));
      }
    });
  });
}

// to (+)= from
template <class T> static inline void copyOrAdd(T* to, const T* from, int64_t width, bool accumulate) {
  if (!accumulate) {
    std::memcpy(to, from, width * sizeof(T));
    return;
  }
  eachVector(width, [&](int64_t i, auto count) { storePart(to + i, loadPart(to + i, count) + loadPart(from + i, count), count); });
}

static void joinColumnsVjp(const args::JoinColumnsVjp& op) {
  const Tensor& dY = op.dY();
  const Tensor *dX = op.dX(), *dFrom = op.dFrom();
  const int64_t width = op.width(), own = dY.cols() - width, first = op.first();
  Pool& pool = op.pool();
  withType(dY.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(dY.size(), [&](int thread) {
      const Range range = partOf(dY.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* d = dY.as<const T>() + m * dY.cols();
        if (dX) copyOrAdd(dX->as<T>() + m * own, d, own, op.accumulatesX());
        if (!dFrom) continue;
        T* row = dFrom->as<T>() + m * dFrom->cols();
        copyOrAdd(row + first, d + own, width, op.accumulatesFrom());
        if (op.accumulatesFrom()) continue;
        std::memset(row, 0, first * sizeof(T));
        std::memset(row + first + width, 0, (dFrom->cols() - first - width) * sizeof(T));
      }
    });
  });
}

}  // namespace fettle::FETTLE_ISA

// Rows of a matrix by index, and rows added to others.
#pragma once

#include <cstdint>

#include "blocks.h"
#include "pool.h"
#include "simd.h"
#include "tensor.h"

namespace fettle::FETTLE_ISA {

// to = scale · from, converted.
template <class To, class From>
static void copyRow(To* to, const From* from, int64_t width, float scale) {
  eachVector(width, [&](int64_t i, auto count) { storePart(to + i, splat(scale) * loadPart(from + i, count), count); });
}

// to += scale · from.
template <class To, class From>
static void addRow(To* to, const From* from, int64_t width, float scale = 1) {
  eachVector(width, [&](int64_t i, auto count) {
    storePart(to + i, loadPart(to + i, count) + splat(scale) * loadPart(from + i, count), count);
  });
}

// The same of a matrix in blocks.
static void gatherDecoded(Pool& pool, const Tensor& x, const int32_t* index, const Tensor& y, float scale) {
  withType(y.dtype, [&](auto yZero) {
    using Y = decltype(yZero);
    const int64_t width = x.cols();
    pool.run(y.size(), [&](int thread) {
      float* row = (float*)pool.scratch(thread, 0, width * sizeof(float));
      const Range range = partOf(y.rows(), thread, pool.threads());
      for (int64_t i = range.begin; i < range.end; i++) {
        Y* to = y.as<Y>() + i * width;
        if (index[i] < 0) {
          __builtin_memset(to, 0, width * sizeof(Y));
          continue;
        }
        decodeRows(row, width, x, index[i], 1, 0, width);
        copyRow(to, row, width, scale);
      }
    });
  });
}

// y[i] = scale · x[index[i]], or 0 where the index is −1
static void gatherRows(Pool& pool, const Tensor& x, const int32_t* index, const Tensor& y, float scale = 1) {
  if (isBlocks(x.dtype)) return gatherDecoded(pool, x, index, y, scale);
  withType(x.dtype, [&](auto xZero) {
    withType(y.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      const int64_t width = x.cols();
      pool.run(y.size(), [&](int thread) {
        const Range range = partOf(y.rows(), thread, pool.threads());
        for (int64_t i = range.begin; i < range.end; i++) {
          Y* to = y.as<Y>() + i * width;
          if (index[i] < 0) __builtin_memset(to, 0, width * sizeof(Y));
          else copyRow(to, x.row<const X>(index[i]), width, scale);
        }
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

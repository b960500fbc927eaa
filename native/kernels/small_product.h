// Products of small float32 matrices that stay in the cache: out (+)= A B. Columns of B and out are whole vectors (rows are
// padded with zeros); A is read element by element with any strides, so that its transpose costs nothing. A block of four rows
// and some vectors is summed in registers, in the order of the depth.
#pragma once

#include <cstdint>

#include "simd.h"

namespace fettle::FETTLE_ISA {

// Element (i, j) is at data[i * row + j * step].
struct SmallMatrix {
  float* data;
  int64_t row, step = 1;
  SmallMatrix from(int64_t i, int64_t j = 0) const { return {data + i * row + j * step, row, step}; }
  SmallMatrix transposed() const { return {data, step, row}; }
};

constexpr int kSmallVectors = kLanes == 16 ? 4 : 2;

inline int64_t wholeVectors(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

template <int kRows, int kVectors>
static inline void smallBlock(SmallMatrix a, SmallMatrix b, SmallMatrix out, int64_t depth, bool accumulate) {
  vf sums[kRows][kVectors];
  for (int r = 0; r < kRows; r++)
    for (int v = 0; v < kVectors; v++) sums[r][v] = accumulate ? load(out.data + r * out.row + v * kLanes) : splat(0.0f);
  for (int64_t k = 0; k < depth; k++) {
    vf row[kVectors];
    for (int v = 0; v < kVectors; v++) row[v] = load(b.data + k * b.row + v * kLanes);
    for (int r = 0; r < kRows; r++) {
      const vf x = splat(a.data[r * a.row + k * a.step]);
      for (int v = 0; v < kVectors; v++) sums[r][v] = multiplyAdd(x, row[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; r++)
    for (int v = 0; v < kVectors; v++) store(out.data + r * out.row + v * kLanes, sums[r][v]);
}

template <int kRows>
static inline void smallRows(SmallMatrix a, SmallMatrix b, SmallMatrix out, int64_t columns, int64_t depth, bool accumulate) {
  int64_t n = 0;
  for (; n + kSmallVectors * kLanes <= columns; n += kSmallVectors * kLanes)
    smallBlock<kRows, kSmallVectors>(a, b.from(0, n), out.from(0, n), depth, accumulate);
  for (; n < columns; n += kLanes) smallBlock<kRows, 1>(a, b.from(0, n), out.from(0, n), depth, accumulate);
}

// out [rows, columns] = A [rows, depth] B [depth, columns], or added to it; columns are rounded up to whole vectors.
static void smallProduct(SmallMatrix a, SmallMatrix b, SmallMatrix out, int64_t rows, int64_t columns, int64_t depth,
                         bool accumulate = false) {
  int64_t m = 0;
  for (; m + 4 <= rows; m += 4) smallRows<4>(a.from(m), b, out.from(m), columns, depth, accumulate);
  for (; m < rows; m++) smallRows<1>(a.from(m), b, out.from(m), columns, depth, accumulate);
}

// Rows at a time of what follows.
constexpr int64_t kTriangleRows = 16;

// The same with a lower triangular A [n, n], or the transpose of one: what is zero is left out.
static void lowerProduct(SmallMatrix a, SmallMatrix b, SmallMatrix out, int64_t n, int64_t columns, bool accumulate) {
  for (int64_t m = 0; m < n; m += kTriangleRows) {
    const int64_t end = m + kTriangleRows < n ? m + kTriangleRows : n;
    smallProduct(a.from(m), b, out.from(m), end - m, columns, end, accumulate);
  }
}
static void upperProduct(SmallMatrix a, SmallMatrix b, SmallMatrix out, int64_t n, int64_t columns, bool accumulate) {
  for (int64_t m = 0; m < n; m += kTriangleRows) {
    const int64_t end = m + kTriangleRows < n ? m + kTriangleRows : n;
    smallProduct(a.from(m, m), b.from(m), out.from(m), end - m, columns, n - m, accumulate);
  }
}

// The lower triangle, diagonal included, of A [n, depth] B [depth, n]; what is above it may be anything.
static void productBelow(SmallMatrix a, SmallMatrix b, SmallMatrix out, int64_t n, int64_t depth) {
  for (int64_t m = 0; m < n; m += kTriangleRows) {
    const int64_t end = m + kTriangleRows < n ? m + kTriangleRows : n;
    smallProduct(a.from(m), b, out.from(m), end - m, end, depth);
  }
}

// X [n, columns] with X = B + N X, N strictly lower triangular, in place of B; or with N's transpose.
static void solveLower(SmallMatrix n, SmallMatrix x, int64_t rows, int64_t columns) {
  for (int64_t m = 0; m < rows; m += kTriangleRows) {
    const int64_t end = m + kTriangleRows < rows ? m + kTriangleRows : rows;
    if (m > 0) smallProduct(n.from(m), x, x.from(m), end - m, columns, m, true);
    for (int64_t i = m + 1; i < end; i++) smallRows<1>(n.from(i, m), x.from(m), x.from(i), columns, i - m, true);
  }
}
static void solveUpper(SmallMatrix n, SmallMatrix x, int64_t rows, int64_t columns) {
  for (int64_t m = (rows - 1) / kTriangleRows * kTriangleRows; m >= 0; m -= kTriangleRows) {
    const int64_t end = m + kTriangleRows < rows ? m + kTriangleRows : rows;
    if (end < rows) smallProduct(n.from(m, end), x.from(end), x.from(m), end - m, columns, rows - end, true);
    for (int64_t i = end - 2; i >= m; i--) smallRows<1>(n.from(i, i + 1), x.from(i + 1), x.from(i), columns, end - 1 - i, true);
  }
}

// out [columns, rows] = xᵀ
static void transposeSmall(SmallMatrix x, SmallMatrix out, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i += 16)
    for (int64_t j = 0; j < columns; j++)
      for (int64_t k = i; k < i + 16 && k < rows; k++) out.data[j * out.row + k] = x.data[k * x.row + j];
}

}  // namespace fettle::FETTLE_ISA

// Products whose depth is the token and whose left side is thin: LoRA's gradients dA = dTᵀ x and dBᵀ = tᵀ dY.
//
//     sums[r, j] (+)= scale · Σ_m  left[r, m] · right[m, j]        r < ranks, m < tokens, j < columns
//
// left is transposed cells, one row a rank; right stays as it lies in memory, row-major: pairs of tokens are made in registers
// while they are multiplied. Packing panels of it cost more than the product with 16 ranks. Tokens go in blocks, so that what
// was read for eight ranks is still in the second-level cache for the next eight. Measured (Zen 5, SmolLM2's shapes): the vjp of
// linear layers with LoRA of rank 16 takes 2 to 3 % less time than with packed panels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gemm.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kThinTokens = 128;

// Both sides, in cells; scale is that of the sums.
template <class C> struct ThinProduct {
  const C* left;
  int64_t leftStride;
  int ranks;
  const C* right;
  int64_t stride;
  int64_t columns;
  float scale = 1;
};

// One block of sums, Whole: all of its columns exist; InPairs: as in gemm.h. While the first ranks are multiplied, the columns to the
// right are asked for.
template <int Rows, int Vectors, bool Whole, bool InPairs, class C>
__attribute__((noinline)) void thinKernel(const ThinProduct<C>& of, int rank, int64_t column, int64_t begin, int64_t end, float* sums,
                                          int64_t sumStride, bool add) {
  using Product = UnitProduct<C>;
  constexpr int unit = Block<C>::unit;
  const int rows = of.ranks - rank < Rows ? of.ranks - rank : Rows;
  const int lastCount = Whole ? kLanes : (int)(of.columns - column) - (Vectors - 1) * kLanes;
  const C *a[Rows], *right = of.right + begin * of.stride + column;
#pragma GCC unroll 8
  for (int i = 0; i < Rows; i++) a[i] = of.left + (rank + (i < rows ? i : rows - 1)) * of.leftStride + begin;
  const int64_t next = rank ? 0 : Vectors * kLanes;
  vf acc[Rows][Vectors] = {};
  const int64_t tokens = end - begin;
  const auto units = [&](const C* first, const C* second, int j) {
    return (decltype(Product::right(first)))Units<C>::across(first + j * kLanes, second ? second + j * kLanes : second,
                                                             j + 1 < Vectors ? kLanes : lastCount);
  };
  const auto askAhead = [&](const C* row) {
    __builtin_prefetch(row + next);
    __builtin_prefetch(row + next + Vectors * kLanes - 1);
  };
  int64_t m = 0;
  if constexpr (InPairs)
    for (; m + 2 <= tokens; m += 2, right += 2 * of.stride) {
#pragma GCC unroll 8
      for (int i = 0; i < Rows; i++) {
        const vf first = splat(a[i][m]), second = splat(a[i][m + 1]);
#pragma GCC unroll 3
        for (int j = 0; j < Vectors; j++)
          acc[i][j] = addPair(acc[i][j], first, units(right, nullptr, j), second, units(right + of.stride, nullptr, j));
      }
      askAhead(right);
      askAhead(right + of.stride);
    }
  for (; m + unit <= tokens; m += unit, right += unit * of.stride) {
    decltype(Product::right(right)) b[Vectors];
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++) b[j] = units(right, right + (unit - 1) * of.stride, j);
#pragma GCC unroll 2
    for (int i = 0; i < unit; i++) askAhead(right + i * of.stride);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) {
      const auto left = Product::left(a[i] + m);
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++) acc[i][j] = Product::add(acc[i][j], left, b[j]);
    }
  }
  if (m < tokens) {  // a token without a second
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) {
      const auto left = Product::lastLeft(a[i] + m);
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++) acc[i][j] = Product::add(acc[i][j], left, units(right, nullptr, j));
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; i++) {
    if (i >= rows) break;
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++) {
      float* to = sums + (rank + i) * sumStride + column + j * kLanes;
      const int count = j + 1 < Vectors ? kLanes : lastCount;
      // One rounding in every form of this kernel, so that columns may go in any groups.
      storePart(to, add ? multiplyAdd(acc[i][j], splat(of.scale), loadPart(to, count)) : acc[i][j] * splat(of.scale), count);
    }
  }
}

template <int Vectors, class C>
inline void thinStrip(const ThinProduct<C>& of, int64_t column, int64_t begin, int64_t end, float* sums, int64_t sumStride, bool add) {
  constexpr int most = Block<float>::rows;
  const bool whole = of.columns - column >= Vectors * kLanes;
  for (int rank = 0; rank < of.ranks; rank += most) {
    const auto block = [&](auto isWhole) {
      if (kMayRoundProducts && roundsProducts())
        thinKernel<most, Vectors, isWhole.value, kMayRoundProducts>(of, rank, column, begin, end, sums, sumStride, add);
      else thinKernel<most, Vectors, isWhole.value, false>(of, rank, column, begin, end, sums, sumStride, add);
    };
    if (whole) block(std::true_type{});
    else block(std::false_type{});
  }
}

// Tokens [begin, end), which are at most a block, of a thin product.
template <class C>
inline void multiplyThin(const ThinProduct<C>& of, int64_t begin, int64_t end, float* sums, int64_t sumStride, bool add) {
  constexpr int vectors = Block<float>::vectors;
  for (int64_t column = 0; column < of.columns; column += vectors * kLanes) {
    const int64_t left = std::min<int64_t>(of.columns - column, vectors * kLanes);
    if (left <= kLanes) thinStrip<1>(of, column, begin, end, sums, sumStride, add);
    else if (left <= 2 * kLanes) thinStrip<2>(of, column, begin, end, sums, sumStride, add);
    else if constexpr (vectors > 2) thinStrip<3>(of, column, begin, end, sums, sumStride, add);
  }
}

}  // namespace fettle::FETTLE_ISA

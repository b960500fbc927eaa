// Products with kLaneTokens to kLanes tokens where a lane is a token: each weight is broadcast as it lies in its row, tokens are the
// packed panel, and there are no sums across lanes. For processors with 16 lanes and operands that are cells already.
//
//     value[m, n] = Σ_k x[m, k] · w[n, k]        tokens m in lanes, 16 rows n at a time
//
// Sixteen rows keep as many sums, whose latency hides, and load one vector of tokens a unit of depth; then a transposition makes
// vectors of rows of them. The 16 rows that come next lie behind these in memory: while these are multiplied, each of their lines is
// asked for, which keeps memory busy.
//
// Measured, Zen 5, SmolLM2's weights, cold, two threads, against groups of 4 rows x 4 tokens (gemm_stream.h): 16 tokens 84 % of
// reading instead of 68; 8 and 4 tokens level, but slower where weights are in a cache: idle lanes are computed too. Asking 32 rows
// ahead is 6 % slower, 4 to 8 KB 30 to 40 %.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "gemm.h"

namespace fettle::FETTLE_ISA {

constexpr int kTokenRows = 16;
constexpr int64_t kLaneTokens = 9;

template <class X, class W>
constexpr bool kTokensOnLanes = kLanes == kTokenRows && std::is_same<X, W>::value && std::is_same<X, Cell<X>>::value;

// Makes clang keep a pointer as it is, where it would rather compute the addresses of all rows once and put them in memory.
template <class C> inline void keepPointer([[maybe_unused]] C*& p) {
#if defined(__clang__)
  asm("" : "+r"(p));
#endif
}

// out[r] = the sums of row r, tokens in lanes; `ahead` is asked for, the size of the rows.
template <int Rows, class C>
__attribute__((noinline)) void tokensBlock(vf* out, const C* w, const C* panel, int64_t depth, const char* ahead) {
  using Product = UnitProduct<C>;
  constexpr int unit = Block<C>::unit, line = 64 / sizeof(C), sums = kTokenRows / Rows, groups = (Rows + 3) / 4;
  vf acc[sums][Rows] = {};
  // Every fourth row: the three behind it are in reach of an instruction's address, so that 16 rows take six registers.
  const C* group[groups];
  const int64_t three = 3 * depth;
#pragma GCC unroll 4
  for (int g = 0; g < groups; g++) {
    group[g] = w + 4 * g * depth;
    keepPointer(group[g]);
  }
  const auto step = [&](vf (&to)[Rows], int64_t k, auto left) __attribute__((always_inline)) {
    const auto x = Product::right(panel + k * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) to[r] = Product::add(to[r], x, left(group[r / 4] + (r % 4 == 3 ? three : r % 4 * depth)));
#pragma GCC unroll 4
    for (int g = 0; g < groups; g++) {
      group[g] += unit;
      keepPointer(group[g]);
    }
  };
  int64_t k = 0;
  for (; k + line <= depth; k += line) {
#if defined(__clang__)
// Unrolled, clang loads the whole lines of all rows and takes their units apart in registers, of which there are too few.
#pragma clang loop unroll(disable)
#else
#pragma GCC unroll 16
#endif
    for (int u = 0; u < line / unit; u += sums, ahead += 64) {
      __builtin_prefetch(ahead);
#pragma GCC unroll 16
      for (int s = 0; s < sums; s++) step(acc[s], k + (u + s) * unit, Product::left);
    }
  }
  for (; k + unit <= depth; k += unit) step(acc[0], k, Product::left);
  if (k < depth) step(acc[0], k, Product::lastLeft);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
    vf sum = acc[0][r];
#pragma GCC unroll 16
    for (int s = 1; s < sums; s++) sum += acc[s][r];
    out[r] = sum;
  }
}

// All tokens, packed by packRows, with rows [begin, end) of w. extra(n, rows, vf* sums) may add to the tokens of row n + r in sums[r];
// emit(m, n, rows, values) takes rows n ... n + rows - 1 of token m in the first lanes.
template <class C, class Extra, class Emit>
inline void tokensRows(const C* panel, int64_t tokens, int64_t depth, const Plain<C>& w, int64_t begin, int64_t end, const Extra& extra,
                       const Emit& emit) {
  // Rows that are 4 KB apart share one set of the first-level cache: 16 at a time drive each other out of it.
  const bool crowded = depth * sizeof(C) % 4096 == 0;
  for (int64_t n = begin; n < end; n += kTokenRows) {
    const int rows = (int)std::min<int64_t>(kTokenRows, end - n);
    const C* from = w.row(n);
    const char* ahead = (const char*)w.row(n + kTokenRows);
    vf sums[kTokenRows] = {};
    if (rows < kTokenRows)
      for (int r = 0; r < rows; r++) tokensBlock<1>(sums + r, from + r * depth, panel, depth, ahead);
    else if (crowded)
      for (int r = 0; r < kTokenRows; r += kTokenRows / 2)
        tokensBlock<kTokenRows / 2>(sums + r, from + r * depth, panel, depth, (const char*)w.row(n + kTokenRows + r));
    else
      tokensBlock<kTokenRows>(sums, from, panel, depth, ahead);
    extra(n, rows, sums);
    vu values[kLanes];
    for (int r = 0; r < kTokenRows; r++) values[r] = (vu)sums[r];
    transposeUnits(values);
    for (int64_t m = 0; m < tokens; m++) emit(m, n, rows, (vf)values[m]);
  }
}

}  // namespace fettle::FETTLE_ISA

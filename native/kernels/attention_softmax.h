// From a tile of scores to probabilities, in powers of two: p = 2^(c·s − r), c = scale · log2(e), r the row's reference.
// Invisible keys get p = 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "attention_work.h"
#include "exponentials.h"
#include "pack.h"

namespace fettle::FETTLE_ISA {

template <int S> inline void foldLanes(vf (&v)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < S; i++) {
    vu a = (vu)v[i], b = (vu)v[i + S];
    exchange<S>(a, b, std::make_integer_sequence<int, kLanes>());
    v[i] = (vf)a + (vf)b;
  }
  if constexpr (S > 1) foldLanes<S / 2>(v);
}
// Lane i = Σ over the lanes of v[i].
inline vf sumsOfLanes(vf (&v)[kLanes]) {
  foldLanes<kLanes / 2>(v);
  return v[0];
}

inline vi keyNumbers() {
  vi lanes;
  for (int i = 0; i < kLanes; i++) lanes[i] = i;
  return lanes;
}

// Which keys of a strip the queries of a tile see: lane l's key is visible to the rows `from[l]` to `to[l]` of the tile.
struct VisibleRows {
  vi from, to;
  // The tile's first query is at `position`, the strip's first key is `key`.
  VisibleRows(const AttentionShape& shape, int64_t position, int64_t key) {
    constexpr int64_t unlimited = 1 << 30;
    from = keyNumbers() + ((int)(key - position) - vi{});
    to = from + ((int)(shape.window > 0 ? std::min(shape.window, unlimited) : unlimited) - 1 - vi{});
  }
  // `value` where the lane's key is visible to row `row`, else `otherwise`.
  vf valueOr(int row, vf value, float otherwise) const {
    const vi hidden = (from > row - vi{}) | (to < row - vi{});
    return select(hidden, splat(otherwise), value);
  }
};

// Whether some of the keys [first, last] are invisible to some of the queries at [position, position + rows).
inline bool crossesEdge(const AttentionShape& shape, int64_t position, int64_t rows, int64_t first, int64_t last) {
  return last > position || first < shape.firstKey(position + rows - 1);
}

// Two rows of one strip as the right operand of a product whose depth is the query: bf16 cells are interleaved in pairs.
inline void storeRowPair(float* to, vf even, vf odd) {
  store(to, even);
  store(to + kLanes, odd);
}
#if FETTLE_HAS_BF16
inline void storeRowPair(bf16* to, vf even, vf odd) { storePairs(to, interleaveTwo(narrowTwo(even, odd))); }
#endif

// The same, and each row for itself as the left operand of a product whose depth is the key.
inline void storeRowPair(float* to, float* evenRow, float* oddRow, vf even, vf odd) {
  storeRowPair(to, even, odd);
  store(evenRow, even);
  store(oddRow, odd);
}
#if FETTLE_HAS_BF16
inline void storeRowPair(bf16* to, bf16* evenRow, bf16* oddRow, vf even, vf odd) {
  const vp rows = narrowTwo(even, odd);
  storePairs(to, interleaveTwo(rows));
  const auto lower = lowerHalf(rows), upper = upperHalf(rows);
  __builtin_memcpy(evenRow, &lower, sizeof lower);
  __builtin_memcpy(oddRow, &upper, sizeof upper);
}
#endif

// The sum over the lanes is a · b.
template <class Act> inline vf lanesOfProduct(const Act* a, const Act* b, int64_t n) {
  vf sum = {};
  int64_t i = 0;
#if FETTLE_HAS_BF16
  if constexpr (sizeof(Act) == 2)
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) sum = dotPairs(sum, loadPairs(a + i), loadPairs(b + i));
#endif
  eachVector(n - i, [&](int64_t j, auto count) { sum += loadPart(a + i + j, count) * loadPart(b + i + j, count); });
  return sum;
}

}  // namespace fettle::FETTLE_ISA

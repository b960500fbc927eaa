// Linear layers with quantised weights and few tokens; see quantised_dot.h for the arithmetic.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "gemm_stream.h"
#include "quantised_dot.h"

namespace fettle::FETTLE_ISA {

// Lane r = the sum over the lanes of row r, for `rows` rows; add(first, count, vf* sums) adds to those of kStreamRows rows.
template <class Add> inline vf sumsOfRows(int rows, const Add& add) {
  float values[2 * kLanes] = {};
  for (int r = 0; r < rows; r += kStreamRows) {
    vf sums[kStreamRows] = {};
    add(r, std::min(kStreamRows, rows - r), sums);
    store(values + r, sumRows(sums));
  }
  return load(values);
}

// body(size, m, count) for tokens that meet rows together: `count` from m on, by a form for `size` of them, known at compile time.
template <class Dot, class Body> inline void eachTokens(int64_t tokens, const Body& body) {
  int64_t m = 0;
  const auto meet = [&](auto size) {
    if constexpr (decltype(size)::value <= Dot::most)
      for (; tokens - m > (Dot::padded ? size / 2 : size - 1); m += size) body(size, m, std::min<int64_t>(size, tokens - m));
  };
  meet(std::integral_constant<int, 8>{});
  meet(std::integral_constant<int, 4>{});
  meet(std::integral_constant<int, 2>{});
  meet(std::integral_constant<int, 1>{});
}

template <class Dot, class X>
static PreparedTokens prepareTokens(Pool& pool, int thread, int slot, const Dot& dot, const X* x, int64_t tokens,
                                    const Quantised& weight) {
  PreparedTokens prepared{weight.layout, tokens, roundUp(dot.tokenBytes(weight.layout.depth(), tokens), 64)};
  prepared.data = (char*)pool.scratch(thread, slot, tokens * prepared.size);
  dot.prepare(prepared, x, weight.tensor->cols());
  return prepared;
}

// Groups that so many tokens meet together; one token reads group by group, as memory likes it.
template <class Dot> constexpr int64_t groupsTogether(const Dot&, int64_t tokens) { return tokens > 2 ? Dot::mostGroups : 1; }

// value[m, n] = Σ_k x[m, k] · w[n, k] of all tokens with rows [firstRow, endRow), whose groups lie from `groups` on;
// emit(m, n, rows, values) takes rows n ... n + rows − 1 of token m, at most kLanes.
template <class Dot, class Emit>
static void quantisedGroups(const Dot& dot, const PreparedTokens& tokens, const char* groups, int64_t firstRow,
                            int64_t endRow, const Emit& emit) {
  const QuantisedLayout& layout = tokens.layout;
  const char* group = groups;
  const auto meet = [&](int64_t first, auto together) {
    constexpr int G = decltype(together)::value;
    for (int lane = 0; lane < kGroupRows && first + lane < endRow; lane += kLanes) {
      eachTokens<Dot>(tokens.count, [&](auto size, int64_t m, int64_t count) {
        vf sums[G][decltype(size)::value];
        if constexpr (Dot::mostGroups > 1) dot.groups(sums, group, tokens, m);
        else dot.group(sums[0], group, lane, tokens, m);
        for (int g = 0; g < G; g++) {
          if constexpr (Dot::exceptions)
            layout.eachException(group + g * layout.groupBytes(), [&](const Exception& e) {
              if (e.row < lane || e.row >= lane + kLanes) return;
              for (int i = 0; i < count; i++) sums[g][i][e.row - lane] += toFloat(e.value) * dot.at(tokens, m + i, e.depth);
            });
          const int64_t n = first + g * kGroupRows + lane;
          for (int i = 0; i < count; i++) emit(m + i, n, (int)std::min<int64_t>(kLanes, endRow - n), sums[g][i]);
        }
      });
    }
    group += G * layout.groupBytes();
  };
  int64_t first = firstRow;
  if constexpr (Dot::mostGroups > 1)
    for (constexpr int rows = Dot::mostGroups * kGroupRows; groupsTogether(dot, tokens.count) > 1 && first + rows <= endRow; first += rows)
      meet(first, std::integral_constant<int, Dot::mostGroups>{});
  for (; first < endRow; first += kGroupRows) meet(first, std::integral_constant<int, 1>{});
}

}  // namespace fettle::FETTLE_ISA

// Linear layers with quantised weights and few tokens; see quantised_dot.h for the arithmetic.
#pragma once

#include "quantised_dot.h"

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

constexpr int kGroupTokens = 4;  // that meet a group at a time

// Activations as a dot of quantised_dot.h reads them.
struct PreparedTokens {
  const char* data;
  int64_t size, count;  // bytes of a token; tokens
  QuantisedLayout layout;
};
template <class Dot, class X>
static PreparedTokens prepareTokens(Pool& pool, int thread, int slot, const Dot& dot, const X* x, int64_t tokens,
                                    const Quantised& weight) {
  const QuantisedLayout& layout = weight.layout;
  const int64_t columns = weight.tensor->cols(), depth = layout.blocks * layout.blockDepth;
  const int64_t size = roundUp(dot.tokenBytes(depth), 64);
  char* prepared = (char*)pool.scratch(thread, slot, tokens * size);
  for (int64_t m = 0; m < tokens; m++) dot.prepare(prepared + m * size, x + m * columns, columns, depth);
  return {prepared, size, tokens, layout};
}

// value[m, n] = Σ_k x[m, k] · w[n, k] of all tokens with rows [firstRow, endRow), whose groups lie from `groups` on;
// emit(m, n, rows, values) takes rows n ... n + rows − 1 of token m, at most kLanes.
template <class Dot, class Emit>
static void quantisedGroups(const Dot& dot, const PreparedTokens& tokens, const char* groups, int64_t firstRow,
                            int64_t endRow, const Emit& emit) {
  const char* group = groups;
  for (int64_t first = firstRow; first < endRow; first += kGroupRows, group += tokens.layout.groupBytes()) {
    for (int lane = 0; lane < kGroupRows && first + lane < endRow; lane += kLanes) {
      const int64_t n = first + lane;
      const auto meet = [&](auto size, int64_t m) {
        constexpr int T = decltype(size)::value;
        const char* from[T];
        for (int i = 0; i < T; i++) from[i] = tokens.data + (m + i) * tokens.size;
        vf sums[T];
        dot.group(sums, group, lane, from, tokens.layout);
        for (int i = 0; i < T; i++) emit(m + i, n, (int)std::min<int64_t>(kLanes, endRow - n), sums[i]);
      };
      int64_t m = 0;
      for (; m + kGroupTokens <= tokens.count; m += kGroupTokens) meet(std::integral_constant<int, kGroupTokens>{}, m);
      if (tokens.count - m >= 2) meet(std::integral_constant<int, 2>{}, m), m += 2;
      if (tokens.count - m >= 1) meet(std::integral_constant<int, 1>{}, m);
    }
  }
}

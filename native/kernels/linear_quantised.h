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

// value[m, n] = Σ_k x[m, k] · w[n, k] of all tokens with this thread's share of the groups; emit(m, n, rows, values) takes
// rows n ... n + rows − 1 of token m, at most kLanes.
template <class X, class Emit>
static void quantisedGroups(Pool& pool, int thread, int slot, const X* x, int64_t tokens, const Quantised& weight,
                            const Emit& emit) {
  const Tensor& tensor = *weight.tensor;
  const QuantisedLayout& layout = weight.layout;
  const int64_t columns = tensor.cols(), depth = layout.blocks * layout.blockDepth;
  int64_t groups = 0;
  for (int b = 0; b < tensor.blockCount; b++)
    groups += (weight.endOf(tensor.blocks[b]) - tensor.blocks[b].firstRow + kGroupRows - 1) / kGroupRows;
  const Range mine = partOf(groups, thread, pool.threads());
  if (mine.begin == mine.end) return;
  withDot<X>(tensor.dtype, [&](const auto& dot) {
    const int64_t size = roundUp(dot.tokenBytes(depth), 64);
    char* prepared = (char*)pool.scratch(thread, slot, tokens * size);
    for (int64_t m = 0; m < tokens; m++) dot.prepare(prepared + m * size, x + m * columns, columns, depth);
    int64_t before = 0;  // groups of the row blocks passed
    for (int b = 0; b < tensor.blockCount; b++) {
      const RowBlock& block = tensor.blocks[b];
      const int64_t rows = weight.endOf(block) - block.firstRow, count = (rows + kGroupRows - 1) / kGroupRows;
      for (int64_t g = std::max(mine.begin - before, (int64_t)0); g < std::min(mine.end - before, count); g++) {
        const char* group = (const char*)block.data + g * layout.groupBytes();
        for (int lane = 0; lane < kGroupRows && g * kGroupRows + lane < rows; lane += kLanes) {
          const int64_t n = g * kGroupRows + lane;
          const auto meet = [&](auto size_, int64_t m) {
            constexpr int T = decltype(size_)::value;
            const char* from[T];
            for (int i = 0; i < T; i++) from[i] = prepared + (m + i) * size;
            vf sums[T];
            dot.group(sums, group, lane, from, layout);
            for (int i = 0; i < T; i++) emit(m + i, block.firstRow + n, (int)std::min<int64_t>(kLanes, rows - n), sums[i]);
          };
          int64_t m = 0;
          for (; m + kGroupTokens <= tokens; m += kGroupTokens) meet(std::integral_constant<int, kGroupTokens>{}, m);
          if (tokens - m >= 2) meet(std::integral_constant<int, 2>{}, m), m += 2;
          if (tokens - m >= 1) meet(std::integral_constant<int, 1>{}, m);
        }
      }
      before += count;
    }
  });
}

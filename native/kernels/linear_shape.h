// What the kernels of linear layers share: a call's shape, its panels, dropout, and operands as cells.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops.h"
#include "gemm.h"

namespace fettle::FETTLE_ISA {

// Scratch slots: what a thread has for itself, and what thread 0 holds for all.
namespace slots {
enum { panel, loraPanel, block, x, dY, t, transposed, dYTransposed, rounded };
}

struct Segment {
  int64_t firstRow, rows;
  int index, rank, firstRank;
  float scaling;
};

// What the attributes and shapes of a call say.
struct LinearShape {
  int64_t outputs, depth;  // N, K
  int ranks = 0, maxRank = 0;
  float keepScale = 1;  // 1 / (1 − p)
  uint32_t threshold = 0, seed = 0;
  bool int8Activations;
  std::vector<Segment> segments;

  // `op` is that of the forward pass or of the vjp.
  template <class Op>
  LinearShape(const Op& op, int64_t n, int64_t k) : outputs(n), depth(k), int8Activations(op.int8Activations()) {
    const Tensor* loraB = op.loraA() ? op.loraB() : nullptr;
    const double p = op.dropout();
    const List given = op.segments();
    const int count = given.count / 3;
    int64_t row = 0;
    for (int s = 0; s < count; s++) {
      const double* a = given.values + 3 * s;
      const int rank = loraB ? (int)a[1] : 0;
      segments.push_back({row, (int64_t)a[0], s, rank, ranks, (float)a[2]});
      row += (int64_t)a[0];
      ranks += rank;
    }
    if (row < n) segments.push_back({row, n - row, count, 0, ranks, 1});
    if (loraB) maxRank = (int)loraB->cols();
    if (p > 0) {
      keepScale = (float)(1 / (1 - p));
      threshold = (uint32_t)(p * 4294967296.0);
      seed = (uint32_t)op.seed() + (op.dropoutSeed() ? (uint32_t)*op.dropoutSeed()->template as<const int32_t>() : 0);
    }
  }
  bool dropout() const { return threshold > 0; }
  const Segment& segmentOf(int64_t row) const {
    size_t s = segments.size() - 1;
    while (segments[s].firstRow > row) s--;
    return segments[s];
  }
};

// One panel of W: some columns of y, all in one segment.
struct LinearPanel {
  int64_t firstRow;
  int columns;
  const Segment* segment;
};
template <class C> inline std::vector<LinearPanel> panelsOf(const LinearShape& shape) {
  std::vector<LinearPanel> panels;
  for (const Segment& s : shape.segments)
    for (int64_t n = 0; n < s.rows; n += kPanelColumns<C>)
      panels.push_back({s.firstRow + n, (int)std::min<int64_t>(kPanelColumns<C>, s.rows - n), &s});
  return panels;
}

// All bits set where an element is kept; see dropout.ts. `element` is that of the first lane.
inline vi keepMask(const LinearShape& shape, int segment, uint32_t element) {
  vu h;
  for (int i = 0; i < kLanes; i++) h[i] = (uint32_t)i;
  h = (h + element) ^ (shape.seed * 0x9e3779b9u + (uint32_t)segment * 0x85ebca6bu);
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h ^= h >> 16;
  return (vi)(h >= shape.threshold);
}

// to[i] = x[row, column + i] where kept, else 0; the factor 1 / (1 − p) is left to the product's epilogue.
template <class C, class X>
inline void maskRow(C* to, const X* x, const LinearShape& shape, int segment, int64_t row, int64_t column, int64_t n) {
  const X* from = x + row * shape.depth + column;
  const uint32_t element = (uint32_t)(row * shape.depth + column);
  eachVector(n, [&](int64_t i, auto count) {
    const vi keep = keepMask(shape, segment, element + (uint32_t)i);
    storePart(to + i, select(keep, loadPart(from + i, count), vf{}), count);
  });
}

// A tensor as cells: itself, or a converted copy in the scratch of thread 0.
template <class C, class S> inline const C* cellsFrom(Pool& pool, const S* data, int64_t size, int slot) {
  if constexpr (sizeof(S) == sizeof(C)) return data;
  else {
    C* copy = (C*)pool.scratch(0, slot, size * sizeof(C));
    pool.run([&](int thread) {
      const Range mine = partOf((size + 63) / 64, thread, pool.threads());
      const int64_t end = std::min(mine.end * 64, size);
      if (end > mine.begin * 64) convert(copy + mine.begin * 64, data + mine.begin * 64, end - mine.begin * 64);
    });
    return copy;
  }
}
template <class C> inline const C* cellsOf(Pool& pool, const Tensor& x, int slot) {
  return x.dtype == DType::bf16 ? cellsFrom<C>(pool, x.as<const bf16>(), x.size(), slot)
                                : cellsFrom<C>(pool, x.as<const float>(), x.size(), slot);
}

template <class C> inline C* panelScratch(Pool& pool, int thread, int slot, int64_t depth, int panels = 1) {
  return (C*)pool.scratch(thread, slot, panels * panelCells<C>(depth, kPanelColumns<C>) * sizeof(C));
}

}  // namespace fettle::FETTLE_ISA

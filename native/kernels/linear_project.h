// The narrow product of LoRA, t = drop(x) Aᵀ.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gemm.h"
#include "linear_shape.h"

namespace fettle::FETTLE_ISA {

// t into its tensor, and t · scaling as cells for the product with B.
template <class Act, class C> struct StoreT {
  Act* t;
  C* scaled;
  int64_t stride;
  float keepScale;
  const float* scaling;  // a column
  void operator()(int64_t row, int column, vf value, int n) const {
    value *= splat(keepScale);
    if (t) storePart(t + row * stride + column, value, std::min(n, kLanes));
    storePart(scaled + row * stride + column, value * loadPart(scaling + column, std::min(n, kLanes)), std::min(n, kLanes));
  }
};

// t of tokens [begin, end), by one thread. Without dropout all segments share the passes over x.
template <class Act, class C>
static void projectDown(Pool& pool, int thread, const LinearShape& shape, const C* x, const float* loraA, Act* t, C* scaled,
                        const float* scaling, int64_t begin, int64_t end) {
  constexpr int64_t chunk = 64;
  const int64_t K = shape.depth;
  C* panel = panelScratch<C>(pool, thread, slots::loraPanel, K);
  const auto pass = [&](int firstRank, int ranks, const Segment* masked) {
    for (int r = firstRank; r < firstRank + ranks; r += kPanelColumns<C>) {
      const int columns = std::min(kPanelColumns<C>, firstRank + ranks - r);
      packRows(panel, Plain<float>{loraA, K}, r, columns, K);
      StoreT<Act, C> save{t ? t + r : t, scaled + r, shape.ranks, shape.keepScale, scaling + r};
      if (!masked) {
        multiply(Term<C>{x, K, panel, K}, begin, end, columns, save);
        continue;
      }
      C* kept = (C*)pool.scratch(thread, slots::block, chunk * K * sizeof(C));
      for (int64_t m = begin; m < end; m += chunk) {
        const int64_t rows = std::min(chunk, end - m);
        for (int64_t i = 0; i < rows; i++) maskRow(kept + i * K, x, shape, masked->index, m + i, 0, K);
        StoreT<Act, C> here{save.t ? save.t + m * shape.ranks : nullptr, save.scaled + m * shape.ranks, save.stride,
                            save.keepScale, save.scaling};
        multiply(Term<C>{kept, K, panel, K}, 0, rows, columns, here);
      }
    }
  };
  if (begin >= end) return;
  if (!shape.dropout()) pass(0, shape.ranks, nullptr);
  else
    for (const Segment& s : shape.segments) pass(s.firstRank, s.rank, &s);
}

// t of all tokens into its tensor; returns t · scaling as cells, null without LoRA.
template <class Act, class C> static const C* projectTokens(const args::Linear& op, const LinearShape& shape, const C* x, int64_t M) {
  if (!shape.ranks) return nullptr;
  Pool& pool = op.pool();
  C* scaled = (C*)pool.scratch(0, slots::t, M * shape.ranks * sizeof(C));
  std::vector<float> scaling(shape.ranks);
  for (const Segment& s : shape.segments) std::fill_n(scaling.begin() + s.firstRank, s.rank, s.scaling);
  pool.run([&](int thread) {
    const Range mine = partOf(M, thread, pool.threads());
    projectDown<Act, C>(pool, thread, shape, x, op.loraA()->as<const float>(), dataOf<Act>(op.t()), scaled, scaling.data(), mine.begin, mine.end);
  });
  return scaled;
}

}  // namespace fettle::FETTLE_ISA

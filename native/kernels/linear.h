// Linear layers with LoRA folded in, forward; the vjp is in linear_vjp.h.
//
//     t = drop(x) Aᵀ                                    [M, ΣR]
//     y = x Wᵀ + scaling · t Bᵀ + bias + residual       [M, N], N in segments (q, k and v): each has its own t, B, scaling
//
// The product with W runs panel by panel (gemm.h): 48 rows of W are packed, multiplied with all tokens, forgotten. t Bᵀ is
// extra depth of the same product, with scaling multiplied into t. Threads divide panels x tokens, so each panel is
// packed once; t comes first, divided by tokens. Few tokens take the streaming form (gemm_stream.h).
// Quantised weights (quantised.h) are multiplied out while a panel is packed, or as they stream.
// Dropout applies to LoRA's input only. It costs a masked copy of x a segment, a few hundred KB at a time.
#pragma once

#include "gemm.h"
#include "gemm_stream.h"
#include "quantised.h"
#include "stream_work.h"
#include "linear_quantised.h"

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

  LinearShape(const double* attributes, int64_t n, int64_t k, const Tensor* loraB, const Tensor* dropoutSeed)
      : outputs(n), depth(k) {
    const double p = attributes[1];
    int8Activations = attributes[3] != 0;
    const int count = (int)attributes[4] / 3;
    int64_t row = 0;
    for (int s = 0; s < count; s++) {
      const double* a = attributes + 5 + 3 * s;
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
      seed = (uint32_t)(int64_t)attributes[2] + (dropoutSeed ? (uint32_t)*dropoutSeed->as<const int32_t>() : 0);
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
template <class C> inline const C* cellsOf(Pool& pool, const Tensor* x, int slot) {
  if (!x) return nullptr;
  return x->dtype == DType::bf16 ? cellsFrom<C>(pool, x->as<const bf16>(), x->size(), slot)
                                 : cellsFrom<C>(pool, x->as<const float>(), x->size(), slot);
}

template <class C> inline C* panelScratch(Pool& pool, int thread, int slot, int64_t depth, int panels = 1) {
  return (C*)pool.scratch(thread, slot, panels * panelCells<C>(depth, kPanelColumns<C>) * sizeof(C));
}

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
template <class Act, class C> static const C* projectTokens(const Call& call, const LinearShape& shape, const C* x, int64_t M) {
  if (!shape.ranks) return nullptr;
  Pool& pool = *call.pool;
  C* scaled = (C*)pool.scratch(0, slots::t, M * shape.ranks * sizeof(C));
  std::vector<float> scaling(shape.ranks);
  for (const Segment& s : shape.segments) std::fill_n(scaling.begin() + s.firstRank, s.rank, s.scaling);
  pool.run([&](int thread) {
    const Range mine = partOf(M, thread, pool.threads());
    projectDown<Act, C>(pool, thread, shape, x, call.in[4]->as<const float>(), call.out[1] ? call.out[1]->as<Act>() : nullptr,
                        scaled, scaling.data(), mine.begin, mine.end);
  });
  return scaled;
}

template <class Act, class W, class Out> static void linearForwardPacked(const Call& call, const LinearShape& shape, int64_t M) {
  using C = Cell<Act>;
  Pool& pool = *call.pool;
  const int64_t N = shape.outputs, K = shape.depth;
  const C* x = cellsOf<C>(pool, call.in[0], slots::x);
  const C* scaled = projectTokens<Act>(call, shape, x, M);
  const std::vector<LinearPanel> panels = panelsOf<C>(shape);
  const typename WeightSource<W>::type weight(*call.in[1]);
  const float* bias = call.in[2] ? call.in[2]->as<const float>() : nullptr;
  const float* residual = call.in[3] ? call.in[3]->as<const float>() : nullptr;
  Out* y = call.out[0]->as<Out>();
  pool.run([&](int thread) {
    const int most = panelsAtOnce<C>(K);
    C* panel = panelScratch<C>(pool, thread, slots::panel, K, most);
    C* loraPanel = panelScratch<C>(pool, thread, slots::loraPanel, shape.maxRank, most);
    const std::vector<PanelShare> shares = dividePanels<C>((int64_t)panels.size(), M, thread, pool.threads());
    const auto pack = [&](const PanelShare& share, int place) {
      const auto& [n, columns, segment] = panels[share.panel];
      C* to = panel + place * panelCells<C>(K, kPanelColumns<C>);
      C* loraTo = loraPanel + place * panelCells<C>(shape.maxRank, kPanelColumns<C>);
      packRows(to, weight, n, columns, K);
      PackedPanel<C, Out> packed{{{x, K, to, K}, {}}, 1, columns,
                                 {y + n, N, false, 1, bias ? bias + n : nullptr, residual ? residual + n : nullptr}};
      if (segment->rank) {
        packRows(loraTo, Plain<float>{call.in[5]->as<const float>(), shape.maxRank}, n, columns, segment->rank);
        packed.terms[1] = {scaled + segment->firstRank, shape.ranks, loraTo, segment->rank};
        packed.count = 2;
      }
      return packed;
    };
    multiplyShares<C, Out>(shares, most, pack, [&](size_t i) {
      NextPanel<typename WeightSource<W>::type> next;
      if (i == shares.size()) return next;
      const LinearPanel &first = panels[shares[i].panel], &last = panels[shares[std::min(i + most, shares.size()) - 1].panel];
      const PanelShare& now = shares[i - 1];
      return decltype(next)(weight, first.firstRow, int(last.firstRow + last.columns - first.firstRow),
                            (now.rowEnd - now.rowBegin) / Block<C>::rows + 1);
    });
  });
}

#include "linear_int8.h"
#include "linear_streamed.h"

// Up to this many tokens are streamed. Packing bf16 is level at 24 to 32 (measured), but bf12 needs no packing to be near the peak.
template <class X> inline int64_t fewTokens(DType weight) {
  return FETTLE_HAS_BF16 && FETTLE_X86 && sizeof(X) == 2 && weight == DType::bf12 ? 48 : 16;
}

static void linearForward(const Call& call) {
  const Tensor &x = *call.in[0], &weight = *call.in[1], &y = *call.out[0];
  const LinearShape shape(call.attributes, y.cols(), x.cols(), call.in[4] && call.in[5] ? call.in[5] : nullptr,
                          call.in[6]);
  const int64_t M = x.rows();
  withType(x.dtype, [&](auto xZero) {
    withWeight(weight.dtype, [&](auto wZero) {
      withType(y.dtype, [&](auto yZero) {
        using X = decltype(xZero);
        using W = decltype(wZero);
        using Y = decltype(yZero);
        if (shape.int8Activations && weight.dtype == DType::int8) linearForwardInt8<X, Y>(call, shape, M);
        else if (M <= fewTokens<X>(weight.dtype) && !shape.dropout()) linearForwardStreamed<X, W, Y>(call, shape, M);
        else linearForwardPacked<X, W, Y>(call, shape, M);
      });
    });
  });
}

#include "linear_vjp.h"

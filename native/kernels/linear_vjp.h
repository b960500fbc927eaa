// Gradients of linear layers (forward: linear.h). With dT = scaling · dY B, each segment by its own columns of dY:
//
//     dX = dY W + mask ∘ (dT A)     one product of depth N + ΣR; W's panels are packed along its columns
//     dA = dTᵀ drop(x)              depth M, few rows: gemm_tokens.h, with dTᵀ transposed once
//     dB = scaling · dYᵀ t          computed as tᵀ dY, so that the few ranks are the rows
//     dW = dYᵀ x                    dY transposed once
//     dBias = column sums of dY
//
// Everything after dT and the transpositions is one parallel region without inner barriers: threads share dX by panels x
// tokens, dA and dB by columns, dW by panels x rows, and divide dBias by columns. No sum crosses threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ops.h"
#include "blocks.h"
#include "gemm_panels.h"
#include "gemm_tokens.h"
#include "linear_int8.h"
#include "linear_shape.h"

namespace fettle::FETTLE_ISA {

// Products over tokens are cut in this depth, to keep the packed panel in the second-level cache.
template <class C> constexpr int64_t kTokenBlock = sizeof(C) == 2 ? 4096 : 2048;

template <class Act> struct LinearVjp {
  using C = Cell<Act>;
  const args::LinearVjp& op;
  Pool& pool;
  const LinearShape& shape;
  const int64_t M, N = shape.outputs, K = shape.depth;
  const float *loraA, *loraB;
  const C *x = nullptr, *dY = nullptr;
  C* dT = nullptr;       // [M, ΣR]
  C* dTColumns = nullptr;  // its transpose [ΣR, M]
  C* tColumns = nullptr;   // t's [ΣR, M]
  C* dYColumns = nullptr;  // dY's [N, M]
  std::unique_ptr<const RoundedGradient> rounded = nullptr;
  // Of dTColumns and tColumns: no power of two, which would put all ranks into few sets of the cache.
  const int64_t columnsStride = roundUp(M, 32) + 32;

  void run() {
    const bool lora = shape.ranks > 0;
    const bool needsDT = lora && (op.dX() || op.dLoraA()), needsT = lora && op.dLoraB();
    dY = cellsOf<C>(pool, op.dY(), slots::dY);
    if (op.dWeight() || (lora && op.dLoraA())) x = cellsOf<C>(pool, *op.x(), slots::x);
    const int64_t few = roundUp(M * shape.ranks, 64);
    if (needsDT) dT = (C*)pool.scratch(0, slots::t, few * sizeof(C));
    if (lora) {
      dTColumns = (C*)pool.scratch(0, slots::transposed, 2 * shape.ranks * columnsStride * sizeof(C));
      tColumns = dTColumns + shape.ranks * columnsStride;
    }
    if (op.dWeight()) dYColumns = (C*)pool.scratch(0, slots::dYTransposed, M * N * sizeof(C));
    if (op.dX() && shape.int8Activations && op.weight()->dtype == DType::int8)
      rounded = std::make_unique<const RoundedGradient>(pool, op.dY(), *op.weight());
    const int64_t panels = (K + kPanelColumns<C> - 1) / kPanelColumns<C>;
    std::optional<PanelShares<C>> ofX, ofWeight;
    if (op.dX()) ofX.emplace(pool, panels, M, N, rounded ? 1 : panelsAtOnce<C>(N));
    // Large pieces where each packs its panels anew.
    if (op.dWeight()) ofWeight.emplace(pool, panels, N, M > kTokenBlock<C> ? 128 : M);
    Shares ofLora(pool, lora ? loraGroups() : 0, {4, 2});
    pool.run([&](int thread) {
      const Range rows = partOf(M, thread, pool.threads());
      if (rows.begin == rows.end) return;
      if (rounded) rounded->round(pool, thread, rows);
      if (needsDT) projectUp(thread, rows);
      if (needsDT && op.dLoraA()) transposeRows(dTColumns, columnsStride, dT, shape.ranks, rows);
      if (needsT)
        withType(op.t()->dtype, [&](auto zero) { transposeRows(tColumns, columnsStride, op.t()->as<const decltype(zero)>(), shape.ranks, rows); });
      if (op.dWeight()) transposeRows(dYColumns, M, dY, N, rows);
    });
    pool.run([&](int part) {
      if (rounded) inputGradientInt8(*ofX, part);
      else if (op.dX()) withWeight(op.weight()->dtype, [&](auto zero) { inputGradient<decltype(zero)>(*ofX, part); });
      ofLora.run(part, [&](Range groups) { loraGradients(part, groups); });
      if (op.dWeight()) weightGradient(*ofWeight, part);
      if (op.dBias()) withType(op.dY().dtype, [&](auto zero) { biasGradient<decltype(zero)>(part); });
    });
  }

  template <class S> void transposeRows(C* to, int64_t stride, const S* from, int64_t columns, Range rows) const {
    transpose(to + rows.begin, stride, Plain<S>{from + rows.begin * columns, columns}, 0, columns, rows.end - rows.begin);
  }

  // dT of some tokens.
  void projectUp(int thread, Range rows) const {
    for (const Segment& s : shape.segments)
      for (int r = 0; r < s.rank; r += kPanelColumns<C>) {
        const int columns = std::min(kPanelColumns<C>, s.rank - r);
        C* panel = panelScratch<C>(pool, thread, slots::loraPanel, s.rows);
        packColumns(panel, Plain<float>{loraB + s.firstRow * shape.maxRank, shape.maxRank}, r, columns, s.rows);
        multiply(Term<C>{dY + s.firstRow, N, panel, s.rows}, rows.begin, rows.end, columns,
                 StoreTo<C>{dT + s.firstRank + r, shape.ranks, false, s.scaling});
      }
  }

  // Columns of the panel that begins at k.
  static constexpr int columnsAt(int64_t k, int64_t end) { return (int)std::min<int64_t>(kPanelColumns<C>, end - k); }

  template <class W> void inputGradient(PanelShares<C>& shares, int part) const {
    const typename WeightSource<W>::type weight(*op.weight());
    const int most = panelsAtOnce<C>(N);
    C* panel = panelScratch<C>(pool, part, slots::panel, N, most);
    C* loraPanel = panelScratch<C>(pool, part, slots::loraPanel, shape.ranks, most);
    Act* dX = op.dX()->template as<Act>();
    const bool masked = shape.ranks && shape.dropout();
    const auto pack = [&](int64_t p, int place) {
      const int64_t k = p * kPanelColumns<C>;
      const int columns = columnsAt(k, K);
      C* to = panel + place * panelCells<C>(N, kPanelColumns<C>);
      packColumns(to, weight, k, columns, N);
      PackedPanel<C, Act> packed{{{dY, N, to, N}, {}}, 1, columns, {dX + k, K, op.accumulatesX()}};
      if (shape.ranks && !masked) {
        C* loraTo = loraPanel + place * panelCells<C>(shape.ranks, kPanelColumns<C>);
        packColumns(loraTo, Plain<float>{loraA, K}, k, columns, shape.ranks);
        packed.terms[1] = {dT, shape.ranks, loraTo, shape.ranks};
        packed.count = 2;
      }
      return packed;
    };
    if (!masked) return multiplyShared<C, Act>(shares, part, pack, [](Range, int64_t) { return NextPanel<Plain<C>>(); });
    const TileScope tiles;
    PackedPanel<C, Act> group[kMostPanels];
    int64_t first = -1;
    shares.run(part, [&](Range panels, Range rows, Range) {
      for (int64_t p = panels.begin; p < panels.end; p++) {
        PackedPanel<C, Act>& packed = group[p - panels.begin];
        if (first != panels.begin) packed = pack(p, int(p - panels.begin));
        maskedInputGradient(part, p * kPanelColumns<C>, packed.columns, rows.begin, rows.end,
                            [&](int64_t begin, int64_t end, const StoreTo<float>& save) {
                              multiply(packed.terms, 1, begin, end, packed.columns, save);
                            });
      }
      first = panels.begin;
    });
  }

  void inputGradientInt8(PanelShares<C>& shares, int part) const {
    C* loraPanel = panelScratch<C>(pool, part, slots::loraPanel, shape.ranks);
    Act* dX = op.dX()->template as<Act>();
    const bool masked = shape.ranks && shape.dropout();
    BytePanel panel{};
    int64_t packed = -1;
    shares.run(part, [&](Range of, Range rows, Range) {
      const int64_t k = of.begin * kPanelColumns<C>;
      const int columns = columnsAt(k, K);
      if (packed != of.begin) {
        packed = of.begin;
        panel = rounded->panel(pool, part, k, columns);
        if (shape.ranks && !masked) packColumns(loraPanel, Plain<float>{loraA, K}, k, columns, shape.ranks);
      }
      if (masked)
        return maskedInputGradient(part, k, columns, rows.begin, rows.end, [&](int64_t first, int64_t last, const StoreTo<float>& save) {
          multiplyBytes<C>(rounded->rows, panel, nullptr, first, last, columns, save);
        });
      const Term<C> lora{dT, shape.ranks, loraPanel, shape.ranks};
      multiplyBytes(rounded->rows, panel, shape.ranks ? &lora : nullptr, rows.begin, rows.end, columns,
                    StoreTo<Act>{dX + k, K, op.accumulatesX()});
    });
  }

  // With dropout the way through LoRA is masked by segment, so it cannot be extra depth: sum in a float tile.
  // base(first, last, store) makes these rows of dY W.
  template <class Base>
  void maskedInputGradient(int thread, int64_t k, int columns, int64_t begin, int64_t end, const Base& base) const {
    constexpr int64_t chunk = 64, stride = kPanelColumns<C>;
    float* tile = (float*)pool.scratch(thread, slots::block, chunk * stride * sizeof(float));
    C* loraPanel = panelScratch<C>(pool, thread, slots::loraPanel, shape.ranks + shape.segments.size() * Block<C>::depth);
    // The panels of all segments, one behind the other.
    C* next = loraPanel;
    for (const Segment& s : shape.segments) {
      packColumns(next, Plain<float>{loraA + s.firstRank * K, K}, k, columns, s.rank);
      next += panelCells<C>(s.rank, columns);
    }
    for (int64_t m = begin; m < end; m += chunk) {
      const int64_t rows = std::min(chunk, end - m);
      base(m, m + rows, StoreTo<float>{tile - m * stride, stride});
      next = loraPanel;
      for (const Segment& s : shape.segments) {
        if (s.rank)
          multiply(Term<C>{dT + m * shape.ranks + s.firstRank, shape.ranks, next, s.rank}, 0, rows, columns,
                   [&](int64_t row, int column, vf value, int) {
                     float* to = tile + row * stride + column;
                     const vi keep = keepMask(shape, s.index, (uint32_t)((m + row) * K + k + column));
                     store(to, load(to) + select(keep, value * splat(shape.keepScale), vf{}));
                   });
        next += panelCells<C>(s.rank, columns);
      }
      for (int64_t i = 0; i < rows; i++) {
        Act* to = op.dX()->template as<Act>() + (m + i) * K + k;
        eachVector(columns, [&](int64_t j, auto count) {
          vf value = loadPart(tile + i * stride + j, count);
          if (op.accumulatesX()) value += loadPart(to + j, count);
          storePart(to + j, value, count);
        });
      }
    }
  }

  // Columns that the thin product takes at once, group by group: of dA, then of dB's segments.
  static constexpr int64_t kGroup = Block<float>::vectors * kLanes;
  static int64_t groupsOf(int64_t columns) { return (columns + kGroup - 1) / kGroup; }
  int64_t loraGroups() const {
    int64_t total = op.dLoraA() ? groupsOf(K) : 0;
    if (op.dLoraB())
      for (const Segment& s : shape.segments) total += groupsOf(s.rows);
    return total;
  }

  void loraGradients(int part, Range groups) const {
    int64_t base = 0;
    const auto share = [&](int64_t columns) {
      const int64_t begin = std::clamp<int64_t>((groups.begin - base) * kGroup, 0, columns);
      const int64_t end = std::clamp<int64_t>((groups.end - base) * kGroup, 0, columns);
      base += groupsOf(columns);
      return Range{begin, end};
    };
    if (op.dLoraA()) gradientOfA(part, share(K));
    if (op.dLoraB())
      for (const Segment& s : shape.segments) gradientOfB(part, s, share(s.rows));
  }

  void gradientOfA(int thread, Range range) const {
    const int64_t columns = range.end - range.begin;
    if (columns <= 0) return;
    float* dA = op.dLoraA()->template as<float>() + range.begin;
    for (int64_t m = 0; m < M; m += kThinTokens) {
      const int64_t end = std::min(m + kThinTokens, M);
      const bool add = m > 0 || op.accumulatesLoraA();
      if (!shape.dropout()) {
        multiplyThin(ThinProduct<C>{dTColumns, columnsStride, shape.ranks, x + range.begin, K, columns}, m, end, dA, K, add);
        continue;
      }
      C* kept = (C*)pool.scratch(thread, slots::block, kThinTokens * columns * sizeof(C));
      for (const Segment& s : shape.segments) {
        if (!s.rank) continue;
        for (int64_t i = m; i < end; i++) maskRow(kept + (i - m) * columns, x, shape, s.index, i, range.begin, columns);
        multiplyThin(ThinProduct<C>{dTColumns + s.firstRank * columnsStride + m, columnsStride, s.rank, kept, columns, columns, shape.keepScale}, 0,
                     end - m, dA + s.firstRank * K, K, add);
      }
    }
  }

  // Summed as its transpose, which is what the kernel makes, and turned at the end.
  void gradientOfB(int thread, const Segment& s, Range range) const {
    const int64_t columns = range.end - range.begin, stride = shape.maxRank;
    if (columns <= 0) return;
    float* dB = op.dLoraB()->template as<float>() + (s.firstRow + range.begin) * stride;
    const bool accumulate = op.accumulatesLoraB();
    if (!accumulate)
      for (int64_t n = 0; n < columns; n++) __builtin_memset(dB + n * stride + s.rank, 0, (stride - s.rank) * sizeof(float));
    if (!s.rank) return;
    float* sums = (float*)pool.scratch(thread, slots::panel, s.rank * columns * sizeof(float));
    const ThinProduct<C> product{tColumns + s.firstRank * columnsStride, columnsStride, s.rank, dY + s.firstRow + range.begin, N, columns};
    for (int64_t m = 0; m < M; m += kThinTokens) multiplyThin(product, m, std::min(m + kThinTokens, M), sums, columns, m > 0);
    for (int64_t n = 0; n < columns; n += kLanes)
      for (int r = 0; r < s.rank; r += kLanes) {
        const int valid = (int)std::min<int64_t>(kLanes, columns - n), ranks = std::min(kLanes, s.rank - r);
        vu u[kLanes] = {};
        for (int i = 0; i < ranks; i++) u[i] = (vu)loadPart(sums + (r + i) * columns + n, valid);
        transposeUnits(u);
        for (int i = 0; i < valid; i++) {
          float* to = dB + (n + i) * stride + r;
          vf value = (vf)u[i] * splat(s.scaling);
          if (accumulate) value += loadPart(to, ranks);
          storePart(to, value, ranks);
        }
      }
  }

  // Over blocks of tokens; where there is one, its panel stays for the next rows.
  void weightGradient(PanelShares<C>& shares, int part) const {
    constexpr int64_t block = kTokenBlock<C>;
    const TileScope tiles;
    float* dW = op.dWeight()->template as<float>();
    C* panel = panelScratch<C>(pool, part, slots::panel, std::min(block, M));
    int64_t packed = -1;
    shares.run(part, [&](Range of, Range rows, Range) {
      const int64_t k = of.begin * kPanelColumns<C>;
      const int columns = columnsAt(k, K);
      for (int64_t m = 0; m < M; m += block) {
        const int64_t tokens = std::min(block, M - m);
        if (packed != of.begin || M > block) packColumns(panel, Plain<C>{x + m * K, K}, k, columns, tokens);
        multiply(Term<C>{dYColumns + m, M, panel, tokens}, rows.begin, rows.end, columns,
                 StoreTo<float>{dW + k, K, m > 0 || op.accumulatesWeight()});
      }
      packed = of.begin;
    });
  }

  template <class S> void biasGradient(int thread) const {
    const Range strips = partOf((N + kLanes - 1) / kLanes, thread, pool.threads());
    const S* from = op.dY().as<const S>();
    float* dBias = op.dBias()->template as<float>();
    for (int64_t n = strips.begin * kLanes; n < std::min(strips.end * kLanes, N); n += kLanes) {
      const int valid = (int)std::min<int64_t>(kLanes, N - n);
      vf sums = {};
      for (int64_t m = 0; m < M; m++) sums += valid == kLanes ? load(from + m * N + n) : loadPart(from + m * N + n, valid);
      if (op.accumulatesBias()) sums += loadPart(dBias + n, valid);
      storePart(dBias + n, sums, valid);
    }
  }
};

void linearVjp(const args::LinearVjp& op) {
  const Tensor *x = op.x(), *loraA = op.loraA(), *loraB = op.loraB(), *t = op.t(), &dY = op.dY(), *dX = op.dX();
  const Tensor* withDepth = x ? x : dX ? dX : op.weight() ? op.weight() : loraA;
  const LinearShape shape(op, dY.cols(), withDepth ? withDepth->cols() : 0);
  const Tensor* act = x ? x : dX ? dX : t ? t : &dY;
  withType(act->dtype, [&](auto zero) {
    LinearVjp<decltype(zero)>{op, op.pool(), shape, dY.rows(), dY.cols(), shape.depth, dataOf<const float>(loraA),
                              dataOf<const float>(loraB)}.run();
  });
}

}  // namespace fettle::FETTLE_ISA

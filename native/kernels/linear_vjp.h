// Gradients of linear layers (forward: linear.h). With dT = scaling · dY B, each segment by its own columns of dY:
//
//     dX = dY W + mask ∘ (dT A)     one product of depth N + ΣR; W's panels are packed along its columns
//     dA = dTᵀ drop(x)              depth M, few rows: gemm_tokens.h, with dTᵀ transposed once
//     dB = scaling · dYᵀ t          computed as tᵀ dY, so that the few ranks are the rows
//     dW = dYᵀ x                    dY transposed once
//     dBias = column sums of dY
//
// Everything after dT and the transpositions is one parallel region without inner barriers: dX is divided by panels x
// tokens, dA, dB and dBias by columns, dW by panels x rows. No sum crosses threads, so the bits depend on their number only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
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
    pool.run([&](int thread) {
      if (rounded) inputGradientInt8(thread);
      else if (op.dX()) withWeight(op.weight()->dtype, [&](auto zero) { inputGradient<decltype(zero)>(thread); });
      if (lora && (op.dLoraA() || op.dLoraB())) loraGradients(thread);
      if (op.dWeight()) weightGradient(thread);
      if (op.dBias()) withType(op.dY().dtype, [&](auto zero) { biasGradient<decltype(zero)>(thread); });
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

  template <class W> void inputGradient(int thread) const {
    const typename WeightSource<W>::type weight(*op.weight());
    const int most = panelsAtOnce<C>(N);
    C* panel = panelScratch<C>(pool, thread, slots::panel, N, most);
    C* loraPanel = panelScratch<C>(pool, thread, slots::loraPanel, shape.ranks, most);
    Act* dX = op.dX()->template as<Act>();
    const int64_t panels = (K + kPanelColumns<C> - 1) / kPanelColumns<C>;
    const auto pack = [&](const PanelShare& share, int place) {
      const int64_t k = share.panel * kPanelColumns<C>;
      const int columns = (int)std::min<int64_t>(kPanelColumns<C>, K - k);
      C* to = panel + place * panelCells<C>(N, kPanelColumns<C>);
      packColumns(to, weight, k, columns, N);
      PackedPanel<C, Act> packed{{{dY, N, to, N}, {}}, 1, columns, {dX + k, K, op.accumulatesX()}};
      if (shape.ranks && !shape.dropout()) {
        C* loraTo = loraPanel + place * panelCells<C>(shape.ranks, kPanelColumns<C>);
        packColumns(loraTo, Plain<float>{loraA, K}, k, columns, shape.ranks);
        packed.terms[1] = {dT, shape.ranks, loraTo, shape.ranks};
        packed.count = 2;
      }
      return packed;
    };
    const std::vector<PanelShare> shares = dividePanels<C>(panels, M, thread, pool.threads());
    if (!shape.ranks || !shape.dropout())
      return multiplyShares<C, Act>(shares, most, pack, [](size_t) { return NextPanel<Plain<C>>(); });
    for (const PanelShare& share : shares) {
      const PackedPanel<C, Act> packed = pack(share, 0);
      maskedInputGradient(thread, share.panel * kPanelColumns<C>, packed.columns, share.rowBegin, share.rowEnd,
                          [&](int64_t first, int64_t last, const StoreTo<float>& save) {
                            multiply(packed.terms, 1, first, last, packed.columns, save);
                          });
    }
  }

  void inputGradientInt8(int thread) const {
    C* loraPanel = panelScratch<C>(pool, thread, slots::loraPanel, shape.ranks);
    Act* dX = op.dX()->template as<Act>();
    const int64_t panels = (K + kPanelColumns<C> - 1) / kPanelColumns<C>;
    for (const auto& [p, begin, end] : dividePanels<C>(panels, M, thread, pool.threads())) {
      const int64_t k = p * kPanelColumns<C>;
      const int columns = (int)std::min<int64_t>(kPanelColumns<C>, K - k);
      const BytePanel panel = rounded->panel(pool, thread, k, columns);
      if (shape.ranks && shape.dropout()) {
        maskedInputGradient(thread, k, columns, begin, end, [&](int64_t first, int64_t last, const StoreTo<float>& save) {
          multiplyBytes<C>(rounded->rows, panel, nullptr, first, last, columns, save);
        });
        continue;
      }
      const Term<C> lora{dT, shape.ranks, loraPanel, shape.ranks};
      if (shape.ranks) packColumns(loraPanel, Plain<float>{loraA, K}, k, columns, shape.ranks);
      multiplyBytes(rounded->rows, panel, shape.ranks ? &lora : nullptr, begin, end, columns,
                    StoreTo<Act>{dX + k, K, op.accumulatesX()});
    }
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

  // rows [firstRow, firstRow + rows) of a transposed operand [.., M] times some columns of [M, ..], over all tokens.
  // pack(panel, firstToken, tokens) makes the panel; store(later) gives the epilogue, `later` being true after the first block.
  template <class Pack, class Save>
  void overTokens(int thread, const C* columnsOf, int64_t begin, int64_t end, int columns, const Pack& pack, const Save& save) const {
    constexpr int64_t block = kTokenBlock<C>;
    C* panel = panelScratch<C>(pool, thread, slots::panel, std::min(block, M));
    for (int64_t m = 0; m < M; m += block) {
      const int64_t tokens = std::min(block, M - m);
      pack(panel, m, tokens);
      multiply(Term<C>{columnsOf + m, M, panel, tokens}, begin, end, columns, save(m > 0));
    }
  }

  // Strips of kLanes columns of dA and of each segment of dB, divided by their cost.
  void loraGradients(int thread) const {
    constexpr int packCost = 1;  // what a strip costs beside its product, in ranks
    int64_t total = 0, base = 0;
    const auto strips = [](int64_t columns) { return (columns + kLanes - 1) / kLanes; };
    if (op.dLoraA()) total += strips(K) * (shape.ranks + packCost);
    if (op.dLoraB())
      for (const Segment& s : shape.segments) total += strips(s.rows) * (s.rank + packCost);
    const Range mine = partOf(total, thread, pool.threads());
    // The columns of a job whose strips begin in this thread's share of the costs.
    const auto share = [&](int64_t columns, int64_t cost) {
      const auto first = [&](int64_t at) { return std::clamp<int64_t>((at - base + cost - 1) / cost, 0, strips(columns)); };
      const Range range{mine.begin <= base ? 0 : first(mine.begin) * kLanes,
                        mine.end <= base ? 0 : std::min(first(mine.end) * kLanes, columns)};
      base += strips(columns) * cost;
      return range;
    };
    if (op.dLoraA()) gradientOfA(thread, share(K, shape.ranks + packCost));
    if (op.dLoraB())
      for (const Segment& s : shape.segments) gradientOfB(thread, s, share(s.rows, s.rank + packCost));
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

  void weightGradient(int thread) const {
    float* dW = op.dWeight()->template as<float>();
    const int64_t panels = (K + kPanelColumns<C> - 1) / kPanelColumns<C>;
    for (const auto& [p, begin, end] : dividePanels<C>(panels, N, thread, pool.threads())) {
      const int64_t k = p * kPanelColumns<C>;
      const int columns = (int)std::min<int64_t>(kPanelColumns<C>, K - k);
      overTokens(thread, dYColumns, begin, end, columns, [&](C* panel, int64_t m, int64_t tokens) {
        packColumns(panel, Plain<C>{x + m * K, K}, k, columns, tokens);
      }, [&](bool later) { return StoreTo<float>{dW + k, K, later || op.accumulatesWeight()}; });
    }
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

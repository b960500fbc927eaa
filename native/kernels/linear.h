// Linear layers with LoRA folded in, forward; the vjp is in linear_vjp.h.
//
//     t = drop(x) Aᵀ                                    [M, ΣR]
//     y = x Wᵀ + scaling · t Bᵀ + bias + residual       [M, N], N in segments (q, k and v): each has its own t, B, scaling
//
// The product with W runs panel by panel (gemm.h): 48 rows of W are packed, multiplied with all tokens, forgotten. t Bᵀ is
// extra depth of the same product, with scaling multiplied into t. Threads share panels x tokens (gemm_panels.h);
// t comes first, divided by tokens. Few tokens take the streaming form (gemm_stream.h).
// Quantised weights (quantised.h, blocks.h) are multiplied out while a panel is packed, or as they stream.
// Dropout applies to LoRA's input only. It costs a masked copy of x a segment, a few hundred KB at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops.h"
#include "blocks.h"
#include "gemm_panels.h"
#include "linear_int8.h"
#include "linear_project.h"
#include "linear_shape.h"
#include "linear_streamed.h"

namespace fettle::FETTLE_ISA {

template <class Act, class W, class Out> static void linearForwardPacked(const args::Linear& op, const LinearShape& shape, int64_t M) {
  using C = Cell<Act>;
  Pool& pool = op.pool();
  const int64_t N = shape.outputs, K = shape.depth;
  const C* x = cellsOf<C>(pool, op.x(), slots::x);
  const C* scaled = projectTokens<Act>(op, shape, x, M);
  const std::vector<LinearPanel> panels = panelsOf<C>(shape);
  const typename WeightSource<W>::type weight(op.weight());
  const float *bias = dataOf<const float>(op.bias()), *residual = dataOf<const float>(op.residual());
  Out* y = op.y().as<Out>();
  const int most = panelsAtOnce<C>(K);
  PanelShares<C> shares(pool, (int64_t)panels.size(), M, K, most);
  pool.run([&](int part) {
    C* panel = panelScratch<C>(pool, part, slots::panel, K, most);
    C* loraPanel = panelScratch<C>(pool, part, slots::loraPanel, shape.maxRank, most);
    const auto pack = [&](int64_t p, int place) {
      const auto& [n, columns, segment] = panels[p];
      C* to = panel + place * panelCells<C>(K, kPanelColumns<C>);
      C* loraTo = loraPanel + place * panelCells<C>(shape.maxRank, kPanelColumns<C>);
      packRows(to, weight, n, columns, K);
      PackedPanel<C, Out> packed{{{x, K, to, K}, {}}, 1, columns,
                                 {y + n, N, false, 1, bias ? bias + n : nullptr, residual ? residual + n : nullptr}};
      if (segment->rank) {
        packRows(loraTo, Plain<float>{op.loraB()->as<const float>(), shape.maxRank}, n, columns, segment->rank);
        packed.terms[1] = {scaled + segment->firstRank, shape.ranks, loraTo, segment->rank};
        packed.count = 2;
      }
      return packed;
    };
    multiplyShared<C, Out>(shares, part, pack, [&](Range next, int64_t steps) {
      using Next = NextPanel<typename WeightSource<W>::type>;
      if (next.begin == next.end) return Next();
      const LinearPanel &first = panels[next.begin], &last = panels[next.end - 1];
      return Next(weight, first.firstRow, int(last.firstRow + last.columns - first.firstRow), steps);
    });
  });
}

// Up to this many tokens are streamed. Packing bf16 is level at 24 to 32 (measured), but bf12 needs no packing to be near the peak.
template <class X> inline int64_t fewTokens(DType weight) {
  return FETTLE_HAS_BF16 && FETTLE_X86 && sizeof(X) == 2 && weight == DType::bf12 ? 48 : 16;
}

void linearForward(const args::Linear& op) {
  const Tensor &x = op.x(), &weight = op.weight(), &y = op.y();
  const LinearShape shape(op, y.cols(), x.cols());
  const int64_t M = x.rows();
  withType(x.dtype, [&](auto xZero) {
    withWeight(weight.dtype, [&](auto wZero) {
      withType(y.dtype, [&](auto yZero) {
        using X = decltype(xZero);
        using W = decltype(wZero);
        using Y = decltype(yZero);
        if (shape.int8Activations && weight.dtype == DType::int8) linearForwardInt8<X, Y>(op, shape, M);
        else if (M <= fewTokens<X>(weight.dtype) && !shape.dropout()) linearForwardStreamed<X, W, Y>(op, shape, M);
        else linearForwardPacked<X, W, Y>(op, shape, M);
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

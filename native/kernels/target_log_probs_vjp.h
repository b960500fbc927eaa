// The gradient of the output head's weight (full training); the hidden states' own is made on the way forward.
//
//     dW_v += Σ over rows of weight · g_v · h,   g_v = c'_v (softmax_v − [v = target]),  softmax_v = e^(c(h · W_v) − lse)
//
// The weights are taken in two parts: the largest one, which multiplies the sums, and each row's share of it, which multiplies g.
// Where all are equal, as in supervised training, the shares are 1 and g stays as exact as it is.
//
// The logits are made again, a block at a time and on their side, W hᵀ: so gᵀ [words, rows] falls out of the registers as the
// left operand of the product gᵀ h, and only the hidden states are packed, in both directions and once for all threads,
// which share the vocabulary. Rows come in chunks of at most kHeadRows, the depth of the second product.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ops.h"
#include "gemm.h"
#include "shares.h"
#include "target_log_probs.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kHeadGradientWords = 128;  // rows of W in a block: gᵀ has 260 KB for 1,024 token rows

// Store of the product W hᵀ: share · gᵀ as cells, zero past the last token.
template <class C> struct StoreSoftmaxGradient {
  Capped capped;
  const float* lse;        // of this panel's tokens
  const int32_t* targets;  // likewise
  const float* shares;     // likewise
  C* g;                    // [words, stride] at this panel's column
  int64_t stride, firstWord;
  void operator()(int64_t row, int column, vf value, int n) const {
    const int count = n < kLanes ? n : kLanes;
    vi target = splatInt(-1);
    __builtin_memcpy(&target, targets + column, count * sizeof(int32_t));
    const vf one = select(target == splatInt((int)(firstWord + row)), splat(1.0f), vf{});
    if (!capped.isPlain()) value = capped(value);
    vf d = (headExp<C>(value - loadPart(lse + column, count)) - one) * loadPart(shares + column, count);
    if (!capped.isPlain()) d *= capped.slope(value);
    if (count < kLanes) d = select(laneNumbers() < splatInt(count), d, vf{});
    store(g + row * stride + column, d);
  }
};

// The hidden states of a chunk, packed for W hᵀ (panels of tokens) and for gᵀ h (panels of h's columns from `first` on).
template <class C> struct HeadGradientPanels {
  C *tokens, *columns;
  int64_t rows, width, first;
  int64_t tokenPanel() const { return panelCells<C>(width, kPanelColumns<C>); }
  int64_t columnPanel() const { return panelCells<C>(rows, kPanelColumns<C>); }
};

template <class C, class Act>
static HeadGradientPanels<C> packHidden(Pool& pool, const Act* hidden, int64_t rows, int64_t width, int64_t first) {
  constexpr int most = kPanelColumns<C>;
  const int64_t tokenPanels = (rows + most - 1) / most, columnPanels = (width - first + most - 1) / most;
  HeadGradientPanels<C> panels{nullptr, nullptr, rows, width, first};
  panels.tokens = static_cast<C*>(pool.scratch(0, 6, tokenPanels * panels.tokenPanel() * sizeof(C)));
  panels.columns = static_cast<C*>(pool.scratch(0, 7, columnPanels * panels.columnPanel() * sizeof(C)));
  const Plain<Act> source{hidden, width};
  pool.run([&](int thread) {
    const Range mine = partOf(tokenPanels + columnPanels, thread, pool.threads());
    for (int64_t u = mine.begin; u < mine.end; u++) {
      if (u < tokenPanels) {
        const int n = (int)std::min<int64_t>(most, rows - u * most);
        packRows(panels.tokens + u * panels.tokenPanel(), source, u * most, n, width);
      } else {
        const int64_t j = u - tokenPanels;
        const int n = (int)std::min<int64_t>(most, width - first - j * most);
        packColumns(panels.columns + j * panels.columnPanel(), source, first + j * most, n, rows);
      }
    }
  });
  return panels;
}

// Columns from panels.first on of dW for words [begin, end), read through `cells` (the block of W) and `g`, both scratch of this thread.
template <class C, class Weight>
static void headGradientBlock(const HeadGradientPanels<C>& panels, const Head& head, Range words, const int32_t* targets,
                              const float* lse, const float* shares, C* cells, C* g, float* dWeight, float largestWeight,
                              Capped capped, bool accumulate) {
  constexpr int most = kPanelColumns<C>;
  const int64_t rows = panels.rows, width = panels.width, count = words.end - words.begin;
  const int64_t stride = roundUp(rows, kLanes);
  const TileScope tiles;
  std::vector<Weight> together(head.copies() ? width : 0);
  for (int64_t v = 0; v < count; v++) convert(cells + v * width, (const Weight*)head.row<Weight>(words.begin + v, together.data()), width);
  for (int64_t m = 0; m < rows; m += most) {
    const Term<C> term{cells, width, panels.tokens + m / most * panels.tokenPanel(), width};
    multiply(term, 0, count, (int)std::min<int64_t>(most, rows - m),
             StoreSoftmaxGradient<C>{capped, lse + m, targets + m, shares + m, g + m, stride, words.begin});
  }
  const int64_t made = width - panels.first;
  for (int64_t j = 0; j < made; j += most) {
    const Term<C> term{g, stride, panels.columns + j / most * panels.columnPanel(), rows};
    multiply(term, 0, count, (int)std::min<int64_t>(most, made - j),
             StoreTo<float>{dWeight + words.begin * made + j, made, accumulate, largestWeight});
  }
}

// Each row's share of the weight that is farthest from zero, and that weight. Without weights all are 1.
static float sharesOfWeights(float* shares, const float* weights, int64_t rows) {
  if (!weights) {
    std::fill_n(shares, rows, 1.0f);
    return 1;
  }
  float largest = 0;
  for (int64_t m = 0; m < rows; m++)
    if (!(std::fabs(weights[m]) <= std::fabs(largest))) largest = weights[m];
  for (int64_t m = 0; m < rows; m++) shares[m] = largest == 0 ? 0.0f : weights[m] / largest;
  return largest;
}

// The gradient of the head's columns from `first` on, to dWeight [vocabulary, width − first]; `op` is the vjp of targetLogProbs or of
// adaptedLogProbs.
template <class Op>
static void headGradient(const Op& op, const Head& head, int64_t first, float* dWeight, bool accumulate) {
  const Tensor &hidden = op.hidden(), &weight = op.weight();
  const int64_t width = hidden.cols(), vocabulary = weight.rows(), block = kHeadGradientWords;
  const int32_t* targets = dataOf<const int32_t>(&op.targets());
  const float* lse = dataOf<const float>(&op.lse());
  const int64_t learned = rowsBeforePadding(targets, hidden.rows());
  const int64_t chunks = (learned + kHeadRows - 1) / kHeadRows, blocks = (vocabulary + block - 1) / block;
  Pool& pool = op.pool();
  float* shares = static_cast<float*>(pool.scratch(0, 2, learned * sizeof(float)));
  const float largestWeight = sharesOfWeights(shares, dataOf<const float>(op.weights()), learned);
  if (chunks == 0 && !accumulate) std::memset(dWeight, 0, vocabulary * (width - first) * sizeof(float));
  withType(hidden.dtype, [&](auto actZero) {
    using Act = decltype(actZero);
    withHeadWeight<Act>(weight.dtype, [&](auto weightZero) {
      using Weight = decltype(weightZero);
      using C = Cell<Act>;
      for (int64_t c = 0; c < chunks; c++) {
        const Range rows = partOf(learned, (int)c, (int)chunks);
        const auto panels = packHidden<C>(pool, hidden.as<const Act>() + rows.begin * width, rows.end - rows.begin, width, first);
        Shares ofBlocks(pool, blocks);
        pool.run([&](int part) {
          C* cells = static_cast<C*>(pool.scratch(part, 0, block * width * sizeof(C)));
          C* g = static_cast<C*>(pool.scratch(part, 1, block * roundUp(panels.rows, kLanes) * sizeof(C)));
          ofBlocks.run(part, [&](Range some) {
            for (int64_t b = some.begin; b < some.end; b++)
              headGradientBlock<C, Weight>(panels, head, {b * block, std::min((b + 1) * block, vocabulary)}, targets + rows.begin,
                                           lse + rows.begin, shares + rows.begin, cells, g, dWeight, largestWeight,
                                           Capped((float)op.scale(), (float)op.cap()), accumulate || c > 0);
          });
        });
      }
    });
  });
}

void targetLogProbsVjp(const args::TargetLogProbsVjp& op) {
  if (op.dWeight()) headGradient(op, Head{op.weight(), nullptr}, 0, op.dWeight()->as<float>(), op.accumulatesWeight());
}
void adaptedLogProbsVjp(const args::AdaptedLogProbsVjp& op) {
  if (op.dLoraB()) headGradient(op, Head{op.weight(), &op.loraB()}, op.weight().cols(), op.dLoraB()->as<float>(), op.accumulatesLoraB());
}

}  // namespace fettle::FETTLE_ISA

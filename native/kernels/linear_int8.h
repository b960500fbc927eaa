// Linear layers whose product with an int8 weight is one of integers (pack_int8.h, gemm_int8.h): x and, for the gradient, dY are
// rounded to 8 bits too. For dX = dY W the row scales of W lie along the depth, so dY is multiplied by them before it is rounded:
//
//     dX[m, k] = Σ_b scale[m, b] · Σ_{n in b} q[m, n] · code[n, k],   q, scale from dY[m, n] · rowScale[n]
//
// The gradient is straight-through: rounding counts as the identity. LoRA's products and everything else stay as they are.
#pragma once

#include <cstdint>
#include <vector>

#include "ops.h"
#include "gemm_int8.h"
#include "gemm_panels.h"
#include "linear_project.h"
#include "linear_shape.h"

namespace fettle::FETTLE_ISA {

template <class Act, class Out> static void linearForwardInt8(const args::Linear& op, const LinearShape& shape, int64_t M) {
  using C = Cell<Act>;
  Pool& pool = op.pool();
  const int64_t N = shape.outputs, K = shape.depth;
  const Act* x = op.x().as<const Act>();
  const C* scaled = shape.ranks ? projectTokens<Act>(op, shape, cellsOf<C>(pool, op.x(), slots::x), M) : nullptr;
  const Quantised weight(op.weight());
  const DepthBlocks blocks = blocksOfColumns(weight);
  const ByteRows left(pool, slots::rounded, blocks, M);
  pool.run([&](int thread) {
    const Range mine = partOf(M, thread, pool.threads());
    for (int64_t m = mine.begin; m < mine.end; m++) roundRow<false>(left, m, x + m * K, nullptr);
  });
  const std::vector<LinearPanel> panels = panelsOf<C>(shape);
  const float *bias = dataOf<const float>(op.bias()), *residual = dataOf<const float>(op.residual());
  Out* y = op.y().as<Out>();
  PanelShares<C> shares(pool, (int64_t)panels.size(), M, K);
  pool.run([&](int part) {
    void* memory = pool.scratch(part, slots::panel, startBytes(blocks));
    C* loraPanel = panelScratch<C>(pool, part, slots::loraPanel, shape.maxRank);
    BytePanel panel{};
    Term<C> lora{};
    int64_t packed = -1;
    shares.run(part, [&](Range of, Range rows, Range) {
      const auto& [n, columns, segment] = panels[of.begin];
      if (packed != of.begin) {
        packed = of.begin;
        panel = rowsPanel(memory, weight, blocks, n, columns);
        if (segment->rank) {
          packRows(loraPanel, Plain<float>{op.loraB()->as<const float>(), shape.maxRank}, n, columns, segment->rank);
          lora = {scaled + segment->firstRank, shape.ranks, loraPanel, segment->rank};
        }
      }
      multiplyBytes(left, panel, segment->rank ? &lora : nullptr, rows.begin, rows.end, columns,
                    StoreTo<Out>{y + n, N, false, 1, bias ? bias + n : nullptr, residual ? residual + n : nullptr});
    });
  });
}

// The gradient of a layer's output, rounded for dX; outlives the parallel regions of the vjp.
struct RoundedGradient {
  const Tensor& dY;
  const Quantised weight;
  const DepthBlocks blocks;
  const ByteRows rows;
  RoundedGradient(Pool& pool, const Tensor& dY, const Tensor& weight)
      : dY(dY), weight(weight), blocks(blocksOfRows(this->weight)), rows(pool, slots::rounded, blocks, dY.rows()) {}

  void round(Pool& pool, int thread, Range tokens) const {
    float* rowScales = (float*)pool.scratch(thread, slots::panel, rows.stride * sizeof(float));
    gatherScales(rowScales, weight);
    withType(dY.dtype, [&](auto zero) {
      const auto* from = dY.as<const decltype(zero)>();
      for (int64_t m = tokens.begin; m < tokens.end; m++) roundRow<true>(rows, m, from + m * dY.cols(), rowScales);
    });
  }
  BytePanel panel(Pool& pool, int thread, int64_t firstColumn, int columns) const {
    char* memory = (char*)pool.scratch(thread, slots::panel, startBytes(blocks) + rows.stride * roundUp(columns, kLanes));
    return columnsPanel(memory, weight, blocks, firstColumn, columns);
  }
};

}  // namespace fettle::FETTLE_ISA

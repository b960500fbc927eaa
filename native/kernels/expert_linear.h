// The products of experts: for each expert that has rows the linear layer (linear.h, linear_vjp.h) on these rows, with its part of
// the stacked weight, bias and LoRA as views. All of linear's forms serve: streamed where an expert has few rows, so that decoding
// reads only the experts that are used, panels where it has many, quantised weights as they lie.
// While an expert's weight streams, memory is asked for the next one's beginning, as for the next layer's (stream_work.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops.h"
#include "../blocks.h"
#include "../quantised.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

void linearForward(const args::Linear& op);
void linearVjp(const args::LinearVjp& op);

// Some rows of a tensor: of a matrix, or elements of a vector.
struct RowsView {
  Tensor tensor;
  std::vector<RowBlock> blocks;

  RowsView() = default;
  RowsView(const RowsView&) = delete;
  RowsView(RowsView&& other) : tensor(other.tensor), blocks(std::move(other.blocks)) { tensor.blocks = blocks.data(); }
  RowsView(const Tensor* of, int64_t begin, int64_t end) {
    if (!of) return;
    tensor = *of;
    tensor.shape[0] = end - begin;
    const int64_t columns = of->rank > 1 ? of->cols() : 1;
    for (int b = 0; b < of->blockCount; b++) {
      const RowBlock& block = of->blocks[b];
      const int64_t blockEnd = b + 1 < of->blockCount ? of->blocks[b + 1].firstRow : of->shape[0];
      if (blockEnd <= begin || block.firstRow >= end) continue;
      const int64_t skipped = std::max<int64_t>(begin - block.firstRow, 0);
      const int64_t bytes = isBlocks(of->dtype)    ? skipped * rowBytesOf(block.format, columns)
                            : isQuantised(of->dtype) ? skipped / kGroupRows * QuantisedLayout(of->dtype, columns).groupBytes()
                                                     : skipped * columns * (of->dtype == DType::bf16 ? 2 : 4);
      blocks.push_back({block.firstRow + skipped - begin, (char*)block.data + bytes, block.format});
    }
    tensor.blocks = blocks.data();
    tensor.blockCount = (int)blocks.size();
  }
  // Null where the tensor is absent.
  Tensor* get() { return blocks.empty() ? nullptr : &tensor; }
};

struct ExpertRows {
  int64_t expert, begin, end;
};

// The experts that have rows.
static std::vector<ExpertRows> usedExperts(const Tensor& ends, int64_t rows) {
  std::vector<ExpertRows> used;
  int64_t begin = 0;
  for (int64_t e = 0; e < ends.shape[0]; e++) {
    const int64_t end = std::clamp<int64_t>(ends.as<const int32_t>()[e], begin, rows);
    if (begin < end) used.push_back({e, begin, end});
    begin = end;
  }
  return used;
}

// Attributes of linear: no dropout, one segment.
struct ExpertAttributes {
  double values[8];
  template <class Op> explicit ExpertAttributes(const Op& op) : values{0, 0, 0, 0, 3, double(op.width()), double(op.rank()), op.scaling()} {}
};

static void expertLinearForward(const args::ExpertLinear& op) {
  const Tensor &x = op.x(), &weight = op.weight(), &y = op.y();
  const Tensor *bias = op.bias(), *scales = op.scales();
  Pool& pool = op.pool();
  const int64_t N = op.width(), rank = op.rank();
  const ExpertAttributes attributes(op);
  const std::vector<ExpertRows> used = usedExperts(op.ends(), std::min(x.rows(), y.rows()));
  std::vector<RowsView> weights;
  weights.reserve(used.size());
  for (const ExpertRows& of : used) weights.emplace_back(&weight, of.expert * N, (of.expert + 1) * N);
  for (size_t i = 0; i < used.size(); i++) {
    const auto& [e, begin, end] = used[i];
    RowsView xs(&x, begin, end), ys(&y, begin, end), ts(op.t(), begin, end);
    RowsView as(op.loraA(), e * rank, (e + 1) * rank), bs(op.loraB(), e * N, (e + 1) * N);
    RowsView biases(scales ? nullptr : bias, e * N, (e + 1) * N);
    Call call{&pool, {xs.get(), weights[i].get(), biases.get(), nullptr, as.get(), bs.get(), nullptr}, {ys.get(), ts.get()}, {},
              attributes.values, i + 1 < used.size() ? weights[i + 1].get() : op.upcoming()};
    linearForward(args::Linear(call));
  }
  if (!bias || !scales) return;
  withType(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (const auto& [e, begin, end] : used) {
      const float* from = bias->as<const float>() + e * N;
      pool.run((end - begin) * N, [&, begin = begin, end = end](int thread) {
        const Range mine = partOf(end - begin, thread, pool.threads());
        for (int64_t r = begin + mine.begin; r < begin + mine.end; r++) {
          const vf scale = splat(scales->as<const float>()[r]);
          T* to = y.as<T>() + r * N;
          eachVector(N, [&](int64_t n, auto count) {
            storePart(to + n, multiplyAdd(scale, loadPart(from + n, count), loadPart(to + n, count)), count);
          });
        }
      });
    }
  });
}

// Rows of a stack that belong to experts without rows, and have no gradient.
static void clearUnused(const Tensor* gradient, const std::vector<ExpertRows>& used, int64_t rowsOfEach) {
  if (!gradient) return;
  const int64_t each = rowsOfEach * (gradient->rank > 1 ? gradient->cols() : 1), all = gradient->size();
  float* data = gradient->as<float>();
  int64_t from = 0;
  for (const ExpertRows& of : used) {
    std::fill(data + from, data + of.expert * each, 0.0f);
    from = (of.expert + 1) * each;
  }
  std::fill(data + std::min(from, all), data + all, 0.0f);
}

// bias'_e = Σ scales · dY, scales' = dY · bias_e. Columns, and then rows, are divided between threads.
static void expertBiasVjp(const args::ExpertLinearVjp& op, const std::vector<ExpertRows>& used) {
  const Tensor &dY = op.dY(), *bias = op.bias(), *scales = op.scales();
  Pool& pool = op.pool();
  const int64_t N = op.width();
  withType(dY.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* given = dY.as<const T>();
    pool.run([&](int thread) {
      const Range strips = partOf((N + kLanes - 1) / kLanes, thread, pool.threads());
      for (const auto& [e, begin, end] : used) {
        if (op.dBias())
          for (int64_t n = strips.begin * kLanes; n < std::min(strips.end * kLanes, N); n += kLanes) {
            const int count = (int)std::min<int64_t>(kLanes, N - n);
            vf sums = {};
            for (int64_t r = begin; r < end; r++) sums += splat(scales ? scales->as<const float>()[r] : 1.0f) * loadPart(given + r * N + n, count);
            float* to = op.dBias()->as<float>() + e * N + n;
            if (op.accumulatesBias()) sums += loadPart(to, count);
            storePart(to, sums, count);
          }
        if (!op.dScales() || !bias) continue;
        const Range mine = partOf(end - begin, thread, pool.threads());
        for (int64_t r = begin + mine.begin; r < begin + mine.end; r++) {
          float* to = op.dScales()->as<float>() + r;
          const float* ofExpert = bias->as<const float>() + e * N;
          const float dot = sumOfTerms(N, [&](int64_t n, auto count) { return loadPart(given + r * N + n, count) * loadPart(ofExpert + n, count); });
          *to = dot + (op.accumulatesScales() ? *to : 0);
        }
      }
    });
  });
}

static void expertLinearVjp(const args::ExpertLinearVjp& op) {
  const Tensor& dY = op.dY();
  const int64_t N = op.width(), rank = op.rank();
  const ExpertAttributes attributes(op);
  const std::vector<ExpertRows> used = usedExperts(op.ends(), dY.rows());
  if (!op.accumulatesWeight()) clearUnused(op.dWeight(), used, N);
  if (!op.accumulatesBias()) clearUnused(op.dBias(), used, N);
  if (!op.accumulatesLoraA()) clearUnused(op.dLoraA(), used, rank);
  if (!op.accumulatesLoraB()) clearUnused(op.dLoraB(), used, N);
  if (op.dScales() && !op.bias() && !op.accumulatesScales()) std::fill_n(op.dScales()->as<float>(), op.dScales()->size(), 0.0f);
  if (op.dX() || op.dWeight() || op.dLoraA() || op.dLoraB())
    for (const auto& [e, begin, end] : used) {
      RowsView xs(op.x(), begin, end), weights(op.weight(), e * N, (e + 1) * N), ts(op.t(), begin, end), given(&dY, begin, end);
      RowsView as(op.loraA(), e * rank, (e + 1) * rank), bs(op.loraB(), e * N, (e + 1) * N);
      RowsView dX(op.dX(), begin, end), dWeight(op.dWeight(), e * N, (e + 1) * N);
      RowsView dA(op.dLoraA(), e * rank, (e + 1) * rank), dB(op.dLoraB(), e * N, (e + 1) * N);
      Call call{&op.pool(), {xs.get(), weights.get(), nullptr, nullptr, as.get(), bs.get(), nullptr, nullptr, ts.get(), given.get(), nullptr},
                {dX.get(), dWeight.get(), nullptr, dA.get(), dB.get()},
                {op.accumulatesX(), op.accumulatesWeight(), false, op.accumulatesLoraA(), op.accumulatesLoraB()}, attributes.values, nullptr};
      linearVjp(args::LinearVjp(call));
    }
  if (op.dBias() || op.dScales()) expertBiasVjp(op, used);
}

}  // namespace fettle::FETTLE_ISA

// Root mean square normalisation of each query head (gain qGain) and key head (kGain) of qkv; value heads are copied.
// Formulas: rms_norm.h, with a head for a row. Tokens are divided between threads; the gains' gradients are summed by
// thread, then in the order of the threads.
// Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the form of Qwen3
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "rms_norm.h"

namespace fettle::FETTLE_ISA {

struct QkNormShape {
  int64_t headDim, columns;
  int queryHeads, heads;  // heads: those that are normalised, queries and keys
  template <class Op>
  explicit QkNormShape(const Op& op)
      : headDim(op.headDim()), columns(op.qkv().cols()), queryHeads((int)op.queryHeads()), heads(queryHeads + (int)op.keyHeads()) {}
};

static void qkNormForward(const args::QkNorm& op) {
  const QkNormShape shape(op);
  const Tensor &qkv = op.qkv(), &y = op.y();
  Pool& pool = op.pool();
  const int64_t width = shape.headDim, done = shape.heads * width;
  const float eps = (float)op.eps();
  const float *qGain = gainAsFloats(pool, op.qGain(), 0), *kGain = gainAsFloats(pool, op.kGain(), 1);
  float* rstds = dataOf<float>(op.rstd());
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(qkv.size(), [&](int thread) {
      const Range range = partOf(qkv.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* row = qkv.as<const T>() + m * shape.columns;
        T* out = y.as<T>() + m * shape.columns;
        for (int head = 0; head < shape.heads; head++) {
          const T* x = row + head * width;
          T* to = out + head * width;
          const float* gain = head < shape.queryHeads ? qGain : kGain;
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            const vf v = loadPart(x + i, count);
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (rstds) rstds[m * shape.heads + head] = rstd;
          eachVector(width, [&](int64_t i, auto count) {
            storePart(to + i, loadPart(x + i, count) * splat(rstd) * loadPart(gain + i, count), count);
          });
        }
        if (row != out) std::memcpy(out + done, row + done, (shape.columns - done) * sizeof(T));
      }
    });
  });
}

static void qkNormVjp(const args::QkNormVjp& op) {
  const QkNormShape shape(op);
  Pool& pool = op.pool();
  const int64_t width = shape.headDim, done = shape.heads * width;
  const int threads = pool.threads();
  const Tensor &qkv = op.qkv(), &dY = op.dY();
  const Tensor *dQkv = op.dQkv(), *dQGain = op.dQGain(), *dKGain = op.dKGain();
  const float* rstds = op.rstd().as<const float>();
  const float *qGain = gainAsFloats(pool, op.qGain(), 0), *kGain = gainAsFloats(pool, op.kGain(), 1);
  const auto partsOf = [&](const Tensor* wanted, int slot) {
    return wanted ? static_cast<float*>(pool.scratch(0, slot, threads * width * sizeof(float))) : nullptr;
  };
  float *qParts = partsOf(dQGain, 2), *kParts = partsOf(dKGain, 3);
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      float *qPart = qParts ? qParts + thread * width : nullptr, *kPart = kParts ? kParts + thread * width : nullptr;
      if (qPart) std::memset(qPart, 0, width * sizeof(float));
      if (kPart) std::memset(kPart, 0, width * sizeof(float));
      const Range range = partOf(qkv.rows(), thread, threads);
      for (int64_t m = range.begin; m < range.end; m++) {
        const T *row = qkv.as<const T>() + m * shape.columns, *dRow = dY.as<const T>() + m * shape.columns;
        T* dX = dQkv ? dQkv->as<T>() + m * shape.columns : nullptr;
        for (int head = 0; head < shape.heads; head++) {
          const bool query = head < shape.queryHeads;
          const T* x = row + head * width;
          const float rstd = rstds[m * shape.heads + head];
          rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(x + i, count) * splat(rstd); }, query ? qGain : kGain,
                        dRow + head * width, rstd, width, dX ? dX + head * width : nullptr, op.accumulatesQkv(),
                        query ? qPart : kPart);
        }
        if (!dX) continue;
        eachVector(shape.columns - done, [&](int64_t i, auto count) {
          vf d = loadPart(dRow + done + i, count);
          if (op.accumulatesQkv()) d += loadPart(dX + done + i, count);
          storePart(dX + done + i, d, count);
        });
      }
    });
  });
  if (dQGain) mergeGains(qParts, threads, width, dQGain->as<float>(), op.accumulatesQGain());
  if (dKGain) mergeGains(kParts, threads, width, dKGain->as<float>(), op.accumulatesKGain());
}

}  // namespace fettle::FETTLE_ISA

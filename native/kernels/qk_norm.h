// Root mean square normalisation of the queries (gain qGain) and keys (kGain) of qkv, in parts of one head or of all together;
// values are copied. Formulas: rms_norm.h, with a part for a row. Tokens are divided between threads; the gains' gradients are summed by
// thread, then in the order of the threads.
// Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the forms of Qwen3 and OLMo 2
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "rms_norm.h"

namespace fettle::FETTLE_ISA {

// What is normalised for itself: columns [at, at + width) of a row.
struct QkNormPart {
  int64_t at, width;
  bool isQuery;
};

struct QkNormShape {
  int64_t columns, queryParts, queryWidth, keyWidth, parts;  // columns of a row; parts: of queries and keys
  template <class Op>
  explicit QkNormShape(const Op& op)
      : columns(op.qkv().cols()), queryParts(op.queryParts()), queryWidth(op.queryWidth()), keyWidth(op.keyWidth()),
        parts(queryParts + op.keyParts()) {}
  int64_t done() const { return queryParts * queryWidth + (parts - queryParts) * keyWidth; }
  QkNormPart part(int64_t i) const {
    if (i < queryParts) return {i * queryWidth, queryWidth, true};
    return {queryParts * queryWidth + (i - queryParts) * keyWidth, keyWidth, false};
  }
};

static void qkNormForward(const args::QkNorm& op) {
  const QkNormShape shape(op);
  const Tensor &qkv = op.qkv(), &y = op.y();
  Pool& pool = op.pool();
  const int64_t done = shape.done();
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
        for (int64_t part = 0; part < shape.parts; part++) {
          const auto [at, width, isQuery] = shape.part(part);
          const T* x = row + at;
          T* to = out + at;
          const float* gain = isQuery ? qGain : kGain;
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            const vf v = loadPart(x + i, count);
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (rstds) rstds[m * shape.parts + part] = rstd;
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
  const int64_t done = shape.done();
  const int threads = pool.threads();
  const Tensor &qkv = op.qkv(), &dY = op.dY();
  const Tensor *dQkv = op.dQkv(), *dQGain = op.dQGain(), *dKGain = op.dKGain();
  const float* rstds = op.rstd().as<const float>();
  const float *qGain = gainAsFloats(pool, op.qGain(), 0), *kGain = gainAsFloats(pool, op.kGain(), 1);
  const auto partsOf = [&](const Tensor* wanted, int slot, int64_t width) {
    return wanted ? static_cast<float*>(pool.scratch(0, slot, threads * width * sizeof(float))) : nullptr;
  };
  const int64_t qWidth = shape.queryWidth, kWidth = shape.keyWidth;
  float *qParts = partsOf(dQGain, 2, qWidth), *kParts = partsOf(dKGain, 3, kWidth);
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      float *qPart = qParts ? qParts + thread * qWidth : nullptr, *kPart = kParts ? kParts + thread * kWidth : nullptr;
      if (qPart) std::memset(qPart, 0, qWidth * sizeof(float));
      if (kPart) std::memset(kPart, 0, kWidth * sizeof(float));
      const Range range = partOf(qkv.rows(), thread, threads);
      for (int64_t m = range.begin; m < range.end; m++) {
        const T *row = qkv.as<const T>() + m * shape.columns, *dRow = dY.as<const T>() + m * shape.columns;
        T* dX = dQkv ? dQkv->as<T>() + m * shape.columns : nullptr;
        for (int64_t part = 0; part < shape.parts; part++) {
          const auto [at, width, isQuery] = shape.part(part);
          const T* x = row + at;
          const float rstd = rstds[m * shape.parts + part];
          rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(x + i, count) * splat(rstd); }, isQuery ? qGain : kGain,
                        dRow + at, rstd, width, dX ? dX + at : nullptr, op.accumulatesQkv(), isQuery ? qPart : kPart);
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
  if (dQGain) mergeGains(qParts, threads, qWidth, dQGain->as<float>(), op.accumulatesQGain());
  if (dKGain) mergeGains(kParts, threads, kWidth, dKGain->as<float>(), op.accumulatesKGain());
}

}  // namespace fettle::FETTLE_ISA

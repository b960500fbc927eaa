// Root mean square normalisation of the queries (gain qGain) and keys (kGain) of qkv, in parts of one head or of all together;
// values are copied, or normalised without a gain. Where qkv has no values they are its first keys, before their norm.
// Formulas: rms_norm.h, with a part for a row. Tokens are divided between threads; the gains' gradients are summed by
// thread, then in the order of the threads.
// Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the forms of Qwen3, OLMo 2 and Gemma 4
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ops.h"
#include "rms_norm.h"

namespace fettle::FETTLE_ISA {

// What is normalised for itself: columns [from, from + width) of a row of qkv, which become [at, at + width) of y.
struct QkNormPart {
  int64_t from, at, width;
  int side;  // 0: queries, 1: keys, 2: values
};

struct QkNormShape {
  int64_t queryParts, queryWidth, keyParts, keyWidth, valueParts, valueWidth, givenWidth;
  template <class Op>
  explicit QkNormShape(const Op& op)
      : queryParts(op.queryParts()), queryWidth(op.queryWidth()), keyParts(op.keyParts()), keyWidth(op.keyWidth()),
        valueParts(op.valueParts()), valueWidth(op.valueWidth()), givenWidth(op.givenWidth()) {}
  int64_t keysAt() const { return queryParts * queryWidth; }
  int64_t valuesAt() const { return keysAt() + keyParts * keyWidth; }
  int64_t valuesFrom() const { return givenWidth ? valuesAt() : keysAt(); }
  int64_t given() const { return valuesAt() + givenWidth; }
  int64_t made() const { return valuesAt() + valueWidth; }
  int64_t parts() const { return queryParts + keyParts + valueParts; }
  int64_t partWidth() const { return valueParts ? valueWidth / valueParts : 0; }
  QkNormPart part(int64_t i) const {
    if (i < queryParts) return {i * queryWidth, i * queryWidth, queryWidth, 0};
    i -= queryParts;
    if (i < keyParts) return {keysAt() + i * keyWidth, keysAt() + i * keyWidth, keyWidth, 1};
    i -= keyParts;
    return {valuesFrom() + i * partWidth(), valuesAt() + i * partWidth(), partWidth(), 2};
  }
};

// The gains of queries, keys and values; ones where there is none.
struct QkNormGains {
  const float* of[3];
  QkNormGains(Pool& pool, const QkNormShape& shape, const Tensor& query, const Tensor* key) {
    const bool hasOnes = !key || shape.valueParts;
    const int64_t width = hasOnes ? std::max(key ? 0 : shape.keyWidth, shape.partWidth()) : 0;
    float* ones = hasOnes ? static_cast<float*>(pool.scratch(0, 4, width * sizeof(float))) : nullptr;
    for (int64_t i = 0; i < width; i++) ones[i] = 1.0f;
    of[0] = gainAsFloats(pool, query, 0);
    of[1] = key ? gainAsFloats(pool, *key, 1) : ones;
    of[2] = ones;
  }
};

static void qkNormForward(const args::QkNorm& op) {
  const QkNormShape shape(op);
  const Tensor &qkv = op.qkv(), &y = op.y();
  Pool& pool = op.pool();
  const float eps = (float)op.eps();
  const QkNormGains gains(pool, shape, op.qGain(), op.kGain());
  const int64_t parts = shape.parts();
  float* rstds = dataOf<float>(op.rstd());
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(y.size(), [&](int thread) {
      const Range range = partOf(qkv.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* row = qkv.as<const T>() + m * shape.given();
        T* out = y.as<T>() + m * shape.made();
        for (int64_t i = 0; i < parts; i++) {
          const auto [from, at, width, side] = shape.part(i);
          const T* x = row + from;
          T* to = out + at;
          const float* gain = gains.of[side];
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            const vf v = loadPart(x + i, count);
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (rstds) rstds[m * parts + i] = rstd;
          eachVector(width, [&](int64_t i, auto count) {
            storePart(to + i, loadPart(x + i, count) * splat(rstd) * loadPart(gain + i, count), count);
          });
        }
        if (!shape.valueParts) std::memcpy(out + shape.valuesAt(), row + shape.valuesFrom(), shape.valueWidth * sizeof(T));
      }
    });
  });
}

static void qkNormVjp(const args::QkNormVjp& op) {
  const QkNormShape shape(op);
  Pool& pool = op.pool();
  const int threads = pool.threads();
  const Tensor &qkv = op.qkv(), &dY = op.dY();
  const Tensor *dQkv = op.dQkv(), *dQGain = op.dQGain(), *dKGain = op.dKGain();
  const float* rstds = op.rstd().as<const float>();
  const QkNormGains gains(pool, shape, op.qGain(), op.kGain());
  const auto partsOf = [&](const Tensor* wanted, int slot, int64_t width) {
    return wanted ? static_cast<float*>(pool.scratch(0, slot, threads * width * sizeof(float))) : nullptr;
  };
  const int64_t qWidth = shape.queryWidth, kWidth = shape.keyWidth, parts = shape.parts();
  float *qParts = partsOf(dQGain, 2, qWidth), *kParts = partsOf(dKGain, 3, kWidth);
  // What is both key and value has two gradients.
  const bool addsValues = op.accumulatesQkv() || !shape.givenWidth;
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      float* dGains[3] = {qParts ? qParts + thread * qWidth : nullptr, kParts ? kParts + thread * kWidth : nullptr, nullptr};
      if (dGains[0]) std::memset(dGains[0], 0, qWidth * sizeof(float));
      if (dGains[1]) std::memset(dGains[1], 0, kWidth * sizeof(float));
      const Range range = partOf(qkv.rows(), thread, threads);
      for (int64_t m = range.begin; m < range.end; m++) {
        const T *row = qkv.as<const T>() + m * shape.given(), *dRow = dY.as<const T>() + m * shape.made();
        T* dX = dQkv ? dQkv->as<T>() + m * shape.given() : nullptr;
        for (int64_t i = 0; i < parts; i++) {
          const auto [from, at, width, side] = shape.part(i);
          const T* x = row + from;
          const float rstd = rstds[m * parts + i];
          rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(x + i, count) * splat(rstd); }, gains.of[side], dRow + at,
                        rstd, width, dX ? dX + from : nullptr, side == 2 ? addsValues : op.accumulatesQkv(), dGains[side]);
        }
        if (!dX || shape.valueParts) continue;
        T* to = dX + shape.valuesFrom();
        const T* d = dRow + shape.valuesAt();
        eachVector(shape.valueWidth, [&](int64_t i, auto count) {
          storePart(to + i, addsValues ? loadPart(d + i, count) + loadPart(to + i, count) : loadPart(d + i, count), count);
        });
      }
    });
  });
  if (dQGain) mergeGains(qParts, threads, qWidth, dQGain->as<float>(), op.accumulatesQGain());
  if (dKGain) mergeGains(kParts, threads, kWidth, dKGain->as<float>(), op.accumulatesKGain());
}

}  // namespace fettle::FETTLE_ISA

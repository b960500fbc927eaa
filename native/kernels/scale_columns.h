// What DoRA does to the outputs of a projection, rows divided between threads, and the norms that it divides by.
//   scaleColumns: y = residual + bias + c · x,  c = magnitude · inverseNorms
//     dX = c · dY,  dMagnitude = inverseNorms · Σ rows of dY · x,  dBias = Σ rows of dY
//   inverseNorms: 1 / ‖W_n + s B_n A‖ from ‖W_n‖², A Wᵀ and A Aᵀ, in double: three sums of a size each that may cancel
// Source: Liu et al. 2024, https://arxiv.org/abs/2402.09353
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ops.h"
#include "rms_norm.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// magnitude · inverseNorms [N], in the scratch of thread 0.
static const float* columnScales(Pool& pool, const Tensor& magnitude, const Tensor& inverseNorms) {
  const int64_t n = magnitude.size();
  float* scales = static_cast<float*>(pool.scratch(0, 0, n * sizeof(float)));
  const float *m = magnitude.as<const float>(), *inverse = inverseNorms.as<const float>();
  for (int64_t i = 0; i < n; i++) scales[i] = m[i] * inverse[i];
  return scales;
}

static void scaleColumnsForward(const args::ScaleColumns& op) {
  const Tensor &x = op.x(), &y = op.y();
  Pool& pool = op.pool();
  const int64_t width = x.cols();
  const float* scales = columnScales(pool, op.magnitude(), op.inverseNorms());
  const float *bias = dataOf<const float>(op.bias()), *residual = dataOf<const float>(op.residual());
  withType(x.dtype, [&](auto xZero) {
    withType(y.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      pool.run(x.size(), [&](int thread) {
        const Range range = partOf(x.rows(), thread, pool.threads());
        for (int64_t m = range.begin; m < range.end; m++) {
          const X* from = x.as<const X>() + m * width;
          const float* beside = residual ? residual + m * width : nullptr;
          Y* to = y.as<Y>() + m * width;
          eachVector(width, [&](int64_t i, auto count) {
            vf value = loadPart(from + i, count) * loadPart(scales + i, count);
            if (bias) value += loadPart(bias + i, count);
            if (beside) value += loadPart(beside + i, count);
            storePart(to + i, value, count);
          });
        }
      });
    });
  });
}

static void scaleColumnsVjp(const args::ScaleColumnsVjp& op) {
  const Tensor& dYs = op.dY();
  const Tensor *dXs = op.dX(), *dMagnitudes = op.dMagnitude(), *dBiases = op.dBias();
  Pool& pool = op.pool();
  const int64_t width = dYs.cols();
  const int threads = pool.threads();
  const float* scales = dXs ? columnScales(pool, *op.magnitude(), op.inverseNorms()) : nullptr;
  const auto partsOf = [&](const Tensor* wanted, int slot) {
    return wanted ? static_cast<float*>(pool.scratch(0, slot, threads * width * sizeof(float))) : nullptr;
  };
  float *magnitudeParts = partsOf(dMagnitudes, 1), *biasParts = partsOf(dBiases, 2);
  const DType xType = dXs ? dXs->dtype : dMagnitudes ? op.x()->dtype : dYs.dtype;
  withType(xType, [&](auto xZero) {
    withType(dYs.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using DY = decltype(yZero);
      pool.run([&](int thread) {
        float *dMagnitude = magnitudeParts ? magnitudeParts + thread * width : nullptr;
        float *dBias = biasParts ? biasParts + thread * width : nullptr;
        for (float* part : {dMagnitude, dBias})
          if (part) std::memset(part, 0, width * sizeof(float));
        const Range range = partOf(dYs.rows(), thread, threads);
        for (int64_t m = range.begin; m < range.end; m++) {
          const DY* dY = dYs.as<const DY>() + m * width;
          // Before dX: it may take the place of x.
          if (dMagnitude) {
            const X* x = op.x()->as<const X>() + m * width;
            eachVector(width, [&](int64_t i, auto count) {
              storePart(dMagnitude + i, loadPart(dMagnitude + i, count) + loadPart(dY + i, count) * loadPart(x + i, count), count);
            });
          }
          if (dBias) eachVector(width, [&](int64_t i, auto count) { storePart(dBias + i, loadPart(dBias + i, count) + loadPart(dY + i, count), count); });
          if (!dXs) continue;
          X* dX = dXs->as<X>() + m * width;
          eachVector(width, [&](int64_t i, auto count) {
            vf d = loadPart(dY + i, count) * loadPart(scales + i, count);
            if (op.accumulatesX()) d += loadPart(dX + i, count);
            storePart(dX + i, d, count);
          });
        }
      });
    });
  });
  if (dMagnitudes) {
    const float* inverse = op.inverseNorms().as<const float>();
    for (int t = 0; t < threads; t++)
      for (int64_t i = 0; i < width; i++) magnitudeParts[t * width + i] *= inverse[i];
    mergeGains(magnitudeParts, threads, width, dMagnitudes->as<float>(), op.accumulatesMagnitude());
  }
  if (dBiases) mergeGains(biasParts, threads, width, dBiases->as<float>(), op.accumulatesBias());
}

// A Aᵀ of a segment's rows.
static std::vector<double> gramOf(const Tensor& loraA, int64_t firstRank, int rank) {
  const int64_t depth = loraA.cols();
  std::vector<double> gram(rank * rank);
  for (int i = 0; i < rank; i++)
    for (int j = 0; j <= i; j++) {
      const float *a = loraA.as<const float>() + (firstRank + i) * depth, *b = loraA.as<const float>() + (firstRank + j) * depth;
      gram[i * rank + j] = gram[j * rank + i] = sumOfTerms(depth, [&](int64_t k, auto count) { return loadPart(a + k, count) * loadPart(b + k, count); });
    }
  return gram;
}

static void inverseNormsForward(const args::InverseNorms& op) {
  const Tensor &squares = op.squares(), &products = op.products(), &loraB = op.loraB();
  const int64_t n = squares.size(), stride = loraB.cols();
  float* y = op.y().as<float>();
  Pool& pool = op.pool();
  const List segments = op.segments();
  int64_t first = 0, firstRank = 0;
  for (int s = 0; s + 2 < segments.count; s += 3) {
    const int64_t rows = (int64_t)segments.values[s];
    const int rank = (int)segments.values[s + 1];
    const double scaling = segments.values[s + 2];
    const std::vector<double> gram = gramOf(op.loraA(), firstRank, rank);
    pool.run([&](int thread) {
      const Range mine = partOf(rows, thread, pool.threads());
      for (int64_t row = first + mine.begin; row < first + mine.end; row++) {
        const float* b = loraB.as<const float>() + row * stride;
        double square = squares.as<const float>()[row];
        for (int i = 0; i < rank; i++) {
          double across = 0;
          for (int j = 0; j < rank; j++) across += b[j] * gram[i * rank + j];
          square += scaling * b[i] * (2 * products.as<const float>()[(firstRank + i) * n + row] + scaling * across);
        }
        y[row] = rank == 0 ? 1.0f : (float)(1 / std::sqrt(square));
      }
    });
    first += rows;
    firstRank += rank;
  }
}

}  // namespace fettle::FETTLE_ISA

// Adafactor of one matrix, in four passes over its gradients: rows, columns, the size of the update, the update. The formula stands in
// src/engine/reference/optimisers/adafactor.ts. Sums are divided between threads by rows or columns, and added up in one order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops.h"
#include "sgd_lion.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void adafactorForward(const args::Adafactor& op) {
  const float* hyper = op.hyper().as<const float>();
  const float rate = hyper[0], beta = hyper[1], eps = hyper[2], threshold = hyper[3], decay = hyper[4];
  const int64_t R = op.parameters().rows(), S = op.parameters().cols(), C = std::min(S, op.columnSquares().size());
  const float* gradients = op.gradients().as<const float>();
  float *p = op.parameters().as<float>(), *rows = op.rowSquares().as<float>(), *columns = op.columnSquares().as<float>();
  const vf clip = splat(clippingOf(op.stats()));
  Pool& pool = op.pool();
  const int threads = pool.threads();
  double* sums = static_cast<double*>(pool.scratch(0, 0, threads * sizeof(double)));
  const float toNew = (float)(1.0 - (double)beta);

  pool.run(R * C, [&](int thread) {
    const Range mine = partOf(R, thread, threads);
    for (int64_t row = mine.begin; row < mine.end; row++) {
      double total = 0;
      for (int64_t c = 0; c < C; c += kGrain)
        total += sumOfTerms(std::min(kGrain, C - c), [&](int64_t i, auto count) {
          const vf g = clip * loadPart(gradients + row * S + c + i, count);
          return g * g;
        });
      rows[row] = beta * rows[row] + toNew * (float)(total / double(C) + eps);
    }
    // Columns in whole vectors, so that no two threads write to one.
    const Range vectors = partOf((C + kLanes - 1) / kLanes, thread, threads);
    for (int64_t c = vectors.begin * kLanes; c < std::min(C, vectors.end * kLanes); c += kLanes) {
      const int count = (int)std::min<int64_t>(kLanes, C - c);
      vf total = splat(0.0f);
      for (int64_t row = 0; row < R; row++) {
        const vf g = clip * loadPart(gradients + row * S + c, count);
        total += g * g;
      }
      const vf mean = total / splat((float)R) + splat(eps);
      storePart(columns + c, splat(beta) * loadPart(columns + c, count) + splat(toNew) * mean, count);
    }
  });

  double mean = 0;
  for (int64_t row = 0; row < R; row++) mean += rows[row];
  mean /= double(R);
  const auto update = [&](int64_t row, vf rowRoot, int64_t c, auto count) {
    const vf g = clip * loadPart(gradients + row * S + c, count);
    // What a vector has too few of must not become 0 / 0.
    const vf squares = loadPart(columns + c, count);
    return g / (rowRoot * vsqrt(select(squares > splat(0.0f), squares, splat(1.0f))));
  };
  const auto rowRootOf = [&](int64_t row) { return splat((float)std::sqrt(rows[row] / mean)); };

  pool.run(R * C, [&](int thread) {
    const Range mine = partOf(R, thread, threads);
    double total = 0;
    for (int64_t row = mine.begin; row < mine.end; row++) {
      const vf rowRoot = rowRootOf(row);
      for (int64_t c = 0; c < C; c += kGrain)
        total += sumOfTerms(std::min(kGrain, C - c), [&](int64_t i, auto count) {
          const vf u = update(row, rowRoot, c + i, count);
          return u * u;
        });
    }
    sums[thread] = total;
  });
  double total = 0;
  for (int t = 0; t < threads; t++) total += sums[t];
  const double size = std::sqrt(total / double(R * C)) / threshold;
  const vf step = splat((float)(rate / std::max(1.0, size))), keep = splat((float)(1.0 - (double)rate * decay));

  pool.run(R * C, [&](int thread) {
    const Range mine = partOf(R, thread, threads);
    for (int64_t row = mine.begin; row < mine.end; row++) {
      const vf rowRoot = rowRootOf(row);
      eachVector(C, [&](int64_t c, auto count) {
        float* to = p + row * S + c;
        storePart(to, loadPart(to, count) * keep - step * update(row, rowRoot, c, count), count);
      });
    }
  });
}

}  // namespace fettle::FETTLE_ISA

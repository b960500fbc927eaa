// How evenly a pass uses its experts; the formulas stand in src/engine/reference/experts/balance.ts.
// Tokens are divided between threads where each has a gradient of its own; sums over tokens run in their order, by one thread: they
// are a few thousand exponentials.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops.h"
#include "linear_shape.h"

namespace fettle::FETTLE_ISA {

// p = softmax of one token's logits.
static void softmaxRow(const float* logits, int64_t count, double* p) {
  const double largest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int64_t e = 0; e < count; e++) sum += p[e] = std::exp(logits[e] - largest);
  for (int64_t e = 0; e < count; e++) p[e] /= sum;
}

static void countExpertsForward(const args::CountExperts& op) {
  const Tensor& logits = op.logits();
  const int64_t M = logits.rows(), E = logits.cols();
  const int32_t* ends = op.ends().as<const int32_t>();
  const float* usage = dataOf<const float>(op.usage());
  float* y = op.y().as<float>();
  double* p = (double*)op.pool().scratch(0, slots::x, 2 * E * sizeof(double));
  double* sums = p + E;
  std::fill_n(sums, E, 0.0);
  for (int64_t m = 0; m < M; m++) {
    softmaxRow(logits.as<const float>() + m * E, E, p);
    for (int64_t e = 0; e < E; e++) sums[e] += p[e];
  }
  for (int64_t e = 0; e < E; e++) {
    y[e] = (usage ? usage[e] : 0) + float(ends[e] - (e ? ends[e - 1] : 0));
    y[E + e] = (usage ? usage[E + e] : 0) + float(sums[e]);
  }
}

static void countExpertsVjp(const args::CountExpertsVjp& op) {
  if (!op.dLogits()) return;
  const Tensor &logits = op.logits(), &dLogits = *op.dLogits();
  const int64_t M = std::min(logits.rows(), dLogits.rows()), E = logits.cols();
  const float* given = op.dY().as<const float>() + E;
  Pool& pool = op.pool();
  pool.run(M * E * 16, [&](int thread) {
    double* p = (double*)pool.scratch(thread, slots::x, E * sizeof(double));
    const Range mine = partOf(M, thread, pool.threads());
    for (int64_t m = mine.begin; m < mine.end; m++) {
      softmaxRow(logits.as<const float>() + m * E, E, p);
      double mean = 0;
      for (int64_t e = 0; e < E; e++) mean += p[e] * given[e];
      float* to = dLogits.as<float>() + m * E;
      for (int64_t e = 0; e < E; e++) to[e] = float(p[e] * (given[e] - mean)) + (op.accumulatesLogits() ? to[e] : 0);
    }
  });
}

static void balanceLossForward(const args::BalanceLoss& op) {
  const int64_t E = op.usage().cols();
  const float* usage = op.usage().as<const float>();
  double rows = 0, sum = 0;
  for (int64_t e = 0; e < E; e++) rows += usage[e], sum += double(usage[e]) * usage[E + e];
  rows /= double(op.topK());
  const double factor = op.coefficient() * double(E) / (rows * rows);
  *op.loss().as<float>() = float(factor * sum);
  if (!op.dUsage()) return;
  float* to = op.dUsage()->as<float>();
  for (int64_t e = 0; e < E; e++) {
    to[e] = 0;
    to[E + e] = float(factor * usage[e]);
  }
}

}  // namespace fettle::FETTLE_ISA

// Which experts each token goes to, and rows to experts and back; the formulas stand in src/engine/reference/experts/route.ts.
//
// A token's choice is made by one thread; then one pass over all tokens, an expert after the other, gives each chosen expert its
// row: R is a few thousand, and the experts' products take a thousand times as long. Sums over a token's rows run in their order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops.h"
#include "gather.h"
#include "linear_shape.h"

namespace fettle::FETTLE_ISA {

// weight[j] of the experts chosen[j], which ascend, of one token.
static void softmaxOfChosen(const float* logits, int64_t experts, const int32_t* chosen, int64_t count, bool normalised, float* weights) {
  float largest = -INFINITY;
  for (int64_t j = 0; j < count; j++) largest = std::max(largest, logits[chosen[j]]);
  double sum = 0;
  if (normalised)
    for (int64_t j = 0; j < count; j++) sum += std::exp(double(logits[chosen[j]]) - largest);
  else
    for (int64_t e = 0; e < experts; e++) sum += std::exp(double(logits[e]) - largest);
  for (int64_t j = 0; j < count; j++) weights[j] = float(std::exp(double(logits[chosen[j]]) - largest) / sum);
}

// The `count` largest of a token's logits, the first of equals, ascending; NaN is the smallest.
static void chooseExperts(const float* logits, int64_t experts, int64_t count, int32_t* chosen) {
  const auto before = [&](int32_t a, int32_t b) {
    const float x = logits[a], y = logits[b];
    return x > y || (!(x < y) && ((y != y && x == x) || (x == x) == (y == y)) && a < b) || (x == x && y != y);
  };
  int64_t found = 0;
  for (int32_t e = 0; e < experts; e++) {
    if (found == count && !before(e, chosen[count - 1])) continue;
    int64_t at = std::min(found, count - 1);
    for (; at > 0 && before(e, chosen[at - 1]); at--) chosen[at] = chosen[at - 1];
    chosen[at] = e;
    found = std::min(found + 1, count);
  }
  std::sort(chosen, chosen + count);
}

static void routeForward(const args::Route& op) {
  const Tensor& logits = op.logits();
  Pool& pool = op.pool();
  const int64_t M = logits.rows(), E = logits.cols(), K = op.topK();
  float* weights = op.weights().as<float>();
  int32_t *tokens = op.tokens().as<int32_t>(), *rows = op.rows().as<int32_t>(), *ends = op.ends().as<int32_t>();
  int32_t* chosen = (int32_t*)pool.scratch(0, slots::x, M * K * sizeof(int32_t));
  float* ofChosen = (float*)pool.scratch(0, slots::t, M * K * sizeof(float));
  pool.run(M * E * 16, [&](int thread) {
    const Range mine = partOf(M, thread, pool.threads());
    for (int64_t m = mine.begin; m < mine.end; m++) {
      const float* ofToken = logits.as<const float>() + m * E;
      chooseExperts(ofToken, E, K, chosen + m * K);
      softmaxOfChosen(ofToken, E, chosen + m * K, K, op.normalised(), ofChosen + m * K);
    }
  });
  std::fill_n(ends, E, 0);
  for (int64_t i = 0; i < M * K; i++) ends[chosen[i]]++;
  for (int64_t e = 1; e < E; e++) ends[e] += ends[e - 1];
  // Backwards, each expert's rows are given from its end: ends are then where they begin.
  for (int64_t i = M * K; i-- > 0;) {
    const int32_t row = --ends[chosen[i]];
    tokens[row] = int32_t(i / K);
    rows[i] = row;
    weights[row] = ofChosen[i];
  }
  for (int64_t e = 0; e + 1 < E; e++) ends[e] = ends[e + 1];
  ends[E - 1] = int32_t(M * K);
}

static void routeVjp(const args::RouteVjp& op) {
  if (!op.dLogits()) return;
  const Tensor &logits = op.logits(), &dLogits = *op.dLogits();
  Pool& pool = op.pool();
  const int64_t M = dLogits.rows(), E = dLogits.cols(), K = op.topK();
  const float *weights = op.weights().as<const float>(), *given = op.dWeights().as<const float>();
  const int32_t *rows = op.rows().as<const int32_t>(), *ends = op.ends().as<const int32_t>();
  const int64_t last = std::min(op.weights().size(), op.dWeights().size()) - 1;
  pool.run(M * E * 16, [&](int thread) {
    const Range mine = partOf(M, thread, pool.threads());
    for (int64_t m = mine.begin; m < mine.end; m++) {
      const float* ofToken = logits.as<const float>() + m * E;
      float* to = dLogits.as<float>() + m * E;
      const auto rowOf = [&](int64_t j) { return std::clamp<int64_t>(rows[m * K + j], 0, last); };
      float mean = 0;
      for (int64_t j = 0; j < K; j++) mean += weights[rowOf(j)] * given[rowOf(j)];
      if (!op.accumulatesLogits()) std::fill_n(to, E, 0.0f);
      if (!op.normalised()) {
        float largest = -INFINITY;
        for (int64_t e = 0; e < E; e++) largest = std::max(largest, ofToken[e]);
        double sum = 0;
        for (int64_t e = 0; e < E; e++) sum += std::exp(double(ofToken[e]) - largest);
        for (int64_t e = 0; e < E; e++) to[e] -= float(std::exp(double(ofToken[e]) - largest) / sum) * mean;
      }
      for (int64_t j = 0; j < K; j++) {
        const int64_t row = rowOf(j), e = std::min<int64_t>(std::upper_bound(ends, ends + E, row) - ends, E - 1);
        to[e] += weights[row] * (given[row] - (op.normalised() ? mean : 0));
      }
    }
  });
}

// to[m] = base[m] (+ to[m]) + Σ_j from[rows[k · m + j]]; base may be null, or to.
static void addRowsOfTokens(Pool& pool, const Tensor& to, const float* base, const Tensor& from, const Tensor& rows, bool accumulate) {
  const int64_t M = to.rows(), width = to.cols(), k = rows.rows() * rows.cols() / std::max<int64_t>(M, 1);
  const int32_t* index = rows.as<const int32_t>();
  withType(to.dtype, [&](auto toZero) {
    withType(from.dtype, [&](auto fromZero) {
      using To = decltype(toZero);
      using From = decltype(fromZero);
      pool.run(M * width * (k + 1), [&](int thread) {
        const Range mine = partOf(M, thread, pool.threads());
        for (int64_t m = mine.begin; m < mine.end; m++) {
          To* y = to.as<To>() + m * width;
          eachVector(width, [&](int64_t i, auto count) {
            vf sum = {};
            for (int64_t j = 0; j < k; j++) sum += loadPart(from.as<const From>() + index[m * k + j] * width + i, count);
            if (base) sum += loadPart(base + m * width + i, count);
            if (accumulate) sum += loadPart(y + i, count);
            storePart(y + i, sum, count);
          });
        }
      });
    });
  });
}

// to[r] = from[index[r]] (+ to[r])
static void takeRows(Pool& pool, const Tensor& to, const Tensor& from, const Tensor& index, bool accumulate) {
  if (!accumulate) return gatherRows(pool, from, index.as<const int32_t>(), to);
  const int64_t width = to.cols();
  withType(to.dtype, [&](auto toZero) {
    withType(from.dtype, [&](auto fromZero) {
      using To = decltype(toZero);
      using From = decltype(fromZero);
      pool.run(to.size(), [&](int thread) {
        const Range mine = partOf(to.rows(), thread, pool.threads());
        for (int64_t r = mine.begin; r < mine.end; r++)
          addRow(to.as<To>() + r * width, from.as<const From>() + index.as<const int32_t>()[r] * width, width);
      });
    });
  });
}

static void dispatchForward(const args::Dispatch& op) { takeRows(op.pool(), op.y(), op.x(), op.tokens(), false); }
static void dispatchVjp(const args::DispatchVjp& op) {
  if (op.dX()) addRowsOfTokens(op.pool(), *op.dX(), nullptr, op.dY(), op.rows(), op.accumulatesX());
}

static void combineForward(const args::Combine& op) {
  addRowsOfTokens(op.pool(), op.y(), op.residual().as<const float>(), op.x(), op.rows(), false);
}
static void combineVjp(const args::CombineVjp& op) {
  if (op.dX()) takeRows(op.pool(), *op.dX(), op.dY(), op.tokens(), op.accumulatesX());
}

}  // namespace fettle::FETTLE_ISA

// Muon of one matrix; the formula stands in src/engine/reference/optimisers/muon.ts. Matrices are held in float32 with every product
// rounded to bfloat16, as PyTorch has them; rows of the shorter side are divided between threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops.h"
#include "sgd_lion.h"
#include "simd.h"
#include "small_product.h"

namespace fettle::FETTLE_ISA {

inline void roundStore(float* p, vf v) { store(p, widen(narrow(v))); }

// Whole groups of four rows for each thread, as products take them.
static Range rowsOf(int64_t rows, int thread, int threads) {
  const Range fours = partOf((rows + 3) / 4, thread, threads);
  return {std::min(rows, fours.begin * 4), std::min(rows, fours.end * 4)};
}

// x [n, depth] with singular values near one; all matrices have rows of whole vectors, with zeros at their ends.
static void orthogonalise(Pool& pool, SmallMatrix x, SmallMatrix next, SmallMatrix transposed, SmallMatrix gram,
                          SmallMatrix update, int64_t n, int64_t depth) {
  constexpr float a = 3.4445f, b = -4.775f, c = 2.0315f;
  const int threads = pool.threads();
  const int64_t work = n * depth * n;
  for (int step = 0; step < 5; step++) {
    pool.run(work, [&](int thread) {
      const Range columns = partOf(wholeVectors(depth) / kLanes, thread, threads);
      const int64_t begin = columns.begin * kLanes, end = std::min(depth, columns.end * kLanes);
      if (begin < end) transposeSmall(x.from(0, begin), transposed.from(begin), n, end - begin);
    });
    const auto rounded = [&](SmallMatrix of, int64_t row, int64_t width, auto valueOf) {
      for (int64_t i = 0; i < width; i += kLanes) roundStore(of.data + row * of.row + i, valueOf(row, i));
    };
    const int64_t wide = wholeVectors(n), deep = wholeVectors(depth);
    pool.run(work, [&](int thread) {
      const Range mine = rowsOf(n, thread, threads);
      smallProduct(x.from(mine.begin), transposed, gram.from(mine.begin), mine.end - mine.begin, n, depth);
      for (int64_t row = mine.begin; row < mine.end; row++)
        rounded(gram, row, wide, [&](int64_t r, int64_t i) { return load(gram.data + r * gram.row + i); });
    });
    pool.run(work, [&](int thread) {
      const Range mine = rowsOf(n, thread, threads);
      smallProduct(gram.from(mine.begin), gram, update.from(mine.begin), mine.end - mine.begin, n, n);
      for (int64_t row = mine.begin; row < mine.end; row++)
        rounded(update, row, wide, [&](int64_t r, int64_t i) {
          return splat(b) * load(gram.data + r * gram.row + i) + splat(c) * load(update.data + r * update.row + i);
        });
      smallProduct(update.from(mine.begin), x, next.from(mine.begin), mine.end - mine.begin, depth, n);
      for (int64_t row = mine.begin; row < mine.end; row++)
        rounded(next, row, deep, [&](int64_t r, int64_t i) {
          return splat(a) * load(x.data + r * x.row + i) + load(next.data + r * next.row + i);
        });
    });
    std::swap(x.data, next.data);
  }
  // Five swaps: the result is where `next` began, and the caller looks there.
}

static void muonForward(const args::Muon& op) {
  const float* hyper = op.hyper().as<const float>();
  const float rate = hyper[0], ratio = hyper[1], momentum = hyper[2], decay = hyper[3];
  const bool nesterov = hyper[4] != 0;
  const int64_t R = op.parameters().rows(), S = op.parameters().cols(), C = std::min<int64_t>(S, op.columns());
  const bool isTall = R > C;
  const int64_t n = isTall ? C : R, depth = isTall ? R : C;
  if (n == 0) return;
  Pool& pool = op.pool();
  const int threads = pool.threads();
  const int64_t deep = wholeVectors(depth), wide = wholeVectors(n);
  const auto scratch = [&](int slot, int64_t rows, int64_t width) {
    return SmallMatrix{static_cast<float*>(pool.scratch(0, slot, rows * width * sizeof(float))), width};
  };
  const SmallMatrix x = scratch(0, n, deep), next = scratch(1, n, deep), transposed = scratch(2, depth, wide);
  const SmallMatrix gram = scratch(3, n, wide), update = scratch(4, n, wide);
  double* sums = static_cast<double*>(pool.scratch(0, 5, threads * sizeof(double)));
  std::fill_n(transposed.data, depth * wide, 0.0f);
  for (int64_t i = 0; i < n; i++) std::fill_n(x.data + i * deep + depth, deep - depth, 0.0f);

  float *p = op.parameters().as<float>(), *m = op.m().as<float>();
  const float* gradients = op.gradients().as<const float>();
  const float clip = clippingOf(op.stats()), toM = (float)(1.0 - (double)momentum);
  const auto placeOf = [&](int64_t row, int64_t column) { return isTall ? column * deep + row : row * deep + column; };
  pool.run(R * C, [&](int thread) {
    const Range mine = partOf(R, thread, threads);
    double total = 0;
    for (int64_t row = mine.begin; row < mine.end; row++)
      for (int64_t column = 0; column < C; column++) {
        const int64_t at = row * S + column;
        const float g = clip * gradients[at];
        const float mean = m[at] + toM * (g - m[at]);
        m[at] = mean;
        const float u = toFloat(toBf16(nesterov ? g + momentum * (mean - g) : mean));
        x.data[placeOf(row, column)] = u;
        total += double(u) * u;
      }
    sums[thread] = total;
  });
  double total = 0;
  for (int t = 0; t < threads; t++) total += sums[t];
  const float norm = std::max(toFloat(toBf16((float)std::sqrt(total))), 1e-7f);
  pool.run(R * C, [&](int thread) {
    const Range mine = partOf(n, thread, threads);
    for (int64_t i = mine.begin * deep; i < mine.end * deep; i += kLanes) roundStore(x.data + i, load(x.data + i) / splat(norm));
  });
  orthogonalise(pool, x, next, transposed, gram, update, n, depth);

  const float step = rate * ratio, keep = (float)(1.0 - (double)rate * decay);
  pool.run(R * C, [&](int thread) {
    const Range mine = partOf(R, thread, threads);
    for (int64_t row = mine.begin; row < mine.end; row++)
      for (int64_t column = 0; column < C; column++) {
        float& to = p[row * S + column];
        to = to * keep - step * next.data[placeOf(row, column)];
      }
  });
}

}  // namespace fettle::FETTLE_ISA

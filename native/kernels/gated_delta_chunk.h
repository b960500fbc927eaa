// The gated delta rule in chunks of 64 tokens, for one head. Each value head has a memory S [keyDim, valueDim]:
//   S_t = d S_(t−1) + k uᵀ,  u = β (v − d S_(t−1)ᵀ k),  o = S_tᵀ q,  d = exp(g),  g = −exp(aLog) · softplus(a + dtBias)
// With G the running sum of g in a chunk, S the memory before it and rows for tokens:
//   A_ij = β_i (k_i · k_j) exp(G_i − G_j), j < i,  P_ij = (q_i · k_j) exp(G_i − G_j), j ≤ i
//   (1 + A) U = β (V − e^G K S),  O = e^G Q S + P U,  S ← e^(G_last) S + Kᵀ e^(G_last − G) U
// Everything is float32 in buffers of one thread, rows padded with zeros to whole vectors.
// Source: Yang et al. 2024, https://arxiv.org/abs/2412.06464; transformers 5.24, torch_chunk_gated_delta_rule
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops.h"
#include "simd.h"
#include "small_product.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kDeltaChunk = 64;

struct DeltaShape {
  int64_t keyHeads, keyDim, valueHeads, valueDim, group, columns;
  int64_t keyRow, valueRow;  // of the buffers
  template <class Op>
  explicit DeltaShape(const Op& op)
      : keyHeads(op.keyHeads()), keyDim(op.keyDim()), valueHeads(op.valueHeads()), valueDim(op.valueDim()),
        group(valueHeads / keyHeads), columns(2 * keyHeads * keyDim + valueHeads * valueDim), keyRow(wholeVectors(keyDim)),
        valueRow(wholeVectors(valueDim)) {}
  int64_t q(int64_t head) const { return head / group * keyDim; }
  int64_t k(int64_t head) const { return keyHeads * keyDim + head / group * keyDim; }
  int64_t v(int64_t head) const { return 2 * keyHeads * keyDim + head * valueDim; }
  int64_t memory() const { return keyDim * valueRow; }
};

// Decay and rate of a token's head.
struct DeltaGates {
  float beta, g, softplus, slope;  // slope: of softplus
};

struct DeltaGateInputs {
  const float *aLog, *dtBias;
  int64_t heads;
  template <class T> DeltaGates at(const T* ba, int64_t head) const {
    const float b = toFloat(ba[head]), x = toFloat(ba[heads + head]) + dtBias[head];
    const float softplus = x > 20.0f ? x : std::log1p(std::exp(x));
    return {1.0f / (1.0f + std::exp(-b)), -std::exp(aLog[head]) * softplus, softplus, 1.0f / (1.0f + std::exp(-x))};
  }
};

// Parts of one allocation.
class DeltaBuffer {
 public:
  explicit DeltaBuffer(float* data) : next_(data) {}
  SmallMatrix matrix(int64_t rows, int64_t row) { return {take(rows * row), row}; }
  float* take(int64_t count) {
    float* taken = next_;
    next_ += wholeVectors(count);
    return taken;
  }

 private:
  float* next_;
};

// One chunk of one head.
struct DeltaChunk {
  SmallMatrix q, k, kT, v, u, a, p, w, scaled;  // [n, keyDim] twice, [keyDim, n], [n, valueDim] twice, [n, n] twice, [n, valueDim] twice
  float *beta, *sum, *decay, *rest;             // sum: G, decay: e^G, rest: e^(G_last − G)
  float *qScale, *kScale;

  static int64_t floats(const DeltaShape& shape) {
    return kDeltaChunk * (2 * shape.keyRow + 4 * shape.valueRow + 2 * kDeltaChunk + 6) + shape.keyRow * kDeltaChunk + 32 * kLanes;
  }
  DeltaChunk(const DeltaShape& shape, DeltaBuffer& buffer)
      : q(buffer.matrix(kDeltaChunk, shape.keyRow)), k(buffer.matrix(kDeltaChunk, shape.keyRow)),
        kT(buffer.matrix(shape.keyRow, kDeltaChunk)), v(buffer.matrix(kDeltaChunk, shape.valueRow)),
        u(buffer.matrix(kDeltaChunk, shape.valueRow)), a(buffer.matrix(kDeltaChunk, kDeltaChunk)),
        p(buffer.matrix(kDeltaChunk, kDeltaChunk)), w(buffer.matrix(kDeltaChunk, shape.valueRow)),
        scaled(buffer.matrix(kDeltaChunk, shape.valueRow)), beta(buffer.take(kDeltaChunk)), sum(buffer.take(kDeltaChunk)),
        decay(buffer.take(kDeltaChunk)), rest(buffer.take(kDeltaChunk)), qScale(buffer.take(kDeltaChunk)),
        kScale(buffer.take(kDeltaChunk)) {}
};

// to [row] = from [dim], the padding zero.
template <class T> static inline void loadRow(const T* from, float* to, int64_t dim, int64_t row) {
  for (int64_t i = dim; i < row; i++) to[i] = 0.0f;
  eachVector(dim, [&](int64_t i, auto count) { storePart(to + i, loadPart(from + i, count), count); });
}

// The same divided by sqrt(Σ x² + 1e-6), times a factor; returns what it was multiplied by.
template <class T> static inline float loadNormalised(const T* from, float* to, int64_t dim, int64_t row, float factor) {
  loadRow(from, to, dim, row);
  const float squares = sumOfTerms(row, [&](int64_t i, auto count) { const vf v = loadPart(to + i, count); return v * v; });
  const float scale = factor / __builtin_sqrtf(squares + 1e-6f);
  for (int64_t i = 0; i < row; i += kLanes) store(to + i, load(to + i) * splat(scale));
  return scale;
}

// Reads n tokens from the row of qkv and ba on.
template <class T>
static inline void loadChunk(const DeltaShape& shape, const DeltaGateInputs& gates, const DeltaChunk& chunk, const T* qkv,
                             const T* ba, int64_t head, int64_t n) {
  const float factor = 1.0f / __builtin_sqrtf((float)shape.keyDim);
  float sum = 0.0f;
  for (int64_t i = 0; i < n; i++, qkv += shape.columns, ba += 2 * shape.valueHeads) {
    chunk.qScale[i] = loadNormalised(qkv + shape.q(head), chunk.q.data + i * shape.keyRow, shape.keyDim, shape.keyRow, factor);
    chunk.kScale[i] = loadNormalised(qkv + shape.k(head), chunk.k.data + i * shape.keyRow, shape.keyDim, shape.keyRow, 1.0f);
    loadRow(qkv + shape.v(head), chunk.v.data + i * shape.valueRow, shape.valueDim, shape.valueRow);
    const DeltaGates gate = gates.at(ba, head);
    chunk.beta[i] = gate.beta;
    chunk.sum[i] = sum += gate.g;
  }
  for (int64_t i = 0; i < n; i++) {
    chunk.decay[i] = std::exp(chunk.sum[i]);
    chunk.rest[i] = std::exp(sum - chunk.sum[i]);
  }
  // Columns behind the last token would meet what is not initialised.
  std::memset(chunk.kT.data, 0, shape.keyRow * kDeltaChunk * sizeof(float));
  transposeSmall(chunk.k, chunk.kT, n, shape.keyDim);
}

// exp(G_i − G_j) of row i, for j from j on.
inline vf pairDecay(const float* sum, int64_t i, int64_t j) { return exp(splat(sum[i]) - load(sum + j)); }

inline vf laneNumbers() {
  vf lanes;
  for (int i = 0; i < kLanes; i++) lanes[i] = (float)i;
  return lanes;
}

// Makes of A = K Kᵀ minus A, and of P = Q Kᵀ P, both with zeros above.
static inline void decayPairs(const DeltaChunk& chunk, int64_t n) {
  const vf lanes = laneNumbers();
  for (int64_t i = n; i < kDeltaChunk && i < n + kLanes; i++) chunk.sum[i] = chunk.sum[n - 1];
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < wholeVectors(n); j += kLanes) {
      float *a = chunk.a.data + i * kDeltaChunk + j, *p = chunk.p.data + i * kDeltaChunk + j;
      const vf column = lanes + splat((float)j), row = splat((float)i), zero = splat(0.0f);
      if (j > i) { store(a, zero); store(p, zero); continue; }
      const vf decay = pairDecay(chunk.sum, i, j);
      store(a, select(column < row, load(a) * decay * splat(-chunk.beta[i]), zero));
      store(p, select(column <= row, load(p) * decay, zero));
    }
}

// rows [n] of x times factors.
static inline void scaleRowsOf(SmallMatrix x, const float* factors, SmallMatrix to, int64_t n, int64_t columns) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < columns; j += kLanes) store(to.data + i * to.row + j, load(x.data + i * x.row + j) * splat(factors[i]));
}

// A, P and U of a chunk whose tokens are loaded, from the memory before it.
static inline void solveChunk(const DeltaShape& shape, const DeltaChunk& chunk, SmallMatrix memory, int64_t n) {
  productBelow(chunk.k, chunk.kT, chunk.a, n, shape.keyDim);
  productBelow(chunk.q, chunk.kT, chunk.p, n, shape.keyDim);
  decayPairs(chunk, n);
  smallProduct(chunk.k, memory, chunk.w, n, shape.valueRow, shape.keyDim);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < shape.valueRow; j += kLanes) {
      const int64_t at = i * shape.valueRow + j;
      store(chunk.u.data + at, splat(chunk.beta[i]) * (load(chunk.v.data + at) - splat(chunk.decay[i]) * load(chunk.w.data + at)));
    }
  solveLower(chunk.a, chunk.u, n, shape.valueRow);
}

// The memory after a chunk.
static inline void advanceMemory(const DeltaShape& shape, const DeltaChunk& chunk, SmallMatrix memory, int64_t n) {
  const vf decay = splat(chunk.decay[n - 1]);
  for (int64_t i = 0; i < shape.memory(); i += kLanes) store(memory.data + i, load(memory.data + i) * decay);
  scaleRowsOf(chunk.u, chunk.rest, chunk.scaled, n, shape.valueRow);
  smallProduct(chunk.k.transposed(), chunk.scaled, memory, shape.keyDim, shape.valueRow, n, true);
}

// o of a run of tokens of one head, and the memory after it.
template <class T>
static void deltaRun(const DeltaShape& shape, const DeltaGateInputs& gates, const DeltaChunk& chunk, SmallMatrix memory,
                     const T* qkv, const T* ba, T* o, int64_t head, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kDeltaChunk) {
    const int64_t n = std::min(kDeltaChunk, count - begin);
    loadChunk(shape, gates, chunk, qkv + begin * shape.columns, ba + begin * 2 * shape.valueHeads, head, n);
    solveChunk(shape, chunk, memory, n);
    smallProduct(chunk.q, memory, chunk.w, n, shape.valueRow, shape.keyDim);
    scaleRowsOf(chunk.w, chunk.decay, chunk.w, n, shape.valueRow);
    lowerProduct(chunk.p, chunk.u, chunk.w, n, shape.valueRow, true);
    for (int64_t i = 0; i < n; i++) {
      T* to = o + (begin + i) * shape.valueHeads * shape.valueDim + head * shape.valueDim;
      eachVector(shape.valueDim, [&](int64_t j, auto part) { storePart(to + j, loadPart(chunk.w.data + i * shape.valueRow + j, part), part); });
    }
    advanceMemory(shape, chunk, memory, n);
  }
}

template <class Op> static inline DeltaGateInputs deltaGatesOf(const Op& op) {
  return {op.aLog().template as<const float>(), op.dtBias().template as<const float>(), op.valueHeads()};
}

}  // namespace fettle::FETTLE_ISA

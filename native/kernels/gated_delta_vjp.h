// Gradients of the gated delta rule, in the chunks and with the names of gated_delta_chunk.h. First the memory before each chunk and U
// are made again, forwards; then the chunks are taken backwards with S', the gradient of the memory behind them. E = e^G,
// F = e^(G_last − G), D_ij = exp(G_i − G_j):
//   U' = F K S' + Pᵀ O',  (1 + A)ᵀ B' = U',  A'_ij = −B'_i · U_j,  P'_ij = O'_i · U_j,  Z = B' Sᵀ
//   β'_i = B'_i · v_i − E_i k_i · Z_i + Σ_j A'_ij (k_i · k_j) D_ij,  V' = β B',  S' ← e^(G_last) S' − Kᵀ (E β B') + Qᵀ (E O')
//   Q' = E O' Sᵀ + (P' D) K,  K' = −E β Z + F U S'ᵀ + (A' β D + its transpose) K + (P' D)ᵀ Q
//   G'_i = Σ_j H_ij − Σ_j H_ji + q_i · (E O' Sᵀ)_i − E_i β_i k_i · Z_i − k_i · (F U S'ᵀ)_i,  H = A' A + P' P,
//   and to the last one e^(G_last) ⟨S, S'⟩ + Σ_i k_i · (F U S'ᵀ)_i is added; g' is the sum of G' from each token on.
// Key heads are divided between threads, with the value heads that read them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "gated_delta.h"
#include "ops.h"
#include "simd.h"
#include "small_product.h"

namespace fettle::FETTLE_ISA {

// What one thread needs for documents of up to so many tokens.
struct DeltaVjpBuffers {
  DeltaChunk chunk;
  SmallMatrix memory, dMemory, turned, dO, dU, uT, keys, decays, dA, dP, z;
  SmallMatrix dQ, dK, us;      // of all tokens of a document
  float *memories, *dBeta;
  // Of G: most of what is added to it is taken away again, so that float32 would leave little of the rest.
  double dSum[kDeltaChunk];

  static int64_t chunksOf(int64_t count) { return (count + kDeltaChunk - 1) / kDeltaChunk; }
  static int64_t floats(const DeltaShape& shape, int64_t longest) {
    const int64_t whole = chunksOf(longest);
    return DeltaChunk::floats(shape) + shape.memory() * (2 + whole) + shape.valueRow * shape.keyRow +
           kDeltaChunk * (3 * shape.valueRow + 4 * kDeltaChunk + shape.keyRow + 1) + longest * (2 * shape.keyRow + shape.valueRow) +
           32 * kLanes;
  }
  DeltaVjpBuffers(const DeltaShape& shape, DeltaBuffer buffer, int64_t longest)
      : chunk(shape, buffer), memory(buffer.matrix(shape.keyDim, shape.valueRow)),
        dMemory(buffer.matrix(shape.keyDim, shape.valueRow)), turned(buffer.matrix(shape.valueRow, shape.keyRow)),
        dO(buffer.matrix(kDeltaChunk, shape.valueRow)), dU(buffer.matrix(kDeltaChunk, shape.valueRow)),
        uT(buffer.matrix(shape.valueRow, kDeltaChunk)), keys(buffer.matrix(kDeltaChunk, kDeltaChunk)),
        decays(buffer.matrix(kDeltaChunk, kDeltaChunk)), dA(buffer.matrix(kDeltaChunk, kDeltaChunk)),
        dP(buffer.matrix(kDeltaChunk, kDeltaChunk)), z(buffer.matrix(kDeltaChunk, shape.keyRow)),
        dQ(buffer.matrix(longest, shape.keyRow)), dK(buffer.matrix(longest, shape.keyRow)),
        us(buffer.matrix(longest, shape.valueRow)), memories(buffer.take(shape.memory() * chunksOf(longest))),
        dBeta(buffer.take(kDeltaChunk)) {}
};

inline float dotOf(const float* a, const float* b, int64_t whole) {
  return sumOfTerms(whole, [&](int64_t i, auto count) { return loadPart(a + i, count) * loadPart(b + i, count); });
}

// to += factor · from, over whole vectors
inline void addTimes(float* to, const float* from, float factor, int64_t whole) {
  for (int64_t i = 0; i < whole; i += kLanes) store(to + i, multiplyAdd(splat(factor), load(from + i), load(to + i)));
}

// A and P of a chunk as `decayPairs`, with K Kᵀ in `keys` and D in `decays`.
static inline void pairsOfChunk(const DeltaShape& shape, DeltaVjpBuffers& b, int64_t n) {
  productBelow(b.chunk.k, b.chunk.kT, b.chunk.a, n, shape.keyDim);
  productBelow(b.chunk.q, b.chunk.kT, b.chunk.p, n, shape.keyDim);
  std::memcpy(b.keys.data, b.chunk.a.data, n * kDeltaChunk * sizeof(float));
  decayPairs(b.chunk, n);
  const vf lanes = laneNumbers();
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j += kLanes)
      store(b.decays.data + i * kDeltaChunk + j,
            select(lanes + splat((float)j) <= splat((float)i), pairDecay(b.chunk.sum, i, j), splat(0.0f)));
}

// From A' and P', as products of B' and O' with U: what they give to G and β, and in their place the gradients of K Kᵀ and Q Kᵀ.
static inline void pairsVjp(DeltaVjpBuffers& b, int64_t n) {
  const vf lanes = laneNumbers(), zero = splat(0.0f);
  double columns[kDeltaChunk] = {};
  for (int64_t i = 0; i < n; i++) {
    double rowSum = 0.0;
    vf beta = zero;
    const vf row = splat((float)i), rate = splat(b.chunk.beta[i]);
    for (int64_t j = 0; j < wholeVectors(n); j += kLanes) {
      const int64_t at = i * kDeltaChunk + j;
      if (j > i) { store(b.dA.data + at, zero); store(b.dP.data + at, zero); continue; }
      const vf column = lanes + splat((float)j), decay = load(b.decays.data + at);
      const vf dA = select(column < row, zero - load(b.dA.data + at), zero), dP = select(column <= row, load(b.dP.data + at), zero);
      // The chunk has −A.
      const vf h = dP * load(b.chunk.p.data + at) - dA * load(b.chunk.a.data + at);
      float each[kLanes];
      store(each, h);
      for (int lane = 0; lane < kLanes; lane++) {
        columns[j + lane] += each[lane];
        rowSum += each[lane];
      }
      beta += select(column < row, dA * load(b.keys.data + at) * decay, zero);
      store(b.dA.data + at, dA * rate * decay);
      store(b.dP.data + at, dP * decay);
    }
    b.dSum[i] = rowSum;
    b.dBeta[i] = sum(beta);
  }
  for (int64_t i = 0; i < n; i++) b.dSum[i] -= columns[i];
}

// One chunk backwards; its tokens are loaded, O' is in b.dO, U in b.chunk.u. dQ and dK are added to.
static inline void chunkVjp(const DeltaShape& shape, DeltaVjpBuffers& b, SmallMatrix memory, SmallMatrix dQ, SmallMatrix dK, int64_t n) {
  const DeltaChunk& chunk = b.chunk;
  const int64_t keyRow = shape.keyRow, valueRow = shape.valueRow, last = n - 1;
  pairsOfChunk(shape, b, n);
  smallProduct(chunk.k, b.dMemory, b.dU, n, valueRow, shape.keyDim);
  scaleRowsOf(b.dU, chunk.rest, b.dU, n, valueRow);
  upperProduct(chunk.p.transposed(), b.dO, b.dU, n, valueRow, true);
  solveUpper(chunk.a.transposed(), b.dU, n, valueRow);
  const SmallMatrix dB = b.dU;
  std::memset(b.uT.data, 0, valueRow * kDeltaChunk * sizeof(float));
  transposeSmall(chunk.u, b.uT, n, shape.valueDim);
  productBelow(dB, b.uT, b.dA, n, shape.valueDim);
  productBelow(b.dO, b.uT, b.dP, n, shape.valueDim);
  pairsVjp(b, n);
  lowerProduct(b.dP, chunk.k, dQ, n, keyRow, true);
  lowerProduct(b.dA, chunk.k, dK, n, keyRow, true);
  upperProduct(b.dA.transposed(), chunk.k, dK, n, keyRow, true);
  upperProduct(b.dP.transposed(), chunk.q, dK, n, keyRow, true);

  const auto rowOf = [](SmallMatrix x, int64_t i) { return x.data + i * x.row; };
  std::memset(b.turned.data, 0, valueRow * keyRow * sizeof(float));
  transposeSmall(memory, b.turned, shape.keyDim, shape.valueDim);
  smallProduct(b.dO, b.turned, b.z, n, keyRow, shape.valueDim);
  for (int64_t i = 0; i < n; i++) {
    addTimes(rowOf(dQ, i), rowOf(b.z, i), chunk.decay[i], keyRow);
    b.dSum[i] += chunk.decay[i] * dotOf(rowOf(chunk.q, i), rowOf(b.z, i), keyRow);
  }
  smallProduct(dB, b.turned, b.z, n, keyRow, shape.valueDim);
  for (int64_t i = 0; i < n; i++) {
    const float read = chunk.decay[i] * dotOf(rowOf(chunk.k, i), rowOf(b.z, i), keyRow);
    addTimes(rowOf(dK, i), rowOf(b.z, i), -chunk.decay[i] * chunk.beta[i], keyRow);
    b.dBeta[i] += dotOf(rowOf(dB, i), rowOf(chunk.v, i), valueRow) - read;
    b.dSum[i] -= chunk.beta[i] * read;
  }
  transposeSmall(b.dMemory, b.turned, shape.keyDim, shape.valueDim);
  smallProduct(chunk.u, b.turned, b.z, n, keyRow, shape.valueDim);
  b.dSum[last] += chunk.decay[last] * dotOf(memory.data, b.dMemory.data, shape.memory());
  for (int64_t i = 0; i < n; i++) {
    addTimes(rowOf(dK, i), rowOf(b.z, i), chunk.rest[i], keyRow);
    const float written = chunk.rest[i] * dotOf(rowOf(chunk.k, i), rowOf(b.z, i), keyRow);
    b.dSum[i] -= written;
    b.dSum[last] += written;
  }

  for (int64_t i = 0; i < shape.memory(); i += kLanes) store(b.dMemory.data + i, load(b.dMemory.data + i) * splat(chunk.decay[last]));
  scaleRowsOf(b.dO, chunk.decay, chunk.scaled, n, valueRow);
  smallProduct(chunk.q.transposed(), chunk.scaled, b.dMemory, shape.keyDim, valueRow, n, true);
  // V', which the caller stores, and what of it went to the memory.
  scaleRowsOf(dB, chunk.beta, dB, n, valueRow);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < valueRow; j += kLanes)
      store(rowOf(chunk.scaled, i) + j, load(rowOf(dB, i) + j) * splat(-chunk.decay[i]));
  smallProduct(chunk.k.transposed(), chunk.scaled, b.dMemory, shape.keyDim, valueRow, n, true);
}

// dX (+)= the gradient of x̂ = x · scale, scale = factor / sqrt(Σ x² + 1e-6): scale · (dx̂ − x̂ (x̂ · dx̂) / factor²).
template <class T>
static inline void storeNormalised(T* dX, const float* x, const float* d, float scale, float square, int64_t dim, int64_t row, bool accumulate) {
  const vf projection = splat(dotOf(x, d, row) / square);
  eachVector(dim, [&](int64_t i, auto count) {
    vf value = splat(scale) * (loadPart(d + i, count) - loadPart(x + i, count) * projection);
    if (accumulate) value += loadPart(dX + i, count);
    storePart(dX + i, value, count);
  });
}

// Where the gradients of one document go; null: nobody asks.
template <class T> struct DeltaVjpTargets {
  T *qkv, *ba;
  float *aLog, *dtBias;  // are added to
  bool accumulatesQkv, accumulatesBa;
};

// One value head of a document of `count` tokens.
template <class T>
static void valueHeadVjp(const DeltaShape& shape, const DeltaGateInputs& gates, DeltaVjpBuffers& b, const T* qkv, const T* ba,
                         const T* dOs, const DeltaVjpTargets<T>& to, int64_t head, int64_t count) {
  const int64_t baRow = 2 * shape.valueHeads, oRow = shape.valueHeads * shape.valueDim, valueRow = shape.valueRow;
  const auto load = [&](int64_t begin, int64_t n) {
    loadChunk(shape, gates, b.chunk, qkv + begin * shape.columns, ba + begin * baRow, head, n);
  };
  std::memset(b.memory.data, 0, shape.memory() * sizeof(float));
  const int64_t chunks = DeltaVjpBuffers::chunksOf(count);
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = c * kDeltaChunk, n = std::min(kDeltaChunk, count - begin);
    std::memcpy(b.memories + c * shape.memory(), b.memory.data, shape.memory() * sizeof(float));
    load(begin, n);
    solveChunk(shape, b.chunk, b.memory, n);
    std::memcpy(b.us.data + begin * valueRow, b.chunk.u.data, n * valueRow * sizeof(float));
    if (c + 1 < chunks) advanceMemory(shape, b.chunk, b.memory, n);
  }
  std::memset(b.dMemory.data, 0, shape.memory() * sizeof(float));
  double dALog = 0.0, dDtBias = 0.0;
  for (int64_t c = chunks - 1; c >= 0; c--) {
    const int64_t begin = c * kDeltaChunk, n = std::min(kDeltaChunk, count - begin);
    if (chunks > 1) load(begin, n);
    std::memcpy(b.chunk.u.data, b.us.data + begin * valueRow, n * valueRow * sizeof(float));
    for (int64_t i = 0; i < n; i++)
      loadRow(dOs + (begin + i) * oRow + head * shape.valueDim, b.dO.data + i * valueRow, shape.valueDim, valueRow);
    chunkVjp(shape, b, {b.memories + c * shape.memory(), valueRow}, b.dQ.from(begin), b.dK.from(begin), n);
    double running = 0.0;
    for (int64_t i = n - 1; i >= 0; i--) {
      const int64_t m = begin + i;
      if (to.qkv) {
        T* dV = to.qkv + m * shape.columns + shape.v(head);
        eachVector(shape.valueDim, [&](int64_t j, auto part) {
          vf value = loadPart(b.dU.data + i * valueRow + j, part);
          if (to.accumulatesQkv) value += loadPart(dV + j, part);
          storePart(dV + j, value, part);
        });
      }
      running += b.dSum[i];
      const DeltaGates gate = gates.at(ba + m * baRow, head);
      const float da = (float)running * -std::exp(gates.aLog[head]) * gate.slope, db = b.dBeta[i] * gate.beta * (1.0f - gate.beta);
      if (to.ba) {
        T *dB = to.ba + m * baRow + head, *dA = dB + shape.valueHeads;
        *dB = fromFloat<T>(to.accumulatesBa ? toFloat(*dB) + db : db);
        *dA = fromFloat<T>(to.accumulatesBa ? toFloat(*dA) + da : da);
      }
      dDtBias += da;
      dALog += running * gate.g;
    }
  }
  if (to.dtBias) to.dtBias[head] += (float)dDtBias;
  if (to.aLog) to.aLog[head] += (float)dALog;
}

void gatedDeltaVjp(const args::GatedDeltaVjp& op) {
  const DeltaShape shape(op);
  const DeltaGateInputs gates = deltaGatesOf(op);
  const Tensor &qkv = op.qkv(), &ba = op.ba(), &dO = op.dO();
  const Tensor *dQkv = op.dQkv(), *dBa = op.dBa(), *dALog = op.dALog(), *dDtBias = op.dDtBias();
  const int32_t* starts = op.starts().as<const int32_t>();
  int64_t longest = 0;
  eachDocument(starts, qkv.rows(), [&](int64_t, int64_t count) { longest = std::max(longest, count); });
  if (dALog && !op.accumulatesALog()) std::memset(dALog->as<float>(), 0, shape.valueHeads * sizeof(float));
  if (dDtBias && !op.accumulatesDtBias()) std::memset(dDtBias->as<float>(), 0, shape.valueHeads * sizeof(float));
  Pool& pool = op.pool();
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      const Range keyHeads = partOf(shape.keyHeads, thread, pool.threads());
      if (keyHeads.begin == keyHeads.end) return;
      float* scratch = static_cast<float*>(pool.scratch(thread, 0, DeltaVjpBuffers::floats(shape, longest) * sizeof(float)));
      DeltaVjpBuffers b(shape, DeltaBuffer(scratch), longest);
      for (int64_t keyHead = keyHeads.begin; keyHead < keyHeads.end; keyHead++)
        eachDocument(starts, qkv.rows(), [&](int64_t begin, int64_t count) {
          const T* tokens = qkv.as<const T>() + begin * shape.columns;
          const DeltaVjpTargets<T> to{dQkv ? dQkv->as<T>() + begin * shape.columns : nullptr,
                                      dBa ? dBa->as<T>() + begin * 2 * shape.valueHeads : nullptr, dataOf<float>(dALog),
                                      dataOf<float>(dDtBias), op.accumulatesQkv(), op.accumulatesBa()};
          std::memset(b.dQ.data, 0, count * shape.keyRow * sizeof(float));
          std::memset(b.dK.data, 0, count * shape.keyRow * sizeof(float));
          const int64_t first = keyHead * shape.group;
          for (int64_t head = first; head < first + shape.group; head++)
            valueHeadVjp(shape, gates, b, tokens, ba.as<const T>() + begin * 2 * shape.valueHeads,
                         dO.as<const T>() + begin * dO.cols(), to, head, count);
          if (!to.qkv) return;
          const float factor = 1.0f / __builtin_sqrtf((float)shape.keyDim);
          for (int64_t m = 0; m < count; m++) {
            const auto put = [&](int64_t column, const float* d, float by) {
              float* x = b.chunk.q.data;
              const float scale = loadNormalised(tokens + m * shape.columns + column, x, shape.keyDim, shape.keyRow, by);
              storeNormalised(to.qkv + m * shape.columns + column, x, d, scale, by * by, shape.keyDim, shape.keyRow, op.accumulatesQkv());
            };
            put(shape.q(first), b.dQ.data + m * shape.keyRow, factor);
            put(shape.k(first), b.dK.data + m * shape.keyRow, 1.0f);
          }
        });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

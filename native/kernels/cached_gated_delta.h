// The gated delta rule over tokens of slots, in generation: a token by itself reads and writes the memory once each, many of one
// slot are taken in the chunks of gated_delta_chunk.h. Heads are divided between threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "gated_delta_chunk.h"
#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// One token of one head: memories [keyDim, valueDim] without padding; before may be after.
template <class T>
static void deltaStep(const DeltaShape& shape, const DeltaGates& gate, const float* q, const float* k, const T* v,
                      const float* before, float* after, T* o) {
  const int64_t dim = shape.valueDim;
  const float qk = sumOfTerms(shape.keyRow, [&](int64_t i, auto count) { return loadPart(q + i, count) * loadPart(k + i, count); });
  const vf decay = splat(std::exp(gate.g)), beta = splat(gate.beta);
  eachVector(dim, [&](int64_t j, auto count) {
    vf w[2] = {}, y[2] = {};
    for (int64_t i = 0; i < shape.keyDim; i++) {
      const vf s = loadPart(before + i * dim + j, count);
      w[i & 1] = multiplyAdd(splat(k[i]), s, w[i & 1]);
      y[i & 1] = multiplyAdd(splat(q[i]), s, y[i & 1]);
    }
    const vf u = beta * (loadPart(v + j, count) - decay * (w[0] + w[1]));
    storePart(o + j, decay * (y[0] + y[1]) + splat(qk) * u, count);
    for (int64_t i = 0; i < shape.keyDim; i++)
      storePart(after + i * dim + j, multiplyAdd(splat(k[i]), u, decay * loadPart(before + i * dim + j, count)), count);
  });
}

// So many tokens of one slot are worth a chunk.
constexpr int64_t kWorthChunk = 8;

void cachedGatedDeltaForward(const args::CachedGatedDelta& op) {
  const DeltaShape shape(op);
  const DeltaGateInputs gates = deltaGatesOf(op);
  const Tensor &qkv = op.qkv(), &ba = op.ba(), &o = op.o(), &states = op.state();
  const int32_t* slots = op.slots().as<const int32_t>();
  const uint32_t* positions = op.positions().as<const uint32_t>();
  const int64_t rows = o.rows(), ring = states.shape[1], size = shape.keyDim * shape.valueDim;
  Pool& pool = op.pool();
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      DeltaBuffer buffer(static_cast<float*>(pool.scratch(thread, 0, (DeltaChunk::floats(shape) + shape.memory() + kLanes) * sizeof(float))));
      const DeltaChunk chunk(shape, buffer);
      const SmallMatrix memory = buffer.matrix(shape.keyDim, shape.valueRow);
      const Range heads = partOf(shape.valueHeads, thread, pool.threads());
      for (int64_t head = heads.begin; head < heads.end; head++) {
        const auto stateOf = [&](int64_t slot, int64_t position) {
          return states.as<float>() + (slot * ring + position % ring) * states.cols() + head * size;
        };
        for (int64_t begin = 0; begin < rows;) {
          int64_t end = begin + 1;
          while (end < rows && slots[end] == slots[begin] && positions[end] == positions[end - 1] + 1) end++;
          const int64_t slot = slots[begin];
          if (positions[begin] == 0) std::memset(stateOf(slot, 0), 0, size * sizeof(float));
          int64_t m = begin;
          // The last tokens leave a memory each, for a slot that goes back.
          const int64_t chunked = end - begin - (ring - 1);
          if (chunked >= kWorthChunk) {
            const float* before = stateOf(slot, positions[begin]);
            for (int64_t i = 0; i < shape.keyDim; i++)
              loadRow(before + i * shape.valueDim, memory.data + i * shape.valueRow, shape.valueDim, shape.valueRow);
            deltaRun(shape, gates, chunk, memory, qkv.as<const T>() + m * shape.columns, ba.as<const T>() + m * 2 * shape.valueHeads,
                     o.as<T>() + m * o.cols(), head, chunked);
            float* after = stateOf(slot, int64_t(positions[begin]) + chunked);
            for (int64_t i = 0; i < shape.keyDim; i++)
              std::memcpy(after + i * shape.valueDim, memory.data + i * shape.valueRow, shape.valueDim * sizeof(float));
            m += chunked;
          }
          for (; m < end; m++) {
            const T* row = qkv.as<const T>() + m * shape.columns;
            loadNormalised(row + shape.q(head), chunk.q.data, shape.keyDim, shape.keyRow, 1.0f / __builtin_sqrtf((float)shape.keyDim));
            loadNormalised(row + shape.k(head), chunk.k.data, shape.keyDim, shape.keyRow, 1.0f);
            deltaStep(shape, gates.at(ba.as<const T>() + m * 2 * shape.valueHeads, head), chunk.q.data, chunk.k.data,
                      row + shape.v(head), stateOf(slot, positions[m]), stateOf(slot, int64_t(positions[m]) + 1),
                      o.as<T>() + m * o.cols() + head * shape.valueDim);
          }
          begin = end;
        }
      }
    });
  });
}

}  // namespace fettle::FETTLE_ISA

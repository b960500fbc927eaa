// The gated delta rule over documents, in the chunks of gated_delta_chunk.h. The memory starts at zero in each document. Heads are
// divided between threads; the documents of a head follow each other.
#pragma once

#include <cstdint>
#include <cstring>

#include "gated_delta_chunk.h"
#include "ops.h"

namespace fettle::FETTLE_ISA {

// body(first token, count) of each document.
template <class Body> static inline void eachDocument(const int32_t* starts, int64_t rows, const Body& body) {
  for (int64_t begin = 0; begin < rows;) {
    int64_t end = begin + 1;
    while (end < rows && starts[end] <= begin) end++;
    body(begin, end - begin);
    begin = end;
  }
}

void gatedDeltaForward(const args::GatedDelta& op) {
  const DeltaShape shape(op);
  const DeltaGateInputs gates = deltaGatesOf(op);
  const Tensor &qkv = op.qkv(), &ba = op.ba(), &o = op.o();
  const int32_t* starts = op.starts().as<const int32_t>();
  Pool& pool = op.pool();
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      DeltaBuffer buffer(static_cast<float*>(pool.scratch(thread, 0, (DeltaChunk::floats(shape) + shape.memory() + kLanes) * sizeof(float))));
      const DeltaChunk chunk(shape, buffer);
      const SmallMatrix memory = buffer.matrix(shape.keyDim, shape.valueRow);
      const Range heads = partOf(shape.valueHeads, thread, pool.threads());
      for (int64_t head = heads.begin; head < heads.end; head++)
        eachDocument(starts, o.rows(), [&](int64_t begin, int64_t count) {
          std::memset(memory.data, 0, shape.memory() * sizeof(float));
          deltaRun(shape, gates, chunk, memory, qkv.as<const T>() + begin * shape.columns,
                   ba.as<const T>() + begin * 2 * shape.valueHeads, o.as<T>() + begin * o.cols(), head, count);
        });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

// Beginnings of sequences in a cache, copied from slot to slot; each copy is divided between threads.
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void copySlotsForward(const args::CopySlots& op) {
  const int32_t *sources = op.sources().as<const int32_t>(), *slots = op.slots().as<const int32_t>(),
                *counts = op.counts().as<const int32_t>();
  const int64_t copies = op.sources().size();
  Pool& pool = op.pool();
  const Tensor& cache = op.cache();
  withType(cache.dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t width = cache.cols(), slot = cache.shape[1] * width;
    T* data = cache.as<T>();
    pool.run([&](int thread) {
      for (int64_t i = 0; i < copies; i++) {
        const Range mine = partOf(counts[i], thread, pool.threads());
        std::memcpy(data + slots[i] * slot + mine.begin * width, data + sources[i] * slot + mine.begin * width,
                    (mine.end - mine.begin) * width * sizeof(T));
      }
    });
  });
}

}  // namespace fettle::FETTLE_ISA

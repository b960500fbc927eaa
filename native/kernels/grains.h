// How threads divide flat float32 tensors in one pass that memory bounds: in multiples of kGrain.
#pragma once

#include <cstdint>

#include "pool.h"

namespace fettle::FETTLE_ISA {

// Elements whose squares are summed in float32 before they go into a double; a multiple of every vector width, and of a
// cache line, so that no two threads write to one line.
constexpr int64_t kGrain = 4096;

// Elements of thread t, cut at multiples of kGrain.
static Range grains(int64_t size, int t, int threads) {
  const Range range = partOf((size + kGrain - 1) / kGrain, t, threads);
  return {range.begin * kGrain, range.end * kGrain < size ? range.end * kGrain : size};
}

}  // namespace fettle::FETTLE_ISA

// How threads divide or share flat float32 tensors in one pass that memory bounds: in multiples of kGrain.
#pragma once

#include <cstdint>

#include "shares.h"

namespace fettle::FETTLE_ISA {

// Elements whose squares are summed in float32 before they go into a double; a multiple of every vector width, and of a
// cache line, so that no two threads write to one line.
constexpr int64_t kGrain = 4096;

// Elements of thread t, cut at multiples of kGrain.
static Range grains(int64_t size, int t, int threads) {
  const Range range = partOf((size + kGrain - 1) / kGrain, t, threads);
  return {range.begin * kGrain, range.end * kGrain < size ? range.end * kGrain : size};
}

// body(elements) for whole grains that threads share, some at a time.
template <class Body> static void shareGrains(Pool& pool, int64_t size, const Body& body) {
  shareRows(pool, (size + kGrain - 1) / kGrain, size, [&](int, Range some) {
    body(Range{some.begin * kGrain, some.end * kGrain < size ? some.end * kGrain : size});
  });
}

}  // namespace fettle::FETTLE_ISA

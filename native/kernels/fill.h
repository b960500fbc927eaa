// Sets every element to one value; elements are divided between threads. Zeros, the gradients before a step, are left to the C
// library, which writes long stretches without reading them first.
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

template <class T>
static void fillWith(const args::Fill& op, T value) {
  T* y = op.y().as<T>();
  const int64_t size = op.y().size();
  Pool& pool = op.pool();
  pool.run([&](int thread) {
    const Range range = partOf(size, thread, pool.threads());
    if (value == T{}) return (void)std::memset(y + range.begin, 0, (range.end - range.begin) * sizeof(T));
    for (int64_t i = range.begin; i < range.end; i++) y[i] = value;
  });
}

static void fillForward(const args::Fill& op) {
  const double value = op.value();
  switch (op.y().dtype) {
    case DType::f32: return fillWith<float>(op, (float)value);
    case DType::bf16: return fillWith<bf16>(op, toBf16((float)value));
    case DType::i32: return fillWith<int32_t>(op, (int32_t)value);
    case DType::int8:
    case DType::nf4:
    case DType::fp4:
    case DType::bf12: case DType::blocks: break;  // frozen weights are never filled
  }
}

}  // namespace fettle::FETTLE_ISA

// Random numbers that depend on a seed and an element's place alone (src/engine/dropout.ts), elements divided between threads.
//   dropout: y = k · x or (1 − k) · x, k = keep / (1 − p),  dX = the same of dY
//   addNoise: y = x + magnitude · u, u uniform in (−1, 1)
#pragma once

#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// Hashes of kLanes elements from `element` on.
inline vu hashesFrom(uint32_t element, uint32_t salt) {
  vu h;
  for (int i = 0; i < kLanes; i++) h[i] = (uint32_t)i;
  h = (h + element) ^ salt;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

// to (+)= factors · from, of the dropout's mask.
template <class Op> static void dropElements(const Op& op, const Tensor& to, const Tensor& from, bool accumulate) {
  const double p = op.dropout();
  const uint32_t threshold = (uint32_t)(p * 4294967296.0);
  const uint32_t salt = ((uint32_t)op.seed() + (uint32_t)*op.dropoutSeed().template as<const int32_t>()) * 0x9e3779b9u;
  const vf kept = splat((float)(op.rest() ? 1 - 1 / (1 - p) : 1 / (1 - p))), dropped = splat(op.rest() ? 1.0f : 0.0f);
  Pool& pool = op.pool();
  withType(from.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(from.size(), [&](int thread) {
      const Range range = partOf(from.size(), thread, pool.threads());
      const T* x = from.as<const T>() + range.begin;
      T* y = to.as<T>() + range.begin;
      eachVector(range.end - range.begin, [&](int64_t i, auto count) {
        const vi keep = (vi)(hashesFrom((uint32_t)(range.begin + i), salt) >= threshold);
        vf value = loadPart(x + i, count) * select(keep, kept, dropped);
        if (accumulate) value += loadPart(y + i, count);
        storePart(y + i, value, count);
      });
    });
  });
}

static void dropoutForward(const args::Dropout& op) { dropElements(op, op.y(), op.x(), false); }
static void dropoutVjp(const args::DropoutVjp& op) {
  if (op.dX()) dropElements(op, *op.dX(), op.dY(), op.accumulatesX());
}

static void addNoiseForward(const args::AddNoise& op) {
  const uint32_t salt = (uint32_t)*op.seed().as<const int32_t>() * 0x9e3779b9u;
  const vf magnitude = splat(*op.magnitude().as<const float>());
  const vf step = splat(0x1p-23f), offset = splat(0x1p-24f - 1);
  Pool& pool = op.pool();
  pool.run(op.x().size(), [&](int thread) {
    const Range range = partOf(op.x().size(), thread, pool.threads());
    const float* x = op.x().as<const float>() + range.begin;
    float* y = op.y().as<float>() + range.begin;
    eachVector(range.end - range.begin, [&](int64_t i, auto count) {
      const vu steps = hashesFrom((uint32_t)(range.begin + i), salt) >> 8;
      const vf u = __builtin_convertvector((vi)steps, vf) * step + offset;
      storePart(y + i, loadPart(x + i, count) + magnitude * u, count);
    });
  });
}

}  // namespace fettle::FETTLE_ISA

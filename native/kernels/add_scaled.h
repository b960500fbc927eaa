// Element-wise sums of the residual stream, elements divided between threads.
//   addScaled: y = residual + scale · x,  dX = scale · dY        cast: y = x,  dX = dY
//   scaleBy: y = factor · x,  dX = factor · dY
#pragma once

#include <cstdint>

#include "ops.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// to (+)= scale · from
static void storeScaled(Pool& pool, const Tensor& to, const Tensor& from, float scale, bool accumulate) {
  withType(from.dtype, [&](auto fromZero) {
    withType(to.dtype, [&](auto toZero) {
      using From = decltype(fromZero);
      using To = decltype(toZero);
      pool.run(from.size(), [&](int thread) {
        const Range range = partOf(from.size(), thread, pool.threads());
        const From* x = from.as<const From>() + range.begin;
        To* y = to.as<To>() + range.begin;
        eachVector(range.end - range.begin, [&](int64_t i, auto count) {
          vf value = splat(scale) * loadPart(x + i, count);
          if (accumulate) value += loadPart(y + i, count);
          storePart(y + i, value, count);
        });
      });
    });
  });
}

static void addScaledForward(const args::AddScaled& op) {
  const Tensor &x = op.x(), &residual = op.residual(), &y = op.y();
  const vf scale = splat((float)op.scale());
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(x.size(), [&](int thread) {
      const Range range = partOf(x.size(), thread, pool.threads());
      const T* from = x.as<const T>() + range.begin;
      const float* base = residual.as<const float>() + range.begin;
      float* to = y.as<float>() + range.begin;
      eachVector(range.end - range.begin, [&](int64_t i, auto count) {
        storePart(to + i, multiplyAdd(scale, loadPart(from + i, count), loadPart(base + i, count)), count);
      });
    });
  });
}

static void addScaledVjp(const args::AddScaledVjp& op) {
  if (op.dX()) storeScaled(op.pool(), *op.dX(), op.dY(), (float)op.scale(), op.accumulatesX());
}

static void castForward(const args::Cast& op) { storeScaled(op.pool(), op.y(), op.x(), 1, false); }
static void castVjp(const args::CastVjp& op) {
  if (op.dX()) storeScaled(op.pool(), *op.dX(), op.dY(), 1, op.accumulatesX());
}

static void scaleByForward(const args::ScaleBy& op) { storeScaled(op.pool(), op.y(), op.x(), *op.factor().as<const float>(), false); }
static void scaleByVjp(const args::ScaleByVjp& op) {
  if (op.dX()) storeScaled(op.pool(), *op.dX(), op.dY(), *op.factor().as<const float>(), op.accumulatesX());
}

}  // namespace fettle::FETTLE_ISA

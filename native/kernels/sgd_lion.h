// SGD and Lion over flat float32 tensors, in one pass each; the formulas stand in src/engine/reference/optimisers/sgd-lion.ts.
#pragma once

#include <cstdint>

#include "ops.h"
#include "grains.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static float clippingOf(const Tensor* stats) { return stats ? stats->as<const float>()[1] : 1.0f; }

static void sgdForward(const args::Sgd& op) {
  const float* hyper = op.hyper().as<const float>();
  float* p = op.parameters().as<float>();
  float* velocity = op.velocity() ? op.velocity()->as<float>() : nullptr;
  const float* gradients = op.gradients().as<const float>();
  const vf clip = splat(clippingOf(op.stats())), rate = splat(hyper[0]), momentum = splat(hyper[1]);
  const vf gain = splat(hyper[2]), decay = splat(hyper[3]);
  const bool nesterov = hyper[4] != 0;
  Pool& pool = op.pool();
  shareGrains(pool, op.parameters().size(), [&](Range range) {
    const int64_t begin = range.begin;
    eachVector(range.end - begin, [&](int64_t offset, auto count) {
      const int64_t i = begin + offset;
      const vf before = loadPart(p + i, count);
      const vf g = clip * loadPart(gradients + i, count) + decay * before;
      vf update = g;
      if (velocity) {
        const vf v = momentum * loadPart(velocity + i, count) + gain * g;
        storePart(velocity + i, v, count);
        update = nesterov ? g + momentum * v : v;
      }
      storePart(p + i, before - rate * update, count);
    });
  });
}

// The sign of each element, 0 of 0 and of NaN.
inline vf signOf(vf x) {
  const vf zero = splat(0.0f), one = splat(1.0f);
  return select(x > zero, one, select(x < zero, zero - one, zero));
}

// What Lion computes with, and one vector of it: the new m; p is changed.
struct LionFactors {
  vf clip, toDirection, keepDirection, toM, keepM, keepP, rate;
  LionFactors(const float* hyper, float clipping)
      : clip(splat(clipping)),
        toDirection(splat((float)(1.0 - hyper[1]))),
        keepDirection(splat(hyper[1])),
        toM(splat((float)(1.0 - hyper[2]))),
        keepM(splat(hyper[2])),
        keepP(splat((float)(1.0 - (double)hyper[0] * hyper[3]))),
        rate(splat(hyper[0])) {}
  vf step(vf gradient, vf m, vf& p) const {
    const vf g = clip * gradient;
    p = p * keepP - rate * signOf(keepDirection * m + toDirection * g);
    return keepM * m + toM * g;
  }
};

static void lionForward(const args::Lion& op) {
  float *p = op.parameters().as<float>(), *m = op.m().as<float>();
  const float* gradients = op.gradients().as<const float>();
  const LionFactors factors(op.hyper().as<const float>(), clippingOf(op.stats()));
  Pool& pool = op.pool();
  shareGrains(pool, op.parameters().size(), [&](Range range) {
    const int64_t begin = range.begin;
    eachVector(range.end - begin, [&](int64_t offset, auto count) {
      const int64_t i = begin + offset;
      vf newP = loadPart(p + i, count);
      storePart(m + i, factors.step(loadPart(gradients + i, count), loadPart(m + i, count), newP), count);
      storePart(p + i, newP, count);
    });
  });
}

}  // namespace fettle::FETTLE_ISA

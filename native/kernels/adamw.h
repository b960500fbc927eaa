// AdamW over flat float32 tensors, in one pass:
//   m = m + (1−β1)(g − m),  v = β2 v + (1−β2) g²,  p = p (1 − lr·decay) − (lr / c1) · m / (sqrt(v) / sqrt(c2) + eps)
// which is the order of operations of torch.optim.AdamW. Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101
#pragma once

#include <cstdint>

#include "ops.h"
#include "grains.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// The numbers of one step that are the same for all elements, derived in double as PyTorch does.
struct AdamwFactors {
  vf clip, toM, keepV, toV, keepP, step, rootC2, eps;
  AdamwFactors(const float* hyper, float clipping)
      : clip(splat(clipping)),
        toM(splat((float)(1.0 - hyper[1]))),
        keepV(splat(hyper[2])),
        toV(splat((float)(1.0 - hyper[2]))),
        keepP(splat((float)(1.0 - (double)hyper[0] * hyper[4]))),
        step(splat((float)((double)hyper[0] / hyper[5]))),
        rootC2(splat((float)__builtin_sqrt((double)hyper[6]))),
        eps(splat(hyper[3])) {}
};

static void adamwForward(const args::Adamw& op) {
  float *p = op.parameters().as<float>(), *m = op.m().as<float>(), *v = op.v().as<float>();
  const float* gradients = op.gradients().as<float>();
  const AdamwFactors f(op.hyper().as<float>(), op.stats() ? op.stats()->as<float>()[1] : 1.0f);
  Pool& pool = op.pool();
  shareGrains(pool, op.parameters().size(), [&](Range range) {
    const int64_t begin = range.begin;
    eachVector(range.end - begin, [&](int64_t offset, auto count) {
      const int64_t i = begin + offset;
      const vf g = f.clip * loadPart(gradients + i, count);
      const vf oldM = loadPart(m + i, count);
      const vf newM = oldM + f.toM * (g - oldM);
      const vf newV = f.keepV * loadPart(v + i, count) + f.toV * g * g;
      const vf newP = loadPart(p + i, count) * f.keepP - f.step * newM / (vsqrt(newV) / f.rootC2 + f.eps);
      storePart(m + i, newM, count);
      storePart(v + i, newV, count);
      storePart(p + i, newP, count);
    });
  });
}

}  // namespace fettle::FETTLE_ISA

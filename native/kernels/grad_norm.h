// Norm of all gradients, and the factor that clips them.
//   norm = sqrt(Σ g²),  clip = min(1, maxNorm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
#pragma once

#include <cstdint>

#include "ops.h"
#include "grains.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// Σ g² of up to kGrain elements.
static float sumOfSquares(const float* g, int64_t n) {
  return sumOfTerms(n, [&](int64_t i, auto count) {
    const vf v = loadPart(g + i, count);
    return v * v;
  });
}

static void gradNormForward(const args::GradNorm& op) {
  const Tensor& gradients = op.gradients();
  Pool& pool = op.pool();
  const float* g = gradients.as<float>();
  const int64_t size = gradients.size();
  const int threads = pool.threads();
  double* sums = static_cast<double*>(pool.scratch(0, 0, threads * sizeof(double)));
  pool.run([&](int thread) {
    const Range range = grains(size, thread, threads);
    double total = 0;
    for (int64_t i = range.begin; i < range.end; i += kGrain)
      total += sumOfSquares(g + i, range.end - i < kGrain ? range.end - i : kGrain);
    sums[thread] = total;
  });
  double total = 0;
  for (int t = 0; t < threads; t++) total += sums[t];
  const double norm = __builtin_sqrt(total), maxNorm = op.maxNorm();
  const double clip = maxNorm / (norm + 1e-6);
  float* stats = op.stats().as<float>();
  stats[0] = (float)norm;
  stats[1] = maxNorm == 0 || clip > 1 ? 1.0f : (float)clip;  // NaN goes on to the parameters, where it will be noticed
}

}  // namespace fettle::FETTLE_ISA

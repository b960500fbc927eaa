// Root mean square normalisation, rows divided between threads.
//   x̂ = x · rstd,  rstd = 1 / sqrt(mean(x²) + eps),  y = x̂ · gain
//   dX = rstd · (gain · dY − x̂ · mean(gain · dY · x̂)),  dGain = Σ rows of dY · x̂
// The vjp takes x̂ either from x or, with `fromOutput`, from y / gain: then x need not be kept.
// Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
#pragma once

#include <cstdint>

#include "ops.h"
#include "shares.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// A gain of either type as floats, in the scratch of thread 0, readable by all.
static const float* gainAsFloats(Pool& pool, const Tensor& gain, int slot) {
  const int64_t width = gain.size();
  float* copy = static_cast<float*>(pool.scratch(0, slot, width * sizeof(float)));
  withType(gain.dtype, [&](auto zero) {
    using T = decltype(zero);
    eachVector(width, [&](int64_t i, auto count) { storePart(copy + i, loadPart(gain.as<const T>() + i, count), count); });
  });
  return copy;
}

static void rmsNormForward(const args::RmsNorm& op) {
  const Tensor &x = op.x(), &y = op.y();
  float* rstds = dataOf<float>(op.rstd());
  Pool& pool = op.pool();
  const int64_t width = x.cols();
  const float eps = (float)op.eps();
  const float* gain = gainAsFloats(pool, op.gain(), 0);
  withType(x.dtype, [&](auto xZero) {
    withType(y.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      shareRows(pool, x.rows(), x.size(), [&](int, Range range) {
        for (int64_t m = range.begin; m < range.end; m++) {
          const X* row = x.as<const X>() + m * width;
          Y* to = y.as<Y>() + m * width;
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            const vf v = loadPart(row + i, count);
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (rstds) rstds[m] = rstd;
          eachVector(width, [&](int64_t i, auto count) {
            storePart(to + i, loadPart(row + i, count) * splat(rstd) * loadPart(gain + i, count), count);
          });
        }
      });
    });
  });
}

// One row of the vjp. normalised(i, count) gives x̂; dX or dGain may be null.
template <class DX, class DY, class Normalised>
static inline void rmsNormRowVjp(const Normalised& normalised, const float* gain, const DY* dY, float rstd, int64_t width,
                                 DX* dX, bool accumulate, float* dGain) {
  if (dX) {
    const float dot = sumOfTerms(width, [&](int64_t i, auto count) {
      return normalised(i, count) * loadPart(gain + i, count) * loadPart(dY + i, count);
    });
    const vf mean = splat(dot / (float)width), scale = splat(rstd);
    eachVector(width, [&](int64_t i, auto count) {
      vf d = scale * (loadPart(gain + i, count) * loadPart(dY + i, count) - normalised(i, count) * mean);
      if (accumulate) d += loadPart(dX + i, count);
      storePart(dX + i, d, count);
    });
  }
  if (dGain)
    eachVector(width, [&](int64_t i, auto count) {
      storePart(dGain + i, loadPart(dGain + i, count) + loadPart(dY + i, count) * normalised(i, count), count);
    });
}

// dGain = Σ of the threads' parts in the order of the threads.
static void mergeGains(const float* parts, int count, int64_t width, float* dGain, bool accumulate) {
  for (int64_t i = 0; i < width; i++) {
    float total = accumulate ? dGain[i] : 0.0f;
    for (int t = 0; t < count; t++) total += parts[t * width + i];
    dGain[i] = total;
  }
}

static void rmsNormVjp(const args::RmsNormVjp& op) {
  const bool fromOutput = op.fromOutput();
  const Tensor& source = fromOutput ? *op.y() : *op.x();
  const Tensor& dYs = op.dY();
  const float* rstds = op.rstd().as<float>();
  const Tensor *dXs = op.dX(), *dGains = op.dGain();
  Pool& pool = op.pool();
  const int64_t width = dYs.cols();
  const int threads = pool.threads();
  const float* gain = gainAsFloats(pool, op.gain(), 0);
  float* inverse = static_cast<float*>(pool.scratch(0, 1, width * sizeof(float)));
  if (fromOutput) for (int64_t i = 0; i < width; i++) inverse[i] = 1.0f / gain[i];
  float* parts = dGains ? static_cast<float*>(pool.scratch(0, 2, threads * width * sizeof(float))) : nullptr;

  withType(source.dtype, [&](auto sourceZero) {
    withType(dYs.dtype, [&](auto dYZero) {
      withType(dXs ? dXs->dtype : DType::f32, [&](auto dXZero) {
        using Source = decltype(sourceZero);
        using DY = decltype(dYZero);
        using DX = decltype(dXZero);
        pool.run([&](int thread) {
          float* dGain = parts ? parts + thread * width : nullptr;
          if (dGain) __builtin_memset(dGain, 0, width * sizeof(float));
          const Range range = partOf(dYs.rows(), thread, threads);
          for (int64_t m = range.begin; m < range.end; m++) {
            const Source* row = source.as<const Source>() + m * width;
            const DY* dY = dYs.as<const DY>() + m * width;
            DX* dX = dXs ? dXs->as<DX>() + m * width : nullptr;
            const float rstd = rstds[m];
            if (fromOutput)
              rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(row + i, count) * loadPart(inverse + i, count); },
                            gain, dY, rstd, width, dX, op.accumulatesX(), dGain);
            else
              rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(row + i, count) * splat(rstd); },
                            gain, dY, rstd, width, dX, op.accumulatesX(), dGain);
          }
        });
      });
    });
  });
  if (dGains) mergeGains(parts, threads, width, dGains->as<float>(), op.accumulatesGain());
}

}  // namespace fettle::FETTLE_ISA

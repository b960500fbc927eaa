// Normalisation to mean 0 and variance 1, rows divided between threads.
//   n = (x − mean) · rstd,  rstd = 1 / sqrt(mean((x − mean)²) + eps),  y = n · gain + bias
//   dX = rstd · (g − mean(g) − n · mean(g · n)) with g = gain · dY,  dGain = Σ rows of dY · n,  dBias = Σ rows of dY
// Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "rms_norm.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void layerNormForward(const args::LayerNorm& op) {
  static constexpr float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const Tensor &x = op.x(), &y = op.y();
  float *means = dataOf<float>(op.mean()), *rstds = dataOf<float>(op.rstd());
  Pool& pool = op.pool();
  const int64_t width = x.cols();
  const float eps = (float)op.eps();
  const float *gain = gainAsFloats(pool, op.gain(), 0), *bias = gainAsFloats(pool, op.bias(), 1);
  withType(x.dtype, [&](auto xZero) {
    withType(y.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      pool.run(x.size(), [&](int thread) {
        const Range range = partOf(x.rows(), thread, pool.threads());
        for (int64_t m = range.begin; m < range.end; m++) {
          const X* row = x.as<const X>() + m * width;
          Y* to = y.as<Y>() + m * width;
          const float mean = sumOfTerms(width, [&](int64_t i, auto count) { return loadPart(row + i, count); }) / (float)width;
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            vf v = loadPart(row + i, count) - splat(mean);
            if (!isWhole(count)) v *= loadPart(ones, count);  // past the end of a row stand zeros, not the mean
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (means) means[m] = mean;
          if (rstds) rstds[m] = rstd;
          eachVector(width, [&](int64_t i, auto count) {
            const vf n = (loadPart(row + i, count) - splat(mean)) * splat(rstd);
            storePart(to + i, multiplyAdd(n, loadPart(gain + i, count), loadPart(bias + i, count)), count);
          });
        }
      });
    });
  });
}

static void layerNormVjp(const args::LayerNormVjp& op) {
  const Tensor &x = op.x(), &dYs = op.dY();
  const float *means = op.mean().as<float>(), *rstds = op.rstd().as<float>();
  const Tensor *dXs = op.dX(), *dGains = op.dGain(), *dBiases = op.dBias();
  Pool& pool = op.pool();
  const int64_t width = dYs.cols();
  const int threads = pool.threads();
  const float* gain = gainAsFloats(pool, op.gain(), 0);
  const auto partsOf = [&](const Tensor* wanted, int slot) {
    return wanted ? static_cast<float*>(pool.scratch(0, slot, threads * width * sizeof(float))) : nullptr;
  };
  float *gainParts = partsOf(dGains, 1), *biasParts = partsOf(dBiases, 2);
  withType(x.dtype, [&](auto xZero) {
    withType(dYs.dtype, [&](auto dYZero) {
      using X = decltype(xZero);
      using DY = decltype(dYZero);
      pool.run([&](int thread) {
        float *dGain = gainParts ? gainParts + thread * width : nullptr, *dBias = biasParts ? biasParts + thread * width : nullptr;
        for (float* part : {dGain, dBias})
          if (part) std::memset(part, 0, width * sizeof(float));
        const Range range = partOf(dYs.rows(), thread, threads);
        for (int64_t m = range.begin; m < range.end; m++) {
          const X* row = x.as<const X>() + m * width;
          const DY* dY = dYs.as<const DY>() + m * width;
          const vf mean = splat(means[m]), rstd = splat(rstds[m]);
          const auto normalised = [&](int64_t i, auto count) { return (loadPart(row + i, count) - mean) * rstd; };
          if (dXs) {
            X* dX = dXs->as<X>() + m * width;
            const auto scaled = [&](int64_t i, auto count) { return loadPart(gain + i, count) * loadPart(dY + i, count); };
            const vf meanG = splat(sumOfTerms(width, scaled) / (float)width);
            const vf meanGN = splat(sumOfTerms(width, [&](int64_t i, auto count) { return scaled(i, count) * normalised(i, count); }) / (float)width);
            eachVector(width, [&](int64_t i, auto count) {
              vf d = rstd * (scaled(i, count) - meanG - normalised(i, count) * meanGN);
              if (op.accumulatesX()) d += loadPart(dX + i, count);
              storePart(dX + i, d, count);
            });
          }
          if (dGain)
            eachVector(width, [&](int64_t i, auto count) {
              storePart(dGain + i, loadPart(dGain + i, count) + loadPart(dY + i, count) * normalised(i, count), count);
            });
          if (dBias) eachVector(width, [&](int64_t i, auto count) { storePart(dBias + i, loadPart(dBias + i, count) + loadPart(dY + i, count), count); });
        }
      });
    });
  });
  if (dGains) mergeGains(gainParts, threads, width, dGains->as<float>(), op.accumulatesGain());
  if (dBiases) mergeGains(biasParts, threads, width, dBiases->as<float>(), op.accumulatesBias());
}

}  // namespace fettle::FETTLE_ISA

// Root mean square normalisation, rows divided between threads.
//   x̂ = x · rstd,  rstd = 1 / sqrt(mean(x²) + eps),  y = x̂ · gain
//   dX = rstd · (gain · dY − x̂ · mean(gain · dY · x̂)),  dGain = Σ rows of dY · x̂
// The vjp takes x̂ either from x or, with `fromOutput`, from y / gain: then x need not be kept.
// Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467

// A gain of either type as floats, in the scratch of thread 0, readable by all.
static const float* gainAsFloats(const Call& call, const Tensor& gain, int slot) {
  const int64_t width = gain.size();
  float* copy = static_cast<float*>(call.pool->scratch(0, slot, width * sizeof(float)));
  withType(gain.dtype, [&](auto zero) {
    using T = decltype(zero);
    eachVector(width, [&](int64_t i, auto count) { storePart(copy + i, loadPart(gain.as<const T>() + i, count), count); });
  });
  return copy;
}

static void rmsNormForward(const Call& call) {
  const Tensor& x = *call.in[0];
  const int64_t width = x.cols();
  const float eps = (float)call.attributes[0];
  const float* gain = gainAsFloats(call, *call.in[1], 0);
  withType(x.dtype, [&](auto xZero) {
    withType(call.out[0]->dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      call.pool->run(x.size(), [&](int thread) {
        const Range range = partOf(x.rows(), thread, call.pool->threads());
        for (int64_t m = range.begin; m < range.end; m++) {
          const X* row = x.as<const X>() + m * width;
          Y* y = call.out[0]->as<Y>() + m * width;
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            const vf v = loadPart(row + i, count);
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (call.out[1]) call.out[1]->as<float>()[m] = rstd;
          eachVector(width, [&](int64_t i, auto count) {
            storePart(y + i, loadPart(row + i, count) * splat(rstd) * loadPart(gain + i, count), count);
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

static void rmsNormVjp(const Call& call) {
  const bool fromOutput = call.attributes[1] != 0;
  const Tensor& source = fromOutput ? *call.in[2] : *call.in[0];
  const Tensor& dYs = *call.in[4];
  const float* rstds = call.in[3]->as<float>();
  const Tensor *dXs = call.out[0], *dGains = call.out[1];
  const int64_t width = dYs.cols();
  const int threads = call.pool->threads();
  const float* gain = gainAsFloats(call, *call.in[1], 0);
  float* inverse = static_cast<float*>(call.pool->scratch(0, 1, width * sizeof(float)));
  if (fromOutput) for (int64_t i = 0; i < width; i++) inverse[i] = 1.0f / gain[i];
  float* parts = dGains ? static_cast<float*>(call.pool->scratch(0, 2, threads * width * sizeof(float))) : nullptr;

  withType(source.dtype, [&](auto sourceZero) {
    withType(dYs.dtype, [&](auto dYZero) {
      withType(dXs ? dXs->dtype : DType::f32, [&](auto dXZero) {
        using Source = decltype(sourceZero);
        using DY = decltype(dYZero);
        using DX = decltype(dXZero);
        call.pool->run([&](int thread) {
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
                            gain, dY, rstd, width, dX, call.accumulate[0], dGain);
            else
              rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(row + i, count) * splat(rstd); },
                            gain, dY, rstd, width, dX, call.accumulate[0], dGain);
          }
        });
      });
    });
  });
  if (dGains) mergeGains(parts, threads, width, dGains->as<float>(), call.accumulate[1]);
}

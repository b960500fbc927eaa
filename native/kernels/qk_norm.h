// Root mean square normalisation of each query head (gain qGain) and key head (kGain) of qkv; value heads are copied.
// Formulas: rms_norm.h, with a head for a row. Tokens are divided between threads; the gains' gradients are summed by
// thread, then in the order of the threads.
// Source: Henry et al. 2020, https://arxiv.org/abs/2010.04245, in the form of Qwen3

struct QkNormShape {
  int64_t headDim, columns;
  int queryHeads, heads;  // heads: those that are normalised, queries and keys
  explicit QkNormShape(const Call& call)
      : headDim((int64_t)call.attributes[1]), columns(call.in[0]->cols()), queryHeads((int)call.attributes[2]),
        heads(queryHeads + (int)call.attributes[3]) {}
};

static void qkNormForward(const Call& call) {
  const QkNormShape shape(call);
  const int64_t width = shape.headDim, done = shape.heads * width;
  const float eps = (float)call.attributes[0];
  const float *qGain = gainAsFloats(call, *call.in[1], 0), *kGain = gainAsFloats(call, *call.in[2], 1);
  float* rstds = call.out[1] ? call.out[1]->as<float>() : nullptr;
  withType(call.in[0]->dtype, [&](auto zero) {
    using T = decltype(zero);
    call.pool->run(call.in[0]->size(), [&](int thread) {
      const Range range = partOf(call.in[0]->rows(), thread, call.pool->threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* row = call.in[0]->as<const T>() + m * shape.columns;
        T* out = call.out[0]->as<T>() + m * shape.columns;
        for (int head = 0; head < shape.heads; head++) {
          const T* x = row + head * width;
          T* y = out + head * width;
          const float* gain = head < shape.queryHeads ? qGain : kGain;
          const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
            const vf v = loadPart(x + i, count);
            return v * v;
          });
          const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
          if (rstds) rstds[m * shape.heads + head] = rstd;
          eachVector(width, [&](int64_t i, auto count) {
            storePart(y + i, loadPart(x + i, count) * splat(rstd) * loadPart(gain + i, count), count);
          });
        }
        if (row != out) std::memcpy(out + done, row + done, (shape.columns - done) * sizeof(T));
      }
    });
  });
}

static void qkNormVjp(const Call& call) {
  const QkNormShape shape(call);
  const int64_t width = shape.headDim, done = shape.heads * width;
  const int threads = call.pool->threads();
  const Tensor &qkv = *call.in[0], &dY = *call.in[5];
  const Tensor *dQkv = call.out[0], *dQGain = call.out[1], *dKGain = call.out[2];
  const float* rstds = call.in[4]->as<const float>();
  const float *qGain = gainAsFloats(call, *call.in[1], 0), *kGain = gainAsFloats(call, *call.in[2], 1);
  const auto partsOf = [&](const Tensor* wanted, int slot) {
    return wanted ? static_cast<float*>(call.pool->scratch(0, slot, threads * width * sizeof(float))) : nullptr;
  };
  float *qParts = partsOf(dQGain, 2), *kParts = partsOf(dKGain, 3);
  withType(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    call.pool->run([&](int thread) {
      float *qPart = qParts ? qParts + thread * width : nullptr, *kPart = kParts ? kParts + thread * width : nullptr;
      if (qPart) std::memset(qPart, 0, width * sizeof(float));
      if (kPart) std::memset(kPart, 0, width * sizeof(float));
      const Range range = partOf(qkv.rows(), thread, threads);
      for (int64_t m = range.begin; m < range.end; m++) {
        const T *row = qkv.as<const T>() + m * shape.columns, *dRow = dY.as<const T>() + m * shape.columns;
        T* dX = dQkv ? dQkv->as<T>() + m * shape.columns : nullptr;
        for (int head = 0; head < shape.heads; head++) {
          const bool query = head < shape.queryHeads;
          const T* x = row + head * width;
          const float rstd = rstds[m * shape.heads + head];
          rmsNormRowVjp([&](int64_t i, auto count) { return loadPart(x + i, count) * splat(rstd); }, query ? qGain : kGain,
                        dRow + head * width, rstd, width, dX ? dX + head * width : nullptr, call.accumulate[0],
                        query ? qPart : kPart);
        }
        if (!dX) continue;
        eachVector(shape.columns - done, [&](int64_t i, auto count) {
          vf d = loadPart(dRow + done + i, count);
          if (call.accumulate[0]) d += loadPart(dX + done + i, count);
          storePart(dX + done + i, d, count);
        });
      }
    });
  });
  if (dQGain) mergeGains(qParts, threads, width, dQGain->as<float>(), call.accumulate[1]);
  if (dKGain) mergeGains(kParts, threads, width, dKGain->as<float>(), call.accumulate[2]);
}

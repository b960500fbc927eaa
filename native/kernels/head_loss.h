// The output head fused with cross-entropy.
//   s_v = h · W_v,  lse = log Σ e^s_v,  loss = lse − s_target,  dH = lossScale · (Σ softmax_v W_v − W_target)
//   dW_v += lossScale · Σ rows of (softmax_v − [v = target]) h
// First version: correct and plain, one row of logits at a time, rows (vjp: vocabulary) divided between threads.

template <class A, class B>
static float dotOfRows(const A* a, const B* b, int64_t n) {
  return sumOfTerms(n, [&](int64_t i, auto count) { return loadPart(a + i, count) * loadPart(b + i, count); });
}

// to += factor · from
template <class From>
static void addScaledRow(float* to, float factor, const From* from, int64_t n) {
  eachVector(n, [&](int64_t i, auto count) {
    storePart(to + i, loadPart(to + i, count) + splat(factor) * loadPart(from + i, count), count);
  });
}

static void headLossForward(const Call& call) {
  const Tensor &hidden = *call.in[0], &weight = *call.in[1];
  const Tensor* dHidden = call.out[2];
  const int64_t width = hidden.cols(), vocabulary = weight.rows();
  withType(hidden.dtype, [&](auto actZero) {
    withType(weight.dtype, [&](auto weightZero) {
      using Act = decltype(actZero);
      using Weight = decltype(weightZero);
      call.pool->run([&](int thread) {
        float* s = static_cast<float*>(call.pool->scratch(thread, 0, vocabulary * sizeof(float)));
        float* d = static_cast<float*>(call.pool->scratch(thread, 1, width * sizeof(float)));
        const Range range = partOf(hidden.rows(), thread, call.pool->threads());
        for (int64_t m = range.begin; m < range.end; m++) {
          const Act* h = hidden.as<const Act>() + m * width;
          const int32_t target = call.in[2]->as<int32_t>()[m];
          float largest = -__builtin_inff();
          for (int64_t v = 0; v < vocabulary; v++) {
            s[v] = dotOfRows(h, weight.row<const Weight>(v), width);
            if (s[v] > largest) largest = s[v];
          }
          double total = 0;
          for (int64_t v = 0; v < vocabulary; v++) total += std::exp(s[v] - largest);
          const float lse = largest + (float)std::log(total);
          call.out[0]->as<float>()[m] = lse - s[target];
          call.out[1]->as<float>()[m] = lse;
          if (!dHidden) continue;
          const float scale = call.in[3]->as<float>()[0];
          std::memset(d, 0, width * sizeof(float));
          for (int64_t v = 0; v < vocabulary; v++)
            addScaledRow(d, scale * (std::exp(s[v] - lse) - (v == target ? 1.0f : 0.0f)), weight.row<const Weight>(v), width);
          copyRow(dHidden->as<Act>() + m * width, d, width);
        }
      });
    });
  });
}

static void headLossVjp(const Call& call) {
  if (!call.out[0]) return;
  const Tensor &hidden = *call.in[0], &weight = *call.in[1];
  const int64_t width = hidden.cols(), vocabulary = weight.rows();
  const float scale = call.in[3]->as<float>()[0];
  withType(hidden.dtype, [&](auto actZero) {
    withType(weight.dtype, [&](auto weightZero) {
      using Act = decltype(actZero);
      using Weight = decltype(weightZero);
      call.pool->run([&](int thread) {
        const Range range = partOf(vocabulary, thread, call.pool->threads());
        for (int64_t v = range.begin; v < range.end; v++) {
          float* dW = call.out[0]->as<float>() + v * width;
          if (!call.accumulate[0]) std::memset(dW, 0, width * sizeof(float));
          for (int64_t m = 0; m < hidden.rows(); m++) {
            const Act* h = hidden.as<const Act>() + m * width;
            const float p = std::exp(dotOfRows(h, weight.row<const Weight>(v), width) - call.in[4 + 1]->as<float>()[m]);
            addScaledRow(dW, scale * (p - (call.in[2]->as<int32_t>()[m] == v ? 1.0f : 0.0f)), h, width);
          }
        }
      });
    });
  });
}

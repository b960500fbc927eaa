// Gradient norm and AdamW over flat float32 tensors. Both are bound by memory, so they make one pass, vectorised, with the
// elements divided between threads in multiples of kGrain.
//   norm = sqrt(Σ g²),  clip = min(1, maxNorm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
//   m = m + (1−β1)(g − m),  v = β2 v + (1−β2) g²,  p = p (1 − lr·decay) − (lr / c1) · m / (sqrt(v) / sqrt(c2) + eps)
// which is the order of operations of torch.optim.AdamW. Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101

// Elements whose squares are summed in float32 before they go into a double; a multiple of every vector width, and of a
// cache line, so that no two threads write to one line.
constexpr int64_t kGrain = 4096;

// Elements of thread t, cut at multiples of kGrain.
static Range grains(int64_t size, int t, int threads) {
  const Range range = partOf((size + kGrain - 1) / kGrain, t, threads);
  return {range.begin * kGrain, range.end * kGrain < size ? range.end * kGrain : size};
}

// Σ g² of up to kGrain elements.
static float sumOfSquares(const float* g, int64_t n) {
  return sumOfTerms(n, [&](int64_t i, auto count) {
    const vf v = loadPart(g + i, count);
    return v * v;
  });
}

static void gradNormForward(const Call& call) {
  const Tensor& gradients = *call.in[0];
  const float* g = gradients.as<float>();
  const int64_t size = gradients.size();
  const int threads = call.pool->threads();
  double* sums = static_cast<double*>(call.pool->scratch(0, 0, threads * sizeof(double)));
  call.pool->run([&](int thread) {
    const Range range = grains(size, thread, threads);
    double total = 0;
    for (int64_t i = range.begin; i < range.end; i += kGrain)
      total += sumOfSquares(g + i, range.end - i < kGrain ? range.end - i : kGrain);
    sums[thread] = total;
  });
  double total = 0;
  for (int t = 0; t < threads; t++) total += sums[t];
  const double norm = __builtin_sqrt(total), maxNorm = call.attributes[0];
  const double clip = maxNorm / (norm + 1e-6);
  float* stats = call.out[0]->as<float>();
  stats[0] = (float)norm;
  stats[1] = maxNorm == 0 || clip > 1 ? 1.0f : (float)clip;  // NaN goes on to the parameters, where it will be noticed
}

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

static void adamwForward(const Call& call) {
  float *p = call.in[0]->as<float>(), *m = call.in[2]->as<float>(), *v = call.in[3]->as<float>();
  const float* gradients = call.in[1]->as<float>();
  const AdamwFactors f(call.in[5]->as<float>(), call.in[4] ? call.in[4]->as<float>()[1] : 1.0f);
  call.pool->run([&](int thread) {
    const Range range = grains(call.in[0]->size(), thread, call.pool->threads());
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

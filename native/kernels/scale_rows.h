// Each row times a number of its own, rows divided between threads: y[m] = weights[m] · x[m]. y may be x.
static void scaleRowsForward(const Call& call) {
  const Tensor &x = *call.in[0], &y = *call.out[0];
  const float* weights = call.in[1]->as<const float>();
  const int64_t width = x.cols();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    call.pool->run(x.size(), [&](int thread) {
      const Range range = partOf(x.rows(), thread, call.pool->threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* from = x.as<const T>() + m * width;
        T* to = y.as<T>() + m * width;
        eachVector(width, [&](int64_t i, auto count) { storePart(to + i, splat(weights[m]) * loadPart(from + i, count), count); });
      }
    });
  });
}

// Rotary position embedding, tokens divided between threads. Of the first `heads` heads, with half = rotaryDim / 2 and
// c, s = cos, sin[position, i]:
//   y[i] = x[i]·c − x[i + half]·s,  y[i + half] = x[i + half]·c + x[i]·s      i < half
// The transpose of a rotation is the rotation back, so the vjp is the same with −s. Both may run in place: a vector of the
// first half and its partner are read before either is written.
// Source: Su et al. 2021, https://arxiv.org/abs/2104.09864

template <class T>
static inline void ropeHead(T* x, const float* cos, const float* sin, int64_t half, float direction) {
  eachVector(half, [&](int64_t i, auto count) {
    const vf c = loadPart(cos + i, count), s = loadPart(sin + i, count) * splat(direction);
    const vf first = loadPart(x + i, count), second = loadPart(x + half + i, count);
    storePart(x + i, first * c - second * s, count);
    storePart(x + half + i, second * c + first * s, count);
  });
}

static void ropeRotate(const Call& call, const Tensor& from, const Tensor& to, float direction, bool accumulate) {
  const int32_t* positions = call.in[1]->as<const int32_t>();
  const float *cos = call.in[2]->as<const float>(), *sin = call.in[3]->as<const float>();
  const int64_t headDim = (int64_t)call.attributes[0], half = (int64_t)call.attributes[1] / 2, columns = from.cols();
  const int heads = (int)call.attributes[2];
  withType(from.dtype, [&](auto zero) {
    using T = decltype(zero);
    call.pool->run(from.size(), [&](int thread) {
      T* sum = accumulate ? static_cast<T*>(call.pool->scratch(thread, 0, columns * sizeof(T))) : nullptr;
      const Range range = partOf(from.rows(), thread, call.pool->threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* x = from.as<const T>() + m * columns;
        T* y = accumulate ? sum : to.as<T>() + m * columns;
        if (x != y) std::memcpy(y, x, columns * sizeof(T));
        for (int head = 0; head < heads; head++)
          ropeHead(y + head * headDim, cos + positions[m] * half, sin + positions[m] * half, half, direction);
        if (!accumulate) continue;
        T* total = to.as<T>() + m * columns;
        eachVector(columns, [&](int64_t i, auto count) {
          storePart(total + i, loadPart(total + i, count) + loadPart(sum + i, count), count);
        });
      }
    });
  });
}

static void ropeForward(const Call& call) { ropeRotate(call, *call.in[0], *call.out[0], 1, false); }

static void ropeVjp(const Call& call) {
  if (call.out[0]) ropeRotate(call, *call.in[5], *call.out[0], -1, call.accumulate[0]);
}

// Sets every element to one value; elements are divided between threads. Zeros, the gradients before a step, are left to the C
// library, which writes long stretches without reading them first.

template <class T>
static void fillWith(const Call& call, T value) {
  T* y = call.out[0]->as<T>();
  const int64_t size = call.out[0]->size();
  call.pool->run([&](int thread) {
    const Range range = partOf(size, thread, call.pool->threads());
    if (value == T{}) return (void)std::memset(y + range.begin, 0, (range.end - range.begin) * sizeof(T));
    for (int64_t i = range.begin; i < range.end; i++) y[i] = value;
  });
}

static void fillForward(const Call& call) {
  const double value = call.attributes[0];
  switch (call.out[0]->dtype) {
    case DType::f32: return fillWith<float>(call, (float)value);
    case DType::bf16: return fillWith<bf16>(call, toBf16((float)value));
    case DType::i32: return fillWith<int32_t>(call, (int32_t)value);
    case DType::int8:
    case DType::nf4:
    case DType::fp4:
    case DType::bf12: break;  // frozen weights are never filled
  }
}

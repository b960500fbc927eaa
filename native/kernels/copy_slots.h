// Beginnings of sequences in a key and value cache, copied from slot to slot; each copy is divided between threads.

static void copySlotsForward(const Call& call) {
  const int32_t *sources = call.in[0]->as<const int32_t>(), *slots = call.in[1]->as<const int32_t>(),
                *counts = call.in[2]->as<const int32_t>();
  const int64_t copies = call.in[0]->size();
  withType(call.in[3]->dtype, [&](auto zero) {
    using Act = decltype(zero);
    for (const Tensor* cache : {call.in[3], call.in[4]}) {
      const int64_t width = cache->cols(), slot = cache->shape[1] * width;
      Act* data = cache->as<Act>();
      call.pool->run([&](int thread) {
        for (int64_t i = 0; i < copies; i++) {
          const Range mine = partOf(counts[i], thread, call.pool->threads());
          std::memcpy(data + slots[i] * slot + mine.begin * width, data + sources[i] * slot + mine.begin * width,
                      (mine.end - mine.begin) * width * sizeof(Act));
        }
      });
    }
  });
}

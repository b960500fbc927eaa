// Attention of new tokens to a key and value cache: first all new keys and values are written, then each token attends to
// the positions of its slot up to its own, within the window. Tokens at consecutive positions of one slot (a prompt) are an
// item of the tiled forward pass in attention.h, with the cache for keys; single tokens go through attention_decode.h.
#pragma once

#include <cstdint>
#include <vector>

#include "ops.h"
#include "attention.h"
#include "attention_decode.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kPromptTokens = 4;  // this many consecutive positions are worth packing the keys

template <class Act> static void attendToCache(const args::CachedAttention& op) {
  const CacheView<Act> cache{AttentionShape(op), op.qkv().as<const Act>(), op.slots().as<const int32_t>(),
                             op.positions().as<const int32_t>(), op.keyCache().as<Act>(), op.valueCache().as<Act>(),
                             op.keyCache().shape[1]};
  const AttentionShape& shape = cache.shape;
  const int64_t count = op.qkv().rows();
  Pool& pool = op.pool();
  Act* outputs = op.o().as<Act>();
  AttentionWork<Act> prompts{shape};
  std::vector<int64_t> single;
  for (int64_t begin = 0, end; begin < count; begin = end) {
    end = begin + 1;
    while (end < count && cache.slots[end] == cache.slots[begin] && cache.positions[end] == cache.positions[end - 1] + 1) end++;
    if (end - begin < kPromptTokens)
      for (int64_t token = begin; token < end; token++) single.push_back(token);
    else
      for (int64_t head = 0; head < shape.keyHeads; head++) {
        const int64_t at = cache.at(begin, 0, head);
        prompts.add({cache.keys + at, cache.values + at, cache.stride(), begin, cache.positions[begin], end - begin, head});
      }
  }
  if (prompts.items.empty()) {  // few tokens: not worth waking the other threads
    for (int64_t token = 0; token < count; token++) cache.write(token);
  } else {
    pool.run([&](int thread) {
      const Range mine = partOf(count, thread, pool.threads());
      for (int64_t token = mine.begin; token < mine.end; token++) cache.write(token);
    });
    runAttention(pool, prompts, cache.qkv, outputs, (float*)nullptr);
  }
  if (!single.empty()) decode(pool, cache, single, outputs);
}

void cachedAttentionForward(const args::CachedAttention& op) {
  withType(op.qkv().dtype, [&](auto zero) { attendToCache<decltype(zero)>(op); });
}

}  // namespace fettle::FETTLE_ISA

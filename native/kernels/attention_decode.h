// Attention of single tokens to a cache (decoding). Each key and value is read once from memory for all query heads of a group,
// which is what decoding waits for: the work is the list of (token, key head) with one unit of cost a visible key, and threads
// get equal contiguous shares of it, so that one stream uses all threads, however few heads there are. A divided item leaves
// partial softmaxes, which are merged in the order of the threads. While keys are read their values are asked for, and while
// values are read the keys that come next, which takes a third off the time of 16 streams of 100 tokens.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "attention_softmax.h"
#include "attention_tile.h"
#include "attention_work.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kDecodeKeys = 256;  // scores at a time

// Asks for a row of a cache.
template <class Act> inline void askForRow(const Act* row, int64_t headDim) {
  for (int64_t d = 0; d < headDim; d += 64 / (int64_t)sizeof(Act)) __builtin_prefetch(row + d);
}

template <class Act> struct CacheView {
  AttentionShape shape;
  const Act* qkv;
  const int32_t *slots, *positions;
  Act *keys, *values;  // [slots, capacity, keyHeads · headDim]
  int64_t capacity;
  int64_t stride() const { return shape.keyHeads * shape.headDim; }
  int64_t at(int64_t token, int64_t position, int64_t head) const {
    return (slots[token] * capacity + position) * stride() + head * shape.headDim;
  }
  void write(int64_t token) const {
    const Act* key = qkv + token * shape.columns() + shape.queryHeads * shape.headDim;
    std::memcpy(keys + at(token, positions[token], 0), key, stride() * sizeof(Act));
    std::memcpy(values + at(token, positions[token], 0), key + stride(), stride() * sizeof(Act));
  }
};

// Dot products of one query, kept as cells and padded with zeros to whole vectors, with rows of a cache: one vector of partial
// sums a row, kLanes of which are folded at once.
template <class Act> struct QueryDot {
  using C = Cell<Act>;
  static constexpr int step = kLanes * AttentionTile<C>::unit;
  // Lane i = q · row i.
  static vf with(const C* q, const Act* rows, int64_t stride, int64_t headDim) {
    vf sums[kLanes] = {};
    int64_t d = 0;
    for (; headDim - d >= 4 * step; d += 4 * step) addSteps<4>(sums, q + d, rows + d, stride);
    switch ((headDim - d) / step) {
      case 3: addSteps<3>(sums, q + d, rows + d, stride); break;
      case 2: addSteps<2>(sums, q + d, rows + d, stride); break;
      case 1: addSteps<1>(sums, q + d, rows + d, stride); break;
    }
    d = headDim / step * step;
    if (d < headDim)
      for (int i = 0; i < kLanes; i++) sums[i] = addTail(sums[i], q + d, rows + i * stride + d, (int)(headDim - d));
    return sumsOfLanes(sums);
  }
  // The same for fewer than kLanes rows; the other lanes are 0.
  static vf withSome(const C* q, const Act* rows, int64_t stride, int64_t headDim, int count) {
    vf sums[kLanes] = {};
    for (int i = 0; i < count; i++, rows += stride) {
      int64_t d = 0;
      for (; headDim - d >= step; d += step) sums[i] = add(sums[i], q + d, rows + d);
      if (d < headDim) sums[i] = addTail(sums[i], q + d, rows + d, (int)(headDim - d));
    }
    return sumsOfLanes(sums);
  }
  template <int Steps> static void addSteps(vf (&sums)[kLanes], const C* q, const Act* rows, int64_t stride) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++, rows += stride)
#pragma GCC unroll 4
      for (int s = 0; s < Steps; s++) sums[i] = add(sums[i], q + s * step, rows + s * step);
  }
#if FETTLE_HAS_BF16
  static vf add(vf total, const bf16* q, const bf16* row) {
    return UnitProduct<bf16>::add(total, UnitProduct<bf16>::right(q), UnitProduct<bf16>::right(row));
  }
  static vf addTail(vf total, const bf16* q, const bf16* row, int n) {
    return UnitProduct<bf16>::add(total, UnitProduct<bf16>::right(q), loadPairsPart(row, n));
  }
#endif
  template <class K> static vf add(vf total, const float* q, const K* row) { return multiplyAdd(load(q), load(row), total); }
  template <class K> static vf addTail(vf total, const float* q, const K* row, int n) {
    return multiplyAdd(load(q), loadPart(row, n), total);
  }
};

// output[h] += Σ_j p[h][j] · values[j], for H heads and `count` keys; W vectors of columns. Asks for as many of `next`, if any.
template <int H, int W, class Act>
inline void addDecodedColumns(float* output, int64_t width, const float* p, const Act* values, int64_t stride, int64_t count,
                              const Act* next, int64_t headDim) {
  vf sums[H][W];
  for (int h = 0; h < H; h++)
    for (int w = 0; w < W; w++) sums[h][w] = load(output + h * width + w * kLanes);
  for (int64_t j = 0; j < count; j++, values += stride) {
    if (next) askForRow(next + j * stride, headDim);
    vf v[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; w++) v[w] = load(values + w * kLanes);
#pragma GCC unroll 4
    for (int h = 0; h < H; h++)
#pragma GCC unroll 4
      for (int w = 0; w < W; w++) sums[h][w] = multiplyAdd(splat(p[h * kDecodeKeys + j]), v[w], sums[h][w]);
  }
  for (int h = 0; h < H; h++)
    for (int w = 0; w < W; w++) store(output + h * width + w * kLanes, sums[h][w]);
}

template <int H, class Act>
__attribute__((noinline)) void addDecodedValues(float* output, int64_t width, const float* p, const Act* values,
                                                int64_t stride, int64_t count, int64_t headDim, const Act* next) {
  constexpr int W = kLanes == 16 ? 4 : 2;
  int64_t d = 0;
  for (; d + W * kLanes <= headDim; d += W * kLanes) {
    addDecodedColumns<H, W>(output + d, width, p, values + d, stride, count, next, headDim);
    next = nullptr;
  }
  for (; d + kLanes <= headDim; d += kLanes) {
    addDecodedColumns<H, 1>(output + d, width, p, values + d, stride, count, next, headDim);
    next = nullptr;
  }
  if (d == headDim) return;
  for (int64_t j = 0; j < count; j++) {
    const vf v = loadPart(values + j * stride + d, (int)(headDim - d));
    for (int h = 0; h < H; h++)
      store(output + h * width + d, multiplyAdd(splat(p[h * kDecodeKeys + j]), v, load(output + h * width + d)));
  }
}

// A softmax over some of the keys, for all heads of a group.
struct PartialSoftmax {
  int64_t item = -1;
  float *largest, *sums, *outputs;  // [group], [group], [group, width]; relative to `largest`, in powers of two
};

template <class Act> struct Decoder {
  using C = Cell<Act>;
  const CacheView<Act>& cache;
  Pool& pool;
  int thread;
  const AttentionShape& shape = cache.shape;
  const int64_t width = roundUp(shape.headDim, QueryDot<Act>::step);
  const float scale2 = shape.scale * kLog2E;
  C* q = nullptr;
  float* p = nullptr;
  PartialSoftmax softmax{};

  void carve(int slot) {
    const auto layOut = [&](Carver carver) {
      q = carver.take<C>(shape.group * width);
      p = carver.take<float>(shape.group * kDecodeKeys);
      softmax.largest = carver.take<float>(shape.group);
      softmax.sums = carver.take<float>(shape.group);
      softmax.outputs = carver.take<float>(shape.group * width);
      return carver.taken();
    };
    const size_t bytes = layOut(Carver(nullptr));
    layOut(Carver(pool.scratch(thread, slot, bytes)));
  }

  // The keys [begin, end) of one token and key head; `next` are the keys of the item that follows, or null.
  void run(int64_t token, int64_t head, int64_t begin, int64_t end, const Act* next) {
    copyRows(q, cache.qkv + token * shape.columns() + head * shape.group * shape.headDim, shape.headDim, shape.group,
             shape.group, shape.headDim, width);
    std::memset(softmax.outputs, 0, shape.group * width * sizeof(float));
    for (int64_t h = 0; h < shape.group; h++) softmax.largest[h] = -__builtin_inff(), softmax.sums[h] = 0;
    for (int64_t key = begin; key < end; key += kDecodeKeys) {
      const int64_t count = std::min(kDecodeKeys, end - key), at = cache.at(token, key, head);
      for (int64_t h = 0; h < shape.group; h++) scores(h, cache.keys + at, count, h == 0 ? cache.values + at : nullptr);
      const Act* ahead = key + count < end ? cache.keys + at + count * cache.stride() : next;
      for (int64_t h = 0; h < shape.group; h += 4) {
        float *output = softmax.outputs + h * width, *probabilities = p + h * kDecodeKeys;
        const auto add = [&](auto heads) {
          addDecodedValues<decltype(heads)::value>(output, width, probabilities, cache.values + at, cache.stride(), count,
                                                   shape.headDim, h == 0 ? ahead : nullptr);
        };
        switch (std::min<int64_t>(4, shape.group - h)) {
          case 1: add(std::integral_constant<int, 1>{}); break;
          case 2: add(std::integral_constant<int, 2>{}); break;
          case 3: add(std::integral_constant<int, 3>{}); break;
          default: add(std::integral_constant<int, 4>{});
        }
      }
    }
  }

  // p[h] = 2^(score − largest) of `count` keys, what was there before scaled to the new largest score. Asks for `values`, if any.
  void scores(int64_t h, const Act* keys, int64_t count, const Act* values) {
    float* to = p + h * kDecodeKeys;
    vf high = splat(-__builtin_inff());
    for (int64_t j = 0; j < count; j += kLanes) {
      const int n = (int)std::min<int64_t>(kLanes, count - j);
      const Act* rows = keys + j * cache.stride();
      for (int i = 0; values && i < n; i++) askForRow(values + (j + i) * cache.stride(), shape.headDim);
      vf s;
      if (n == kLanes) {
        s = shape.capped(QueryDot<Act>::with(q + h * width, rows, cache.stride(), shape.headDim)) * splat(scale2);
      } else {
        s = shape.capped(QueryDot<Act>::withSome(q + h * width, rows, cache.stride(), shape.headDim, n)) * splat(scale2);
        s = select(keyNumbers() < n - vi{}, s, splat(-__builtin_inff()));
      }
      high = vmax(s, high);
      store(to + j, s);
    }
    const float largest = std::max(softmax.largest[h], maxOf(high));
    const float factor = std::exp2(softmax.largest[h] - largest);
    softmax.largest[h] = largest;
    vf total = {};
    for (int64_t j = 0; j < count; j += kLanes) {
      // Past the end stands −∞, which exp2 does not take.
      const vf e = exp2<float>(vmax(load(to + j) - splat(largest), splat(-200.0f)));
      total += e;
      store(to + j, e);
    }
    softmax.sums[h] = softmax.sums[h] * factor + sum(total);
    if (factor != 1.0f)
      for (int64_t d = 0; d < width; d += kLanes)
        store(softmax.outputs + h * width + d, load(softmax.outputs + h * width + d) * splat(factor));
  }

  // o of one token and key head from its parts, in their order.
  static void write(const AttentionShape& shape, int64_t width, const PartialSoftmax* parts, int count, int64_t keyHead, Act* to) {
    for (int64_t h = 0; h < shape.group; h++, to += shape.headDim) {
      const float sink = shape.sinks ? shape.sinks[keyHead * shape.group + h] * kLog2E : -__builtin_inff();
      float largest = sink;
      for (int i = 0; i < count; i++) largest = std::max(largest, parts[i].largest[h]);
      float z = shape.sinks ? std::exp2(sink - largest) : 0;
      for (int i = 0; i < count; i++) z += parts[i].sums[h] * std::exp2(parts[i].largest[h] - largest);
      eachVector(shape.headDim, [&](int64_t d, auto n) {
        vf value = {};
        for (int i = 0; i < count; i++)
          value += splat(std::exp2(parts[i].largest[h] - largest) / z) * loadPart(parts[i].outputs + h * width + d, n);
        storePart(to + d, value, n);
      });
    }
  }
};

// Decodes the given tokens, each on its own.
template <class Act>
static void decode(Pool& pool, const CacheView<Act>& cache, const std::vector<int64_t>& tokens, Act* outputs) {
  const AttentionShape& shape = cache.shape;
  const int threads = pool.threads();
  std::vector<int64_t> before{0};  // keys before each item: (token, key head), heads inside
  for (int64_t token : tokens)
    for (int64_t head = 0; head < shape.keyHeads; head++)
      before.push_back(before.back() + cache.positions[token] + 1 - shape.firstKey(cache.positions[token]));
  const auto outputOf = [&](int64_t item) {
    return outputs + (tokens[item / shape.keyHeads] * shape.queryHeads + item % shape.keyHeads * shape.group) * shape.headDim;
  };
  std::vector<PartialSoftmax> parts(2 * threads);
  pool.run([&](int thread) {
    Decoder<Act> decoder{cache, pool, thread};
    const Range mine = partOf(before.back(), thread, threads);
    int kept = 0;
    decoder.carve(kept);
    size_t i = std::upper_bound(before.begin(), before.end(), mine.begin) - before.begin() - 1;
    for (; i + 1 < before.size() && before[i] < mine.end; i++) {
      const int64_t token = tokens[i / shape.keyHeads], first = shape.firstKey(cache.positions[token]);
      const int64_t begin = std::max(mine.begin, before[i]), end = std::min(mine.end, before[i + 1]);
      const int64_t then = (int64_t)i + 1 < (int64_t)before.size() - 1 ? (int64_t)i + 1 : -1;
      const int64_t nextToken = then < 0 ? 0 : tokens[then / shape.keyHeads];
      const Act* next = then < 0 ? nullptr : cache.keys + cache.at(nextToken, shape.firstKey(cache.positions[nextToken]), then % shape.keyHeads);
      decoder.run(token, i % shape.keyHeads, first + begin - before[i], first + end - before[i], next);
      if (begin == before[i] && end == before[i + 1]) {
        Decoder<Act>::write(shape, decoder.width, &decoder.softmax, 1, (int64_t)i % shape.keyHeads, outputOf(i));
        continue;
      }
      PartialSoftmax& part = parts[2 * thread + kept++];
      part = decoder.softmax;
      part.item = (int64_t)i;
      decoder.carve(kept);
    }
  });
  const int64_t width = roundUp(shape.headDim, QueryDot<Act>::step);
  const auto unused = [](const PartialSoftmax& part) { return part.item < 0; };
  parts.erase(std::remove_if(parts.begin(), parts.end(), unused), parts.end());
  for (size_t first = 0, end; first < parts.size(); first = end) {
    for (end = first + 1; end < parts.size() && parts[end].item == parts[first].item;) end++;
    Decoder<Act>::write(shape, width, &parts[first], (int)(end - first), parts[first].item % shape.keyHeads, outputOf(parts[first].item));
  }
}

}  // namespace fettle::FETTLE_ISA

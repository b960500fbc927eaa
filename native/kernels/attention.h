// Causal attention with grouped heads inside each document, forward.
//   o_i = Σ_j p_ij v_j,  p_ij = exp(scale · q_i·k_j − lse_i),  lse_i = log Σ_j exp(scale · q_i·k_j)
//   over max(starts[i], i − window + 1) ≤ j ≤ i; with a cap, of scores that are bounded by it; with a sink, Σ_j has one more
//   term, e^sink, whose value is zero
// Never more than kQueryBlock x kKeyChunk scores exist at a time.
//
// No running maximum: the reference that is subtracted before the exponential is the query's score with its own key, which
// is always visible, so that the sum Z is at least 1. bf16 and float share their range of exponents, so larger terms lose
// no precision; only if Z comes near the end of the range is the row done again with its maximum as the reference.
// Each sum of P V is then a plain product, never scaled on the way.
//
// Blocking (attention_work.h): a block of queries, head by head of the group; chunks of keys from the diagonal down; in a
// chunk, tiles of AttentionTile::rows queries by three strips of keys: scores, exponentials, then P V over the chunk.
// Sources: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped heads: Ainslie et al. 2023,
// https://arxiv.org/abs/2305.13245; tiling: Dao et al. 2022, https://arxiv.org/abs/2205.14135
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ops.h"
#include "attention_softmax.h"
#include "attention_tile.h"
#include "attention_work.h"
#include "shares.h"

namespace fettle::FETTLE_ISA {

// A row whose sum leaves this range, or is no number, starts again with its maximum as the reference.
constexpr float kLeastSum = 1e-30f, kLargestSum = 1e30f;

// Keys of one item as a thread has packed them: positions [begin, end), begin a multiple of 2 · kLanes.
template <class C> struct PackedKeys {
  int64_t begin, end;
  int64_t depth;  // headDim, padded
  int64_t width;  // headDim in whole vectors
  C *keyStrips, *valueRows;
  // A product over keys may begin at any strip and read on to a multiple of AttentionTile::depth.
  int64_t padded() const { return roundUp(end - begin, kLanes) + AttentionTile<C>::depth; }
  TileRight<C> strip(int64_t strip) const {
    return {keyStrips + (strip - begin / kLanes) * depth * kLanes, kLanes * AttentionTile<C>::unit, depth * kLanes};
  }
  // Rows of values from `key` on, vector `vector` of the columns.
  TileRight<C> values(const C* rows, int64_t key, int64_t vector) const {
    constexpr int unit = AttentionTile<C>::unit;
    return {rows + (key - begin) * width + vector * kLanes * unit, width * unit, kLanes * unit};
  }
};

template <class C> inline PackedKeys<C> packedKeysFor(const AttentionShape& shape, QueryBlock share) {
  const int64_t begin = shape.firstKey(share.begin) / (2 * kLanes) * (2 * kLanes);
  return {begin, share.end, roundUp(shape.headDim, AttentionTile<C>::depth), roundUp(shape.headDim, kLanes), nullptr, nullptr};
}

// Strips of the chunk [chunkBegin, …) that some query at [position, position + rows) sees, and the chunk's last.
struct StripRange {
  int64_t begin, end;
};
inline StripRange visibleStrips(const AttentionShape& shape, int64_t position, int64_t rows, int64_t chunkBegin,
                                int64_t keysEnd) {
  const int64_t first = std::max(shape.firstKey(position), chunkBegin);
  const int64_t last = std::min({position + rows, chunkBegin + kKeyChunk, keysEnd});
  return {first / kLanes, std::max(first / kLanes, (last + kLanes - 1) / kLanes)};
}

// Length of a depth that runs over these strips, once a tile's rows (kLanes cells a strip) are padded to what the kernel reads.
template <class C> inline int64_t clearToDepth(C* rows, int64_t stride, StripRange strips) {
  const int64_t count = (strips.end - strips.begin) * kLanes, padded = roundUp(count, AttentionTile<C>::depth);
  for (int i = 0; i < AttentionTile<C>::rows && padded > count; i++) store(rows + i * stride + strips.end * kLanes, vf{});
  return padded;
}

// One thread's state.
template <class Act> struct AttentionForward {
  using C = Cell<Act>;
  using Tile = AttentionTile<C>;
  static constexpr int R = Tile::rows;
  static constexpr int64_t pStride = kKeyChunk + 2 * kLanes;  // no power of two: rows would share cache sets

  const AttentionShape& shape;
  const Act* queries;  // [tokens, queryStride]
  int64_t queryStride;
  Act* outputs;  // [tokens, queryHeads · headDim]
  float* lse;    // [tokens, queryHeads], may be null
  Pool& pool;
  int thread;
  const float scale2 = shape.scale * kLog2E;
  C *q = nullptr, *p = nullptr;
  float *scores = nullptr, *output = nullptr, *references = nullptr, *sums = nullptr, *z = nullptr;

  void carve(int64_t depth, int64_t width) {
    const auto layOut = [&](Carver carver) {
      q = carver.take<C>(kQueryBlock * depth);
      p = carver.take<C>(kQueryBlock * pStride);
      scores = carver.take<float>(R * Tile::vectors * kLanes);
      output = carver.take<float>(kQueryBlock * width);
      references = carver.take<float>(kQueryBlock);
      sums = carver.take<float>(kQueryBlock * kLanes);
      z = carver.take<float>(kQueryBlock);
      return carver.taken();
    };
    const size_t bytes = layOut(Carver(nullptr));
    layOut(Carver(pool.scratch(thread, 2, bytes)));
  }

  // Asks memory for the keys of `next`, the item that follows (may be null), beside its own blocks.
  void item(const AttentionItem<Act>& item, const AttentionItem<Act>* next, QueryBlock share) {
    PackedKeys<C> keys = packedKeysFor<C>(shape, share);
    const int64_t count = keys.end - keys.begin, padded = keys.padded();
    keys.keyStrips = (C*)pool.scratch(thread, 0, padded * keys.depth * sizeof(C));
    keys.valueRows = (C*)pool.scratch(thread, 1, padded * keys.width * sizeof(C));
    const int64_t from = keys.begin * item.keyStride;
    packKeyStrips(keys.keyStrips, item.keys + from, item.keyStride, count, shape.headDim, keys.depth);
    packKeyRows(keys.valueRows, item.values + from, item.keyStride, count, padded, shape.headDim);
    carve(keys.depth, keys.width);
    for (int64_t at = share.begin; at < share.end;) {
      const QueryBlock block = AttentionWork<Act>::blockAt(item, at);
      if (next && block.begin < next->end()) {
        const int64_t from = block.begin * next->keyStride, count = std::min(block.end, next->end()) - block.begin;
        prefetchRows(next->keys + from, next->keyStride, count, shape.headDim);
        prefetchRows(next->values + from, next->keyStride, count, shape.headDim);
      }
      for (int64_t head = 0; head < shape.group; head++) blockOfHead(item, keys, block, item.keyHead * shape.group + head);
      at = block.end;
    }
  }

  void blockOfHead(const AttentionItem<Act>& item, const PackedKeys<C>& keys, QueryBlock block, int64_t head) {
    const int64_t token = item.token + block.begin - item.position, rows = block.end - block.begin;
    const Act* from = queries + token * queryStride + head * shape.headDim;
    copyRows(q, from, queryStride, rows, kQueryBlock, shape.headDim, keys.depth);
    // What is next: the group's next head, or its first head in the next block.
    if ((head + 1) % shape.group) prefetchRows(from + shape.headDim, queryStride, rows, shape.headDim);
    else prefetchRows(from + rows * queryStride - (shape.group - 1) * shape.headDim, queryStride,
                      std::min(kQueryBlock, item.end() - block.end), shape.headDim);
    accumulate(keys, block, false);
    bool inRange = true;
    for (int64_t i = 0; i < rows; i += kLanes) {
      store(z + i, sumsOfRows(i, head));
      for (int64_t j = i; j < rows && j < i + kLanes; j++) inRange &= z[j] > kLeastSum && z[j] < kLargestSum;
    }
    if (!inRange) {
      findMaxima(keys, block, head);
      accumulate(keys, block, true);
      for (int64_t i = 0; i < rows; i += kLanes) store(z + i, sumsOfRows(i, head));
    }
    Act* to = outputs + (token * shape.queryHeads + head) * shape.headDim;
    for (int64_t i = 0; lse && i < rows; i += kLanes) {
      float logs[kLanes];
      store(logs, load(references + i) * splat(kLn2) + log(load(z + i)));
      for (int64_t j = i; j < rows && j < i + kLanes; j++) lse[(token + j) * shape.queryHeads + head] = logs[j - i];
    }
    for (int64_t i = 0; i < rows; i++, to += shape.queryHeads * shape.headDim) {
      const vf inverse = splat(1.0f / z[i]);
      const float* from = output + i * keys.width;
      eachVector(shape.headDim, [&](int64_t d, auto n) { storePart(to + d, load(from + d) * inverse, n); });
    }
  }

  // Z of kLanes rows, the head's sink included.
  vf sumsOfRows(int64_t row, int64_t head) const {
    vf rows[kLanes];
    for (int i = 0; i < kLanes; i++) rows[i] = load(sums + (row + i) * kLanes);
    const vf z = sumsOfLanes(rows);
    return shape.sinks ? z + exp2<float>(splat(shape.sinks[head] * kLog2E) - load(references + row)) : z;
  }

  // Calls body(first row of the block, position of that row, strips) for each tile of rows of the block.
  template <class Body> void eachRowTile(QueryBlock block, int64_t chunk, int64_t keysEnd, const Body& body) const {
    for (int64_t row = 0; row < block.end - block.begin; row += R)
      body(row, block.begin + row, visibleStrips(shape, block.begin + row, R, chunk, keysEnd));
  }

  template <int V> void scoreTile(const PackedKeys<C>& keys, int64_t row, int64_t strip) const {
    multiplyTile<V>(TileLeft<C>{q + row * keys.depth, keys.depth}, keys.strip(strip), keys.depth / Tile::unit, 1,
                    TileResult{scores, V * kLanes, kLanes});
    shape.cap(scores, R * V);
  }

  // sums and output of all rows of the block, relative to references, which it finds on the diagonal unless given.
  void accumulate(const PackedKeys<C>& keys, QueryBlock block, bool referencesGiven) {
    std::memset(sums, 0, kQueryBlock * kLanes * sizeof(float));
    const int64_t lowest = shape.firstKey(block.begin) / kKeyChunk * kKeyChunk;
    bool first = true;
    for (int64_t chunk = (block.end - 1) / kKeyChunk * kKeyChunk; chunk >= lowest; chunk -= kKeyChunk, first = false)
      eachRowTile(block, chunk, keys.end, [&](int64_t row, int64_t position, StripRange strips) {
        if (strips.begin == strips.end) return;
        bool diagonal = first && !referencesGiven;
        eachPiece<C>(strips.begin, strips.end, [&](int64_t strip, auto count) {
          constexpr int V = decltype(count)::value;
          scoreTile<V>(keys, row, strip);
          if (diagonal)
            for (int i = 0; i < R; i++) {
              const int64_t own = position + i - strip * kLanes;  // rows past the end have no key of their own
              references[row + i] = own >= 0 && own < V * kLanes ? scores[i * V * kLanes + own] * scale2 : 0.0f;
            }
          diagonal = false;
          C* to = p + row * pStride + strip * kLanes - chunk;
          if (crossesEdge(shape, position, R, strip * kLanes, (strip + V) * kLanes - 1))
            exponentials<V, true>(row, position, strip * kLanes, to);
          else
            exponentials<V, false>(row, position, strip * kLanes, to);
        });
        addValues(keys, row, chunk, strips, !first);
      });
  }

  template <int V, bool Edge> void exponentials(int64_t row, int64_t position, int64_t key, C* to) {
    // Locals, since what is stored could be the members for all that a compiler knows.
    const float *from = scores, *reference = references + row;
    float* rowSums = sums + row * kLanes;
    const vf scale = splat(scale2);
    const VisibleRows visible[] = {{shape, position, key}, {shape, position, key + kLanes}, {shape, position, key + 2 * kLanes}};
    for (int i = 0; i < R; i++, from += V * kLanes, to += pStride, rowSums += kLanes) {
      const vf own = splat(reference[i]);
      vf z = load(rowSums);
#pragma GCC unroll 3
      for (int j = 0; j < V; j++) {
        vf e = exp2<C>(load(from + j * kLanes) * scale - own);
        if (Edge) e = visible[j].valueOr(i, e, 0.0f);
        z += e;
        store(to + j * kLanes, e);
      }
      store(rowSums, z);
    }
  }

  // output += P V for one tile of rows and the strips of one chunk.
  void addValues(const PackedKeys<C>& keys, int64_t row, int64_t chunk, StripRange strips, bool add) {
    const int64_t begin = strips.begin * kLanes, count = clearToDepth(p + row * pStride - chunk, pStride, strips);
    eachPiece<C>(0, keys.width / kLanes, [&](int64_t vector, auto n) {
      multiplyTile<decltype(n)::value>(TileLeft<C>{p + row * pStride + begin - chunk, pStride},
                                       keys.values(keys.valueRows, begin, vector), count / Tile::unit, 1,
                                       TileResult{output + row * keys.width + vector * kLanes, keys.width, kLanes, add});
    });
  }

  // Rare: the largest score of each row, or the head's sink, as its reference.
  void findMaxima(const PackedKeys<C>& keys, QueryBlock block, int64_t head) {
    const float none = -__builtin_inff();
    for (int i = 0; i < kQueryBlock; i++) references[i] = shape.sinks ? shape.sinks[head] * kLog2E : none;
    for (int64_t chunk = shape.firstKey(block.begin) / kKeyChunk * kKeyChunk; chunk < block.end; chunk += kKeyChunk)
      eachRowTile(block, chunk, keys.end, [&](int64_t row, int64_t position, StripRange strips) {
        eachPiece<C>(strips.begin, strips.end, [&](int64_t strip, auto count) {
          constexpr int V = decltype(count)::value;
          scoreTile<V>(keys, row, strip);
          for (int j = 0; j < V; j++) {
            const VisibleRows visible(shape, position, (strip + j) * kLanes);
            for (int i = 0; i < R; i++) {
              const vf s = load(scores + (i * V + j) * kLanes) * splat(scale2);
              references[row + i] = std::max(references[row + i], maxOf(visible.valueOr(i, s, none)));
            }
          }
        });
      });
  }
};

// All of the work, on all threads.
template <class Act>
static void runAttention(Pool& pool, const AttentionWork<Act>& work, const Act* queries, Act* outputs, float* lse) {
  const std::vector<AttentionPiece> pieces = work.piecesOfItems(4 * pool.threads());
  Shares shares(pool, (int64_t)pieces.size());
  pool.run([&](int part) {
    const AttentionTileScope tiles;
    AttentionForward<Act> forward{work.shape, queries, work.shape.columns(), outputs, lse, pool, part};
    shares.run(part, [&](Range some) {
      for (int64_t i = some.begin; i < some.end; i++) {
        const auto& [item, share] = pieces[i];
        forward.item(work.items[item], item + 1 < work.items.size() ? &work.items[item + 1] : nullptr, share);
      }
    });
  });
}

void attentionForward(const args::Attention& op) {
  withType(op.qkv().dtype, [&](auto zero) {
    using Act = decltype(zero);
    runAttention(op.pool(), documentWork<Act>(op), op.qkv().as<const Act>(), op.o().as<Act>(), dataOf<float>(op.lse()));
  });
}

}  // namespace fettle::FETTLE_ISA

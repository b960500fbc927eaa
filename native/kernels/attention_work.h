// What there is to do in an attention op, and who does it.
//
// An *item* is one document (or one prompt piece before a cache) seen by one key head and its group of query heads. Its
// queries come in *blocks* of kQueryBlock, cut where positions are multiples of it. Threads get contiguous runs of blocks,
// of equal estimated cost, in the order of the items: two threads are balanced even on a single document, and the division
// depends on nothing but shapes and thread count. A thread packs the keys and values of an item when it comes to it; only
// the items on a border between two threads are packed twice.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "attention_tile.h"
#include "exponentials.h"
#include "ops.h"
#include "pack.h"
#include "pool.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kQueryBlock = 32;
constexpr int64_t kKeyChunk = 256;  // keys whose scores are held at a time; a multiple of kQueryBlock and of 2 · kLanes

struct AttentionShape {
  int64_t headDim, group, window, queryHeads, keyHeads;
  float scale;
  Capped capped;       // of scores without their scale, in units of it: cap / scale · tanh(x · scale / cap)
  const float* sinks;  // [queryHeads], or null
  template <class Op>
  explicit AttentionShape(const Op& op)
      : headDim(op.headDim()), window(op.window()), queryHeads(op.queryHeads()), keyHeads(op.keyHeads()), scale((float)op.scale()),
        capped(1, (float)(op.cap() / op.scale())), sinks(dataOf<const float>(op.sinks())) {
    group = queryHeads / keyHeads;
  }
  // Bounds `count` vectors of products q · k.
  void cap(float* scores, int count) const {
    if (!capped.isCapped()) return;
    for (int i = 0; i < count; i++) store(scores + i * kLanes, capped(load(scores + i * kLanes)));
  }
  int64_t columns() const { return (queryHeads + 2 * keyHeads) * headDim; }
  // First key that the query at `position` sees.
  int64_t firstKey(int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

template <class Act> struct AttentionItem {
  const Act *keys, *values;  // of position 0, this head
  int64_t keyStride;
  int64_t token;     // row of the first query
  int64_t position;  // of the first query among the keys
  int64_t queries;
  int64_t keyHead;
  int64_t end() const { return position + queries; }
};

// Positions [begin, end) of an item.
struct QueryBlock {
  int64_t begin, end;
};

template <class Act> struct AttentionWork {
  AttentionShape shape;
  std::vector<AttentionItem<Act>> items;
  std::vector<int64_t> costBefore;  // of each item, and of all

  explicit AttentionWork(const AttentionShape& s) : shape(s) {}

  // A block's cost, in rows times keys; the constant stands for what does not grow with the keys.
  int64_t cost(QueryBlock block) const {
    return (roundUp(block.end - block.begin, AttentionTile<float>::rows) + 4) *
           (block.end - shape.firstKey(block.begin) + 32);
  }
  static QueryBlock blockAt(const AttentionItem<Act>& item, int64_t begin) {
    const int64_t edge = (begin / kQueryBlock + 1) * kQueryBlock;
    return {begin, edge < item.end() ? edge : item.end()};
  }
  template <class Body> static void eachBlock(const AttentionItem<Act>& item, const Body& body) {
    for (int64_t at = item.position; at < item.end();) {
      const QueryBlock block = blockAt(item, at);
      body(block);
      at = block.end;
    }
  }
  void add(const AttentionItem<Act>& item) {
    if (costBefore.empty()) costBefore.push_back(0);
    int64_t total = costBefore.back();
    eachBlock(item, [&](QueryBlock block) { total += cost(block); });
    items.push_back(item);
    costBefore.push_back(total);
  }
  // Calls body(item index, positions [begin, end)) for thread t of n: whole blocks, those that begin in its share of cost.
  template <class Body> void eachShare(int t, int n, const Body& body) const {
    if (items.empty()) return;
    const Range mine = partOf(costBefore.back(), t, n);
    size_t i = std::upper_bound(costBefore.begin(), costBefore.end(), mine.begin) - costBefore.begin() - 1;
    for (; i < items.size() && costBefore[i] < mine.end; i++) {
      int64_t at = costBefore[i];
      QueryBlock share{-1, -1};
      eachBlock(items[i], [&](QueryBlock block) {
        if (at >= mine.begin && at < mine.end) {
          if (share.begin < 0) share.begin = block.begin;
          share.end = block.end;
        }
        at += cost(block);
      });
      if (share.begin >= 0) body(i, share);
    }
  }
};

// One item a document and key head, for the training form: keys and values stand in qkv beside the queries.
template <class Act, class Op> static AttentionWork<Act> documentWork(const Op& op) {
  AttentionWork<Act> work{AttentionShape(op)};
  const AttentionShape& shape = work.shape;
  const Act* qkv = op.qkv().template as<const Act>();
  const int32_t* starts = op.starts().template as<const int32_t>();
  const int64_t tokens = op.qkv().rows(), columns = shape.columns();
  for (int64_t begin = 0, end; begin < tokens; begin = end) {
    for (end = begin + 1; end < tokens && starts[end] == starts[begin];) end++;
    for (int64_t head = 0; head < shape.keyHeads; head++) {
      const Act* keys = qkv + begin * columns + (shape.queryHeads + head) * shape.headDim;
      work.add({keys, keys + shape.keyHeads * shape.headDim, columns, begin, 0, end - begin, head});
    }
  }
  return work;
}

// Hands out pieces of one scratch buffer, 64-byte aligned.
class Carver {
 public:
  explicit Carver(void* at) : at_(static_cast<char*>(at)) {}
  template <class T> T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(at_);
    at_ += roundUp(count * (int64_t)sizeof(T), 64);
    return piece;
  }
  // Bytes handed out, when carving began at null: to find out how many are needed.
  size_t taken() const { return reinterpret_cast<size_t>(at_); }

 private:
  char* at_;
};

}  // namespace fettle::FETTLE_ISA

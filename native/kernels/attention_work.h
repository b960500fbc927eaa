// What there is to do in an attention op, and who does it.
//
// An *item* is one document (or one prompt piece before a cache) seen by one key head and its group of query heads. Its
// queries come in *blocks* of kQueryBlock, cut where positions are multiples of it. A *piece* is an item, or a run of blocks of a
// long one. Pieces follow from shapes and thread count alone, and threads share them (shares.h), so that even a single document
// keeps all of them busy. Keys and values are packed for each piece.
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

struct AttentionPiece {
  size_t item;
  QueryBlock queries;
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
  bool isWhole(const AttentionPiece& piece) const {
    return piece.queries.begin == items[piece.item].position && piece.queries.end == items[piece.item].end();
  }
  // All work cut into `parts` of even cost: an item is in several pieces where they meet.
  std::vector<AttentionPiece> piecesOfParts(int parts) const {
    std::vector<AttentionPiece> pieces;
    for (size_t i = 0; i < items.size(); i++)
      cut(pieces, i, [&](int64_t at) { return ((costBefore[i] + at + 1) * parts - 1) / costBefore.back(); });
    return pieces;
  }
  // Items whole, but for those that cost more than one of so many parts.
  std::vector<AttentionPiece> piecesOfItems(int64_t parts) const {
    std::vector<AttentionPiece> pieces;
    for (size_t i = 0; i < items.size(); i++) {
      const int64_t cost = costBefore[i + 1] - costBefore[i], count = std::max<int64_t>(1, cost * parts / costBefore.back());
      cut(pieces, i, [&](int64_t at) { return at * count / cost; });
    }
    return pieces;
  }

 private:
  // Cuts an item before each block for which partAt(cost of the blocks before it) is another than for the one before.
  template <class PartAt> void cut(std::vector<AttentionPiece>& pieces, size_t i, const PartAt& partAt) const {
    int64_t at = 0, last = -1;
    eachBlock(items[i], [&](QueryBlock block) {
      const int64_t part = partAt(at);
      if (part == last) pieces.back().queries.end = block.end;
      else pieces.push_back({i, block});
      last = part;
      at += cost(block);
    });
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

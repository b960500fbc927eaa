// How threads walk through the parts of the output head's vocabulary: a block of W is packed by the thread whose part it is, and all
// token rows run past it in tiles, which others take, too. Formulas and names: target_log_probs.h.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "blocks.h"
#include "gemm.h"
#include "head_exponentials.h"
#include "ops.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kHeadVocabulary = 384;  // rows of W in a block: 2 x 440 KB of panels at H = 576
constexpr int64_t kHeadTile = 128;        // token rows in a tile
constexpr float kHeadLimit = 1e26f;       // a sum beyond this moves the reference; e^88 is the end of float
constexpr float kHeadSquareLimit = 1e15f; // the same where squares are summed too

// The rows of a weight from `first` on, as a source for packing.
template <class S> struct RowsFrom {
  Stacked<S> all;
  int64_t first, stride;
  RowsFrom(const Tensor& weight, int64_t first) : all(weight), first(first), stride(weight.cols()) {}
  const S* row(int64_t i) const { return all.row(first + i); }
  int64_t runEnd(int64_t i) const {
    const int64_t end = all.runEnd(first + i);
    return end == INT64_MAX ? end : end - first;
  }
};

// A head, and where LoRA is on it the columns that continue it.
struct Head {
  const Tensor& weight;
  const Tensor* loraB;  // float
  int64_t rows() const { return weight.rows(); }
  int64_t width() const { return weight.cols() + (loraB ? loraB->cols() : 0); }
  // Whether rows are not there as they are used: continued, or in blocks.
  bool copies() const { return loraB || isBlocks(weight.dtype); }
  // Row v: itself, or made in `copy` [width].
  template <class Weight> const Weight* row(int64_t v, Weight* copy) const {
    if (!copies()) return weight.row<const Weight>(v);
    if (isBlocks(weight.dtype)) decodeRows(copy, width(), weight, v, 1, 0, weight.cols());
    else std::memcpy(copy, weight.row<const Weight>(v), weight.cols() * sizeof(Weight));
    if (!loraB) return copy;
    convert(copy + weight.cols(), loraB->as<const float>() + v * loraB->cols(), loraB->cols());
    return copy;
  }
};

// A chunk of token rows, as all threads see it.
template <class C> struct HeadChunk {
  int64_t rows, width;
  const C* hidden;         // [rows, width]
  const int32_t* targets;  // [rows]
  float* targetLogits;     // s_t [rows]
  Capped capped;
};

// What has been found in a part of the vocabulary.
struct HeadPart {
  float* references;  // r [rows]
  float* sums;        // Z [rows, kLanes], to be added up
  float* outputs;     // O [rows, width], null where no gradient is wanted
  float* described;   // Σ e s, Σ e², Σ s and the largest other s [rows, 4, kLanes], null where no description is wanted
};

// A part of the vocabulary as the threads share it: its block's panels, and its tiles, counted through all blocks: those that may
// be taken because their block is packed, those that are taken, and those that are done.
template <class C> struct HeadShare {
  HeadPart part{};
  C *forward = nullptr, *backward = nullptr;  // panels of W for h Wᵀ and for p W
  Range words{};                              // of the block
  bool first = true;                          // nothing in part.outputs yet
  alignas(64) std::atomic<int64_t> opened{0};
  std::atomic<int64_t> taken{0}, done{0};
  std::atomic<bool> isOver{false};

  // The number of a tile, or −1.
  int64_t take() {
    int64_t tile = taken.load(std::memory_order_relaxed);
    while (tile < opened.load(std::memory_order_acquire))
      if (taken.compare_exchange_weak(tile, tile + 1, std::memory_order_relaxed)) return tile;
    return -1;
  }
  bool mayTake() const { return taken.load(std::memory_order_relaxed) < opened.load(std::memory_order_acquire); }
};

// One thread's state while it walks through a part of the vocabulary.
template <class C, class Weight> struct HeadWalk {
  const HeadChunk<C>& chunk;
  const Head& head;
  HeadShare<C>& share;
  Weight* copied;        // the block's rows where they are made, else null
  C* p;                  // tile of probabilities
  float* kept;           // sums of the tile's rows before the block; the rows' largest s in raiseReferences
  float* keptDescribed;  // likewise of what describes them
  const HeadPart& part = share.part;

  static constexpr int columns = kPanelColumns<C>;
  int64_t panelSize(int64_t depth) const { return panelCells<C>(depth, columns); }

  template <class Body> static void eachPanel(int64_t total, const Body& body) {
    for (int64_t j = 0; j < total; j += columns) body(j, (int)(total - j < columns ? total - j : columns));
  }

  int64_t words() const { return share.words.end - share.words.begin; }
  void pack() {
    const int64_t first = share.words.begin;
    if (!copied) return packFrom(Stacked<Weight>(head.weight), first, RowsFrom<Weight>(head.weight, first));
    for (int64_t v = 0; v < words(); v++) head.row<Weight>(first + v, copied + v * chunk.width);
    const Plain<Weight> block{copied, chunk.width};
    packFrom(block, 0, block);
  }
  template <class Rows, class Columns> void packFrom(const Rows& rows, int64_t first, const Columns& across) {
    eachPanel(words(), [&](int64_t v, int n) {
      packRows(share.forward + v / columns * panelSize(chunk.width), rows, first + v, n, chunk.width);
    });
    if (!part.outputs) return;
    eachPanel(chunk.width, [&](int64_t j, int n) {
      packColumns(share.backward + j / columns * panelSize(kHeadVocabulary), across, j, n, words());
    });
  }

  // h Wᵀ for rows [begin, end) and the whole block; makeStore(v) is the store for the panel that starts at word v.
  template <class MakeStore> void logits(int64_t begin, int64_t end, const MakeStore& makeStore) {
    eachPanel(words(), [&](int64_t v, int n) {
      const Term<C> term{chunk.hidden, chunk.width, share.forward + v / columns * panelSize(chunk.width), chunk.width};
      multiply(term, begin, end, n, makeStore(v));
    });
  }

  void exponentials(int64_t begin, int64_t end) {
    if (part.described) chunk.capped.isPlain() ? exponentialsAs<true, true>(begin, end) : exponentialsAs<false, true>(begin, end);
    else chunk.capped.isPlain() ? exponentialsAs<true, false>(begin, end) : exponentialsAs<false, false>(begin, end);
  }
  template <bool IsPlain, bool Describes> void exponentialsAs(int64_t begin, int64_t end) {
    logits(begin, end, [&](int64_t v) {
      return StoreExponentials<C, IsPlain, Describes>{chunk.capped, part.references, chunk.targets, part.sums, part.described,
                                                      part.outputs ? p + v : nullptr, begin, kHeadVocabulary, share.words.begin + v};
    });
  }

  // Rare: takes the rows' largest logits so far as references, scales what was found before, and leaves p and Z undone.
  void raiseReferences(int64_t begin, int64_t end) {
    std::memcpy(part.sums + begin * kLanes, kept, (end - begin) * kLanes * sizeof(float));
    if (part.described)
      std::memcpy(part.described + begin * kHeadDescribed, keptDescribed, (end - begin) * kHeadDescribed * sizeof(float));
    for (int64_t i = 0; i < (end - begin) * kLanes; i++) kept[i] = -__builtin_inff();
    logits(begin, end, [&](int64_t) { return StoreMaximum{chunk.capped, kept - begin * kLanes}; });
    for (int64_t row = begin; row < end; row++) {
      const float largest = maxOf(load(kept + (row - begin) * kLanes));
      if (!(largest > part.references[row])) continue;
      const vf factor = exp(splat(part.references[row] - largest));
      part.references[row] = largest;
      store(part.sums + row * kLanes, load(part.sums + row * kLanes) * factor);
      if (part.described) {
        float* d = part.described + row * kHeadDescribed;
        store(d, load(d) * factor);
        store(d + kLanes, load(d + kLanes) * factor * factor);
      }
      if (!part.outputs || share.first) continue;
      float* o = part.outputs + row * chunk.width;
      eachVector(chunk.width, [&](int64_t i, auto count) { storePart(o + i, loadPart(o + i, count) * factor, count); });
    }
  }

  void tile(int64_t begin, int64_t end) {
    std::memcpy(kept, part.sums + begin * kLanes, (end - begin) * kLanes * sizeof(float));
    if (part.described)
      std::memcpy(keptDescribed, part.described + begin * kHeadDescribed, (end - begin) * kHeadDescribed * sizeof(float));
    exponentials(begin, end);
    vf largest = {};
    for (int64_t row = begin; row < end; row++) largest = vmax(load(part.sums + row * kLanes), largest);
    if (maxOf(largest) > (part.described ? kHeadSquareLimit : kHeadLimit)) {
      raiseReferences(begin, end);
      exponentials(begin, end);
    }
    if (!part.outputs) return;
    eachPanel(chunk.width, [&](int64_t j, int n) {
      const Term<C> term{p, kHeadVocabulary, share.backward + j / columns * panelSize(kHeadVocabulary), words()};
      multiply(term, 0, end - begin, n, StoreTo<float>{part.outputs + begin * chunk.width + j, chunk.width, !share.first});
    });
  }

  int64_t tiles() const { return (chunk.rows + kHeadTile - 1) / kHeadTile; }
  // Does one of the tiles that may be taken, if there is one.
  bool help() {
    const int64_t taken = share.take();
    if (taken < 0) return false;
    const int64_t row = taken % tiles() * kHeadTile;
    tile(row, std::min(row + kHeadTile, chunk.rows));
    share.done.fetch_add(1, std::memory_order_release);
    return true;
  }
  // All blocks of words [begin, end).
  void walk(Pool& pool, int64_t begin, int64_t end) {
    const TileScope scope;
    for (int64_t tiles = this->tiles(), opened = 0; begin < end; begin = share.words.end, share.first = false) {
      share.words = {begin, std::min(begin + kHeadVocabulary, end)};
      pack();
      share.opened.store(opened += tiles, std::memory_order_release);
      do pool.settle();
      while (pool.timed([&] { return help(); }));
      pool.await([&] { return share.done.load(std::memory_order_acquire) == opened; });
    }
    share.isOver.store(true, std::memory_order_release);
  }
  // Tiles of blocks that another thread walks through, until all are done.
  void helpOn(Pool& pool) {
    const TileScope scope;
    for (; !share.isOver.load(std::memory_order_acquire); pool.settle())
      if (!pool.timed([&] { return help(); }))
        pool.await([&] { return share.isOver.load(std::memory_order_acquire) || share.mayTake(); });
  }
};

// The words of part t of n: whole panels.
template <class C> static Range headWords(int64_t vocabulary, int t, int n) {
  const Range panels = partOf((vocabulary + kPanelColumns<C> - 1) / kPanelColumns<C>, t, n);
  return {panels.begin * kPanelColumns<C>, std::min(panels.end * kPanelColumns<C>, vocabulary)};
}

// Room for Z, O and r of a part of the vocabulary and for a block's panels.
template <class C>
static void layOutShare(Pool& pool, int part, HeadShare<C>& share, const HeadChunk<C>& chunk, bool gradient, bool describes) {
  const auto scratch = [&](int slot, size_t bytes) { return pool.scratch(part, slot, bytes); };
  const int64_t panels = roundUp(kHeadVocabulary, kPanelColumns<C>), across = roundUp(chunk.width, kPanelColumns<C>);
  HeadPart& found = share.part;
  found.references = static_cast<float*>(scratch(0, chunk.rows * (1 + kLanes + (describes ? kHeadDescribed : 0)) * sizeof(float)));
  found.sums = found.references + chunk.rows;
  found.outputs = gradient ? static_cast<float*>(scratch(1, chunk.rows * chunk.width * sizeof(float))) : nullptr;
  std::memcpy(found.references, chunk.targetLogits, chunk.rows * sizeof(float));
  std::memset(found.sums, 0, chunk.rows * kLanes * sizeof(float));
  found.described = describes ? found.sums + chunk.rows * kLanes : nullptr;
  for (int64_t i = 0; describes && i < chunk.rows * kHeadDescribed; i++)
    found.described[i] = i % kHeadDescribed < 3 * kLanes ? 0.0f : -__builtin_inff();
  share.forward = static_cast<C*>(scratch(2, roundUp(chunk.width, Block<C>::depth) * panels * sizeof(C)));
  share.backward = gradient ? static_cast<C*>(scratch(3, kHeadVocabulary * across * sizeof(C))) : nullptr;
}

// Walks through one part of the vocabulary, and helps with the others that have begun.
template <class C, class Weight>
static void headWalk(Pool& pool, int part, const HeadChunk<C>& chunk, const Head& head, std::vector<HeadShare<C>>& shares, bool gradient,
                     bool describes) {
  const int count = (int)shares.size();
  layOutShare(pool, part, shares[part], chunk, gradient, describes);
  const int64_t telling = describes ? kHeadDescribed : 0;
  C* p = gradient ? static_cast<C*>(pool.scratch(part, 4, kHeadTile * kHeadVocabulary * sizeof(C))) : nullptr;
  float* kept = static_cast<float*>(pool.scratch(part, 5, kHeadTile * (kLanes + telling) * sizeof(float)));
  float* keptDescribed = describes ? kept + kHeadTile * kLanes : nullptr;
  Weight* copied = head.copies() ? static_cast<Weight*>(pool.scratch(part, 8, kHeadVocabulary * chunk.width * sizeof(Weight))) : nullptr;
  const auto walk = [&](HeadShare<C>& share) { return HeadWalk<C, Weight>{chunk, head, share, copied, p, kept, keptDescribed}; };
  const Range words = headWords<C>(head.rows(), part, count);
  walk(shares[part]).walk(pool, words.begin, words.end);
  for (int other = 1; other < count; other++) {
    HeadShare<C>& share = shares[(part + other) % count];
    if (share.opened.load(std::memory_order_acquire)) walk(share).helpOn(pool);
  }
}

}  // namespace fettle::FETTLE_ISA

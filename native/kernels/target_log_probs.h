// The output head fused with the log-softmax: flash attention over the vocabulary, so the logits never exist.
//
//     s_v = c(h · W_v),  t = target,  Z = Σ_{v≠t} e^(s_v − r),  O = Σ_{v≠t} e^(s_v − r) c'_v W_v
//     lse = log(Z + e^(s_t − r)) + r,   logProb = s_t − lse,   dH = weight · (O − Z · c'_t W_t) / (Z + e^(s_t − r))
//     c(x) = cap · tanh(scale · x / cap), or scale · x without a cap; c' is its slope
//
// The target is left out of Z and O and comes back exactly at the end: bf16 probabilities near 1 would spoil both.
// The reference r starts as s_t and moves only if a sum is about to leave the range of float (raiseReferences), so
// e^(s − r) is taken in the registers of the product kernel, and not even a tile of s is written.
//
// Blocking: threads divide the vocabulary, so that each panel of W is packed once, by one thread. A thread packs a block of
// W in both directions (h Wᵀ and p W), runs all token rows past it, kHeadTile at a time, and adds to its part's O [rows, H];
// the parts' (r, Z, O) are merged in their order. Rows come in chunks, which bound the memory of O.
// Who is done with a part takes tiles of the blocks that others have packed: a tile's sums meet the blocks in their order whoever
// makes them.
//
// Measured, Zen 5, H = 576: 192 to 576 words and tiles of 64 to 256 rows differ by 1 %; asking for the next block of W ahead of
// time gains nothing.
//
// Where a description is asked for, the same registers also give Σ e s and Σ e² (without the target, as Z), Σ s and the largest
// other s, from which entropy = lse − Σ e s / Z, mean logit, margin and log Σ p² = log(Σ e² / Z²) follow.
//
// LoRA on the head (adaptedLogProbs): W continues with the columns of B, and h with those of A h. A block of both is copied together
// before it is packed; all else is the same.
//
// Source of the online softmax: Dao et al. 2022, https://arxiv.org/abs/2205.14135
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "ops.h"
#include "blocks.h"
#include "exponentials.h"
#include "gemm.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kHeadVocabulary = 384;  // rows of W in a block: 2 x 440 KB of panels at H = 576
constexpr int64_t kHeadTile = 128;        // token rows in a tile
constexpr int64_t kHeadRows = 1024;       // token rows in a chunk, at most
constexpr int64_t kHeadFloats = 1 << 26;  // elements of O of all threads together, at most
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

inline vi laneNumbers() {
  vi lanes;
  for (int i = 0; i < kLanes; i++) lanes[i] = i;
  return lanes;
}
inline vi splatInt(int x) { return x - vi{}; }

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
constexpr int64_t kHeadDescribed = 4 * kLanes;

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

// e^x, for bf16 cells within 2.6e-6 of it: a thousandth of their rounding.
template <class C> inline vf headExp(vf x) {
  if constexpr (sizeof(C) == 2) return exp2<C>(x * splat(kLog2E));
  else return exp(x);
}

// Store of the product h Wᵀ: p = e^(s − r), zero for the target and past the end; adds to Z, and keeps p as cells.
template <class C, bool IsPlain, bool Describes> struct StoreExponentials {
  Capped capped;
  const float* references;
  const int32_t* targets;
  float* sums;
  float* described;
  C* p;  // tile [rows from tileBegin, stride] at this panel's column, or null
  int64_t tileBegin, stride;
  int64_t firstWord;  // of this panel
  void operator()(int64_t row, int column, vf value, int n) const {
    const int here = (int)(targets[row] - firstWord) - column;
    if (!IsPlain) value = capped(value);
    vf e = headExp<C>(value - splat(references[row]));
    if ((unsigned)here < (unsigned)kLanes) e = select(laneNumbers() == splatInt(here), vf{}, e);
    if (n < kLanes) e = select(laneNumbers() < splatInt(n), e, vf{});
    store(sums + row * kLanes, load(sums + row * kLanes) + e);
    if (Describes) describe(described + row * kHeadDescribed, value, e, here, n);
    if (p) store(p + (row - tileBegin) * stride + column, IsPlain ? e : e * capped.slope(value));
  }
  static void describe(float* d, vf value, vf e, int target, int n) {
    vf other = value;
    if ((unsigned)target < (unsigned)kLanes) other = select(laneNumbers() == splatInt(target), splat(-__builtin_inff()), other);
    if (n < kLanes) {
      value = select(laneNumbers() < splatInt(n), value, vf{});
      other = select(laneNumbers() < splatInt(n), other, splat(-__builtin_inff()));
    }
    store(d, load(d) + e * value);
    store(d + kLanes, load(d + kLanes) + e * e);
    store(d + 2 * kLanes, load(d + 2 * kLanes) + value);
    store(d + 3 * kLanes, vmax(other, load(d + 3 * kLanes)));
  }
};

// Store of the same product that keeps the largest s of each row and lane.
struct StoreMaximum {
  Capped capped;
  float* largest;  // [rows, kLanes]
  void operator()(int64_t row, int, vf value, int n) const {
    value = capped(value);
    if (n < kLanes) value = select(laneNumbers() < splatInt(n), value, splat(-__builtin_inff()));
    store(largest + row * kLanes, vmax(value, load(largest + row * kLanes)));
  }
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

// Where the results of a chunk go; all but logProbs may be null.
template <class Act> struct HeadResults {
  float *logProbs, *lse;
  Act* dHidden;
  const float* weights;  // −∂loss/∂logProb of each row; null: ones
  float* description;    // [rows, 4]
};

// logProb, lse and dHidden of one row from all parts; shares has room for one number a part.
template <class C, class Act, class Weight>
static void headMergeRow(const HeadChunk<C>& chunk, const std::vector<HeadPart>& parts, float* shares, int64_t row,
                         const Weight* targetWeight, int64_t vocabulary, const HeadResults<Act>& results) {
  const float targetLogit = chunk.targetLogits[row];
  float reference = targetLogit;
  for (const HeadPart& part : parts) reference = std::max(reference, part.references[row]);
  double others = 0;
  for (size_t t = 0; t < parts.size(); t++) {
    const double share = std::exp((double)parts[t].references[row] - reference);
    others += share * sum(load(parts[t].sums + row * kLanes));
    shares[t] = (float)share;
  }
  const double all = others + std::exp((double)targetLogit - reference);
  const float logProb = -(float)(std::log(all) + reference - targetLogit);
  results.logProbs[row] = logProb;
  if (results.lse) results.lse[row] = (float)(std::log(all) + reference);
  if (results.description) {
    const double target = std::exp((double)targetLogit - reference);
    double products = target * targetLogit, squares = target * target, logits = 0;
    float other = -__builtin_inff();
    for (size_t t = 0; t < parts.size(); t++) {
      const float* d = parts[t].described + row * kHeadDescribed;
      const double share = std::exp((double)parts[t].references[row] - reference);
      products += share * sum(load(d));
      squares += share * share * sum(load(d + kLanes));
      logits += sum(load(d + 2 * kLanes));
      other = std::max(other, maxOf(load(d + 3 * kLanes)));
    }
    float* told = results.description + 4 * row;
    told[0] = (float)(std::log(all) + reference - products / all);
    told[1] = (float)(logits / vocabulary);
    told[2] = targetLogit - other;
    told[3] = (float)(std::log(squares) - 2 * std::log(all));
  }
  if (!results.dHidden) return;
  // A log-probability that is not a number must not leave a gradient that looks like one.
  const double weight = results.weights ? results.weights[row] : 1.0f;
  const double scale = std::isfinite(logProb) ? weight / all : std::numeric_limits<double>::quiet_NaN();
  const vf target = splat((float)-others * chunk.capped.slope(targetLogit)), factor = splat((float)scale);
  eachVector(chunk.width, [&](int64_t i, auto count) {
    vf d = target * loadPart(targetWeight + i, count);
    for (size_t t = 0; t < parts.size(); t++)
      d += splat(shares[t]) * loadPart(parts[t].outputs + row * chunk.width + i, count);
    storePart(results.dHidden + row * chunk.width + i, factor * d, count);
  });
}

// The hidden states as cells: as they are, or converted into `copy`, in which case `thread` of `threads` does its part.
template <class C, class Act>
static const C* headCells(const Act* hidden, C* copy, int64_t size, int thread, int threads) {
  if constexpr (std::is_same<C, Act>::value) return hidden;
  const Range mine = partOf(size, thread, threads);
  convert(copy + mine.begin, hidden + mine.begin, mine.end - mine.begin);
  return copy;
}

// s_t of one row, the weight rounded to a cell as the panels round it.
template <class C, class Weight>
static float headTargetLogit(const C* hidden, const Weight* weight, C* copy, int64_t width, const Capped& capped) {
  convert(copy, weight, width);
  return capped(sumOfTerms(width, [&](int64_t i, auto count) { return loadPart(hidden + i, count) * loadPart(copy + i, count); }));
}

template <class Act, class Weight>
static void headChunk(Pool& pool, const Act* hidden, const Head& head, const int32_t* targets, int64_t rows,
                      Capped capped, const HeadResults<Act>& results) {
  using C = Cell<Act>;
  const int64_t width = head.width(), vocabulary = head.rows();
  const int threads = pool.threads();
  C* copy = std::is_same<C, Act>::value ? nullptr : static_cast<C*>(pool.scratch(0, 6, rows * width * sizeof(C)));
  float* targetLogits = static_cast<float*>(pool.scratch(0, 7, rows * sizeof(float)));
  HeadChunk<C> chunk{rows, width, nullptr, targets, targetLogits, capped};
  pool.run([&](int thread) {
    const C* cells = headCells(hidden, copy, rows * width, thread, threads);
    if (thread == 0) chunk.hidden = cells;
  });
  pool.run([&](int thread) {
    C* row = static_cast<C*>(pool.scratch(thread, 5, width * sizeof(C)));
    std::vector<Weight> together(head.copies() ? width : 0);
    const Range mine = partOf(rows, thread, threads);
    for (int64_t m = mine.begin; m < mine.end; m++)
      targetLogits[m] = headTargetLogit(chunk.hidden + m * width, head.row<Weight>(targets[m], together.data()), row, width, capped);
  });
  const int64_t panels = (vocabulary + kPanelColumns<C> - 1) / kPanelColumns<C>;
  const int count = (int)std::min<int64_t>(threads, panels);
  std::vector<HeadShare<C>> shares(count);
  pool.run([&](int part) {
    if (part < count) headWalk<C, Weight>(pool, part, chunk, head, shares, results.dHidden != nullptr, results.description != nullptr);
  });
  std::vector<HeadPart> parts;
  for (const HeadShare<C>& share : shares) parts.push_back(share.part);
  pool.run([&](int thread) {
    std::vector<float> shares(count);
    std::vector<Weight> together(head.copies() ? width : 0);
    const Range mine = partOf(rows, thread, threads);
    for (int64_t m = mine.begin; m < mine.end; m++)
      headMergeRow(chunk, parts, shares.data(), m, head.row<Weight>(targets[m], together.data()), vocabulary, results);
  });
}

// Chunks of rows: as even as possible, none larger than kHeadRows or than the memory for O allows.
static int64_t headChunks(int64_t rows, int64_t width, int threads) {
  const int64_t most = std::max<int64_t>(kHeadTile, std::min(kHeadRows, kHeadFloats / (width * threads)));
  return (rows + most - 1) / most;
}

// body(zero) with a zero of the type that rows are read in: what is stored, or cells where that is decoded.
template <class Act, class Body> static void withHeadWeight(DType dtype, const Body& body) {
  if (isBlocks(dtype)) body(Cell<Act>{}); else withType(dtype, body);
}

// `op` is targetLogProbs or adaptedLogProbs.
template <class Op> static void headForward(const Op& op, const Head& head) {
  const Tensor &hidden = op.hidden(), &weight = op.weight();
  const int32_t* targets = dataOf<const int32_t>(&op.targets());
  const int64_t width = hidden.cols(), learned = rowsBeforePadding(targets, hidden.rows()), padding = hidden.rows() - learned;
  const int64_t chunks = headChunks(learned, width, op.pool().threads());
  float *logProbs = dataOf<float>(&op.logProbs()), *lse = dataOf<float>(op.lse());
  const float* weights = dataOf<const float>(op.weights());
  for (float* results : {logProbs, lse})
    if (results) std::memset(results + learned, 0, padding * sizeof(float));
  float* description = dataOf<float>(op.description());
  if (description) std::memset(description + 4 * learned, 0, 4 * padding * sizeof(float));
  withType(hidden.dtype, [&](auto actZero) {
    using Act = decltype(actZero);
    withHeadWeight<Act>(weight.dtype, [&](auto weightZero) {
      using Weight = decltype(weightZero);
      Act* dHidden = dataOf<Act>(op.dHidden());
      if (dHidden) std::memset(dHidden + learned * width, 0, padding * width * sizeof(Act));
      for (int64_t c = 0; c < chunks; c++) {
        const Range rows = partOf(learned, (int)c, (int)chunks);
        const HeadResults<Act> results{
            logProbs + rows.begin,
            lse ? lse + rows.begin : nullptr,
            dHidden ? dHidden + rows.begin * width : nullptr,
            weights ? weights + rows.begin : nullptr,
            description ? description + 4 * rows.begin : nullptr,
        };
        headChunk<Act, Weight>(op.pool(), hidden.as<const Act>() + rows.begin * width, head, targets + rows.begin,
                               rows.end - rows.begin, Capped((float)op.scale(), (float)op.cap()), results);
      }
    });
  });
}

void targetLogProbsForward(const args::TargetLogProbs& op) { headForward(op, Head{op.weight(), nullptr}); }
void adaptedLogProbsForward(const args::AdaptedLogProbs& op) { headForward(op, Head{op.weight(), &op.loraB()}); }

}  // namespace fettle::FETTLE_ISA

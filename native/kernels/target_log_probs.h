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
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "blocks.h"
#include "exponentials.h"
#include "gemm.h"
#include "head_walk.h"
#include "ops.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kHeadRows = 1024;       // token rows in a chunk, at most
constexpr int64_t kHeadFloats = 1 << 26;  // elements of O of all threads together, at most

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

// Products with few tokens (decoding): the weight is read once, row-major as it lies in the file, without packing.
//
//     value[m, n] = Σ_k x[m, k] · w[n, k]
//
// One token is bound by memory alone: rows are read one after the other, as they lie, with a few lines asked for ahead (four
// rows side by side took 10 % longer). More tokens meet four rows of w at a time, up to four of them in registers (8 x 2 is
// slower); further tokens find the four rows in the first-level cache. Lines are asked for further ahead then, in the
// order of memory; where several groups of tokens meet the same rows, each group asks for its share, so that memory is
// busy all the time. How threads share the rows: stream_work.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "pack.h"

namespace fettle::FETTLE_ISA {

constexpr int kStreamRows = 4;
constexpr int kStreamTokens = kLanes == 16 ? 4 : 2;  // 4 x 4 sums need more than 16 registers
constexpr int kDotStep = 2 * kLanes;
constexpr int64_t kTokenAheadBytes = 4096, kAheadBytes = 12288;  // for one token, for more

// acc += products of kDotStep elements, spread over the lanes in any way.
template <class X, class W> inline vf dotStep(vf acc, const X* x, const W* w) {
  if constexpr (sizeof(X) == 2 && sizeof(W) == 2) {
    vu a, b;
    __builtin_memcpy(&a, x, sizeof a);
    __builtin_memcpy(&b, w, sizeof b);
#if FETTLE_HAS_BF16
    return dotPairs(acc, (vp)a, (vp)b);
#else
    acc = multiplyAdd((vf)(a << 16), (vf)(b << 16), acc);
    return multiplyAdd((vf)(a & 0xffff0000u), (vf)(b & 0xffff0000u), acc);
#endif
  } else {
    acc = multiplyAdd(load(x), load(w), acc);
    return multiplyAdd(load(x + kLanes), load(w + kLanes), acc);
  }
}

// Lane r of the result is the sum of the lanes of v[r], for r < kStreamRows; the other lanes hold anything.
template <int S, int... I> inline vf foldLanes(vf v, std::integer_sequence<int, I...>) {
  return v + lanesOf<(I ^ S)...>(v, v);
}
inline vf sumRows(const vf* v) {
  constexpr auto lanes = std::make_integer_sequence<int, kLanes>();
  vu a = (vu)v[0], b = (vu)v[1], c = (vu)v[2], d = (vu)v[3];
  exchange<1>(a, b, lanes);
  exchange<1>(c, d, lanes);
  a = (vu)((vf)a + (vf)b);
  c = (vu)((vf)c + (vf)d);
  exchange<2>(a, c, lanes);
  vf sums = (vf)a + (vf)c;
  if constexpr (kLanes > 8) sums = foldLanes<8>(sums, lanes);
  if constexpr (kLanes > 4) sums = foldLanes<4>(sums, lanes);
  return sums;
}

// What a group of tokens asks for: from `next` on, the size of `rows` rows.
struct Asks {
  const char* next;
  int rows;
};

// acc[m][r] += x[m] · w[r]
template <int Tokens, class X, class W>
[[gnu::always_inline]] inline void dotRows(vf (&acc)[Tokens][kStreamRows], const X* const* x, const W* const* w, int64_t depth, Asks asks) {
  int64_t k = 0;
  const char* next = asks.next;
  for (; k + kDotStep <= depth; k += kDotStep) {
#pragma GCC unroll 4
    for (int r = 0; r < kStreamRows; r++) {
      if (r < asks.rows)
        for (unsigned byte = 0; byte < kDotStep * sizeof(W); byte += 64, next += 64) __builtin_prefetch(next);
#pragma GCC unroll 4
      for (int m = 0; m < Tokens; m++) acc[m][r] = dotStep(acc[m][r], x[m] + k, w[r] + k);
    }
  }
  if (k < depth) {
    X lastX[Tokens][kDotStep] = {};
    W lastW[kDotStep];
    for (int m = 0; m < Tokens; m++) __builtin_memcpy(lastX[m], x[m] + k, (depth - k) * sizeof(X));
    for (int r = 0; r < kStreamRows; r++) {
      __builtin_memset(lastW, 0, sizeof lastW);
      __builtin_memcpy(lastW, w[r] + k, (depth - k) * sizeof(W));
      for (int m = 0; m < Tokens; m++) acc[m][r] = dotStep(acc[m][r], lastX[m], lastW);
    }
  }
}

// Tokens [m, m + Tokens) with rows [n, n + kStreamRows); what lies past the ends repeats the last one and is not emitted.
template <int Tokens, class X, class W, class Extra, class Emit>
__attribute__((noinline)) void streamBlock(const X* x, int64_t m, int64_t tokens, const W* const* w, int64_t n, int rows,
                                           int64_t depth, Asks asks, const Extra& extra, const Emit& emit) {
  vf acc[Tokens][kStreamRows] = {};
  const X* from[Tokens];
  for (int i = 0; i < Tokens; i++) from[i] = x + (m + i < tokens ? m + i : tokens - 1) * depth;
  dotRows(acc, from, w, depth, asks);
  for (int i = 0; i < Tokens && m + i < tokens; i++) {
    extra(m + i, n, rows, acc[i]);
    emit(m + i, n, rows, sumRows(acc[i]));
  }
}

// The sums of one row, spread over the lanes.
template <class X, class W> inline vf dotRow(const X* x, const W* w, int64_t depth) {
  vf sums[3] = {};
  const auto step = [&](vf& acc, int64_t k) {
    for (unsigned byte = 0; byte < kDotStep * sizeof(W); byte += 64) __builtin_prefetch((const char*)(w + k) + kTokenAheadBytes + byte);
    acc = dotStep(acc, x + k, w + k);
  };
  int64_t k = 0;
  for (; k + 3 * kDotStep <= depth; k += 3 * kDotStep)
#pragma GCC unroll 3
    for (int u = 0; u < 3; u++) step(sums[u], k + u * kDotStep);
  for (; k + kDotStep <= depth; k += kDotStep) step(sums[0], k);
  if (k < depth) {
    X lastX[kDotStep] = {};
    W lastW[kDotStep] = {};
    __builtin_memcpy(lastX, x + k, (depth - k) * sizeof(X));
    __builtin_memcpy(lastW, w + k, (depth - k) * sizeof(W));
    sums[1] = dotStep(sums[1], lastX, lastW);
  }
  return (sums[0] + sums[1]) + sums[2];
}

// streamRows for one token.
template <class X, class Source, class Extra, class Emit>
__attribute__((noinline)) void streamToken(const X* x, int64_t depth, const Source& w, int64_t begin, int64_t end,
                                           const Extra& extra, const Emit& emit) {
  for (int64_t n = begin; n < end; n += kStreamRows) {
    const int rows = (int)(end - n < kStreamRows ? end - n : kStreamRows);
    vf sums[kStreamRows] = {};
    for (int r = 0; r < rows; r++) sums[r] = dotRow(x, w.row(n + r), depth);
    extra(0, n, rows, sums);
    emit(0, n, rows, sumRows(sums));
  }
}

// All tokens with rows [begin, end) of w. extra(m, n, rows, vf* sums) may add to the lanes of row n + r in sums[r];
// emit(m, n, rows, values) takes rows n ... n + rows - 1 of token m in the first lanes.
template <class X, class Source, class Extra, class Emit>
inline void streamRows(const X* x, int64_t tokens, int64_t depth, const Source& w, int64_t begin, int64_t end,
                       const Extra& extra, const Emit& emit) {
  if (tokens == 1) return streamToken(x, depth, w, begin, end, extra, emit);
  const int64_t groups = (tokens + kStreamTokens - 1) / kStreamTokens;
  const int rowsAsked = (int)std::max<int64_t>(1, (kStreamRows + groups - 1) / groups);
  for (int64_t n = begin; n < end; n += kStreamRows) {
    const int rows = (int)(end - n < kStreamRows ? end - n : kStreamRows);
    decltype(w.row(0)) from[kStreamRows];
    for (int r = 0; r < kStreamRows; r++) from[r] = w.row(n + (r < rows ? r : rows - 1));
    int asked = 0;
    int64_t m = 0;
    while (m < tokens) {
      const int share = asked < kStreamRows ? rowsAsked : 0;
      const Asks asks{(const char*)from[0] + kAheadBytes + asked * depth * (int64_t)sizeof *from[0], share};
      asked += share;
      const auto block = [&](auto count) {
        streamBlock<decltype(count)::value>(x, m, tokens, from, n, rows, depth, asks, extra, emit);
        m += decltype(count)::value;
      };
      if (tokens - m == 1) block(std::integral_constant<int, 1>{});
      else if (tokens - m == 2) block(std::integral_constant<int, 2>{});
      else block(std::integral_constant<int, kStreamTokens>{});
    }
  }
}

}  // namespace fettle::FETTLE_ISA

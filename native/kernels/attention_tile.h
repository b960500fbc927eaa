// The small product that attention is made of, and the operand layouts that it reads.
//
//     result[i, j] (+)= Σ_k left[i, k] · right[k, j]        i < R rows, j < V vectors of kLanes columns
//
// R x V sums stay in registers. The left operand is row-major cells (see pack.h); the right one is counted in units of
// depth (a cell of float, a pair of bf16 cells) whose vectors may lie anywhere at a regular distance, so that one kernel
// serves panels a vector wide (scores), rows of any width (P V) and strips (dKᵀ). Depth may come in several equal pieces
// (`terms`): the heads of a group. All R rows and V vectors are computed: callers pad with zeros and pick what they need.
// With 32 registers 8 x 2 is better than 8 x 3: at a depth of 64 bf16, 98 against 90 % of the peak (measured, Zen 5), as the
// next tile starts while this one ends.
//
// Strips are how everything indexed by key is kept, [strip][...][kLanes keys]: causal edges are cut at a strip's
// granularity, not at that of a wide panel.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "gemm.h"

namespace fettle::FETTLE_ISA {

template <class C> struct AttentionTile {
#if FETTLE_LANES == 16 || defined(__aarch64__)
  static constexpr int rows = 8, piece = 2;
#elif defined(__wasm__)
  static constexpr int rows = 4, piece = 2;
#else
  static constexpr int rows = 4, piece = 3;
#endif
  static constexpr int vectors = 3;
  static constexpr int unit = Block<C>::unit;
  static constexpr int depth = Block<C>::depth;  // of every operand a multiple of this, padded with zeros
};
#if FETTLE_AMX
template <> struct AttentionTile<bf16> {
  static constexpr int rows = 16, vectors = 3, piece = 3, unit = 2, depth = kTileDepth;
};
#endif

// Distances in cells (floats for the result); `termStep` leads from one piece of depth to the next.
template <class C> struct TileLeft {
  const C* at;
  int64_t rowStride, termStep = 0;
};
template <class C> struct TileRight {
  const C* at;
  int64_t unitStride, vectorStride, termStep = 0;
};
struct TileResult {
  float* at;
  int64_t rowStride, vectorStride;
  bool add = false;
};

// Makes clang add to a sum in its register. It would load the next row ahead of the additions to this one, which takes one register
// more than the 16 there are with three columns: each step then moved all sums, and kept two in memory.
inline void keepSum([[maybe_unused]] vf& sum) {
#if defined(__clang__) && FETTLE_X86
  asm volatile("" : "+v"(sum));
#endif
}

template <int V, class C>
__attribute__((noinline)) void attentionTile(const TileLeft<C>& left, const TileRight<C>& right, int64_t units, int terms,
                                             const TileResult& result) {
  using Product = UnitProduct<C>;
  constexpr int R = AttentionTile<C>::rows, unit = AttentionTile<C>::unit;
  constexpr int sums = V == 1 ? 2 : 1;  // a single column of sums would not hide the latency of an addition
  vf acc[sums][R][V] = {};
  for (int term = 0; term < terms; term++) {
    const C* a[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) a[i] = left.at + term * left.termStep + i * left.rowStride;
    const C* b = right.at + term * right.termStep;
    const int64_t unitStride = right.unitStride, vectorStride = right.vectorStride;
    const auto step = [&](int64_t k, auto which) __attribute__((always_inline)) {
      decltype(Product::right(b)) columns[V];
#pragma GCC unroll 3
      for (int j = 0; j < V; j++) columns[j] = Product::right(b + j * vectorStride);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) {
        const auto row = Product::left(a[i] + k);
#pragma GCC unroll 3
        for (int j = 0; j < V; j++) {
          acc[which][i][j] = Product::add(acc[which][i][j], row, columns[j]);
          if constexpr (V == 3) keepSum(acc[which][i][j]);
        }
      }
      b += unitStride;
    };
    int64_t k = 0;
    const int64_t depth = units * unit;
    for (; k + sums * unit <= depth; k += sums * unit) {
      step(k, std::integral_constant<int, 0>{});
      if constexpr (sums == 2) step(k + unit, std::integral_constant<int, 1>{});
    }
    if (sums == 2 && k < depth) step(k, std::integral_constant<int, 0>{});
  }
  float* to = result.at;
  const int64_t rowStride = result.rowStride, vectorStride = result.vectorStride;
  // Inlined twice: what is called has the sums in memory (saveBlock in gemm.h).
  const auto finish = [&](auto add) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int i = 0; i < R; i++, to += rowStride) {
#pragma GCC unroll 3
      for (int j = 0; j < V; j++) {
        vf value = acc[0][i][j];
        if constexpr (sums == 2) value += acc[1][i][j];
        store(to + j * vectorStride, add ? value + load(to + j * vectorStride) : value);
      }
    }
  };
  if (result.add) finish(std::true_type{});
  else finish(std::false_type{});
}

#if FETTLE_MATRIX
// The same with matrix instructions, which take two rows and two units of depth at once.
template <int V>
__attribute__((noinline)) void attentionTileMatrix(const TileLeft<bf16>& left, const TileRight<bf16>& right, int64_t units, int terms,
                                                   const TileResult& result) {
  constexpr int R = AttentionTile<bf16>::rows;
  MatrixSums<R, V, vf> sums;
  for (int term = 0; term < terms; term++) {
    const bf16 *a = left.at + term * left.termStep, *b = right.at + term * right.termStep;
    const int64_t rowStride = left.rowStride, unitStride = right.unitStride, vectorStride = right.vectorStride;
    int64_t u = 0;
    for (; u + 2 <= units; u += 2, a += 4, b += 2 * unitStride)
      sums.add([&](int pair) { return twoRows(a + 2 * pair * rowStride, a + (2 * pair + 1) * rowStride); },
               [&](int j) { return loadPairs(b + j * vectorStride); }, [&](int j) { return loadPairs(b + unitStride + j * vectorStride); });
    if (u < units)
      sums.add([&](int pair) { return twoRows(a + 2 * pair * rowStride, a + (2 * pair + 1) * rowStride, 4); },
               [&](int j) { return loadPairs(b + j * vectorStride); }, [](int) { return vp{}; });
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 3
    for (int j = 0; j < V; j++) {
      float* to = result.at + i * result.rowStride + j * result.vectorStride;
      store(to, result.add ? sums.at(i, j) + load(to) : sums.at(i, j));
    }
}
#endif

// Tiles must be configured while attention works on a thread with AMX; elsewhere this is nothing.
struct AttentionTileScope {
#if FETTLE_AMX
  const TileScope scope;
  AttentionTileScope() { TileScope::want(2 * kTileRows); }
#else
  AttentionTileScope() {}
#endif
};

#if FETTLE_AMX
// 16 rows x V strips in tiles 0 .. V−1; tile 3 holds the left operand, 4 .. 6 the right one, 32 cells deep.
template <int V>
__attribute__((noinline)) void attentionTileAmx(const TileLeft<bf16>& left, const TileRight<bf16>& right, int64_t units,
                                                int terms, const TileResult& result) {
  tileZero<0>();
  if constexpr (V > 1) tileZero<1>();
  if constexpr (V > 2) tileZero<2>();
  for (int term = 0; term < terms; term++) {
    const bf16 *a = left.at + term * left.termStep, *b = right.at + term * right.termStep;
    for (int64_t u = 0; u < units; u += kTileDepth / 2, a += kTileDepth, b += kTileDepth / 2 * right.unitStride) {
      tileLoad<3>(a, left.rowStride * 2);
      tileLoad<4>(b, right.unitStride * 2);
      tileMultiply<0, 3, 4>();
      if constexpr (V > 1) {
        tileLoad<5>(b + right.vectorStride, right.unitStride * 2);
        tileMultiply<1, 3, 5>();
      }
      if constexpr (V > 2) {
        tileLoad<6>(b + 2 * right.vectorStride, right.unitStride * 2);
        tileMultiply<2, 3, 6>();
      }
    }
  }
  if (!result.add) {
    tileStore<0>(result.at, result.rowStride * 4);
    if constexpr (V > 1) tileStore<1>(result.at + result.vectorStride, result.rowStride * 4);
    if constexpr (V > 2) tileStore<2>(result.at + 2 * result.vectorStride, result.rowStride * 4);
    return;
  }
  alignas(64) float out[V][kTileRows][kLanes];
  tileStore<0>(out[0], 64);
  if constexpr (V > 1) tileStore<1>(out[V > 1], 64);
  if constexpr (V > 2) tileStore<2>(out[V - 1], 64);
  for (int j = 0; j < V; j++)
    for (int i = 0; i < kTileRows; i++) {
      float* to = result.at + i * result.rowStride + j * result.vectorStride;
      store(to, load(out[j][i]) + load(to));
    }
}
#endif

template <int V, class C>
inline void multiplyTile(const TileLeft<C>& left, const TileRight<C>& right, int64_t units, int terms,
                         const TileResult& result) {
#if FETTLE_AMX
  if constexpr (sizeof(C) == 2) attentionTileAmx<V>(left, right, units, terms, result);
  else
#elif FETTLE_MATRIX
  if constexpr (sizeof(C) == 2) attentionTileMatrix<V>(left, right, units, terms, result);
  else
#endif
  attentionTile<V>(left, right, units, terms, result);
}

// Cuts [begin, end) vectors into pieces of AttentionTile::piece, one of them wider rather than a single vector left over. The
// last vectors come first. Calls body(first, integral_constant<count>).
template <class C, class Body> inline void eachPiece(int64_t begin, int64_t end, const Body& body) {
  constexpr int most = AttentionTile<C>::vectors, piece = AttentionTile<C>::piece;
  static_assert(most == 3 && (piece == 2 || piece == 3), "the switch below");
  while (end > begin) {
    const int64_t left = end - begin, pieces = (left + most - 1) / most;
    const int64_t even = (left + pieces - 1) / pieces;  // pieces of 3, and of 2 so that none of 1 is left
    switch (piece == 3 || left < 3 ? even : left % 2 ? 3 : 2) {
      case 1: body(end -= 1, std::integral_constant<int, 1>{}); break;
      case 2: body(end -= 2, std::integral_constant<int, 2>{}); break;
      default: body(end -= 3, std::integral_constant<int, 3>{});
    }
  }
}

// Right operand for scores: strips of keys, [strip][units of depth][kLanes].
template <class C, class Act>
inline void packKeyStrips(C* to, const Act* keys, int64_t stride, int64_t count, int64_t headDim, int64_t depth) {
  for (int64_t key = 0; key < count; key += kLanes, to += depth * kLanes) {
    const int columns = (int)(count - key < kLanes ? count - key : kLanes);
    packRows(to, Plain<Act>{keys, stride}, key, columns, headDim);
  }
}

// Right operand for products whose depth is the key: [units of keys][width], zeros up to `padded` keys.
template <class C, class Act>
inline void packKeyRows(C* to, const Act* keys, int64_t stride, int64_t count, int64_t padded, int64_t headDim) {
  const int64_t width = roundUp(headDim, kLanes), done = roundUp(count, AttentionTile<C>::unit);
  packColumns(to, Plain<Act>{keys, stride}, 0, (int)headDim, count);
  std::memset(to + done * width, 0, (padded - done) * width * sizeof(C));
}

template <class T> inline void copyCells(T* to, const T* from, int64_t n) {
  constexpr int64_t whole = kLanes * 4 / sizeof(T);  // what a register holds
  int64_t i = 0;
  for (; i + whole <= n; i += whole) std::memcpy(to + i, from + i, whole * sizeof(T));
  eachVector(n - i, [&](int64_t j, auto count) { std::memcpy(to + i + j, from + i + j, count * sizeof(T)); });
}
template <class To, class From> inline void copyCells(To* to, const From* from, int64_t n) { convert(to, from, n); }

// Left operand: `count` rows as cells, padded with zeros to `rows` rows of `depth`.
template <class C, class Act>
inline void copyRows(C* to, const Act* from, int64_t stride, int64_t count, int64_t rows, int64_t headDim, int64_t depth) {
  for (int64_t i = 0; i < count; i++, to += depth, from += stride) {
    copyCells(to, from, headDim);
    for (int64_t d = headDim; d < depth; d++) to[d] = 0;
  }
  if (count < rows) std::memset(to, 0, (rows - count) * depth * sizeof(C));
}

// Rows that will be read or written soon: they lie far apart, so that the processor does not foresee them.
template <class T> inline void prefetchRows(const T* rows, int64_t stride, int64_t count, int64_t headDim) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t i = 0; i < count; i++, rows += stride)
    for (int64_t d = 0; d < headDim; d += line) __builtin_prefetch(rows + d);
  asm volatile("");  // g++ 12 takes a function that only prefetches for one without effects, and leaves its calls out
}

}  // namespace fettle::FETTLE_ISA

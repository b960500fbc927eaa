// Operands of matrix products: what a cell is, and how panels are packed.
//
// A *cell* is the number type that the product kernel of this instruction set reads: bf16 where the processor multiplies bf16
// (Cell<bf16>), else float; float activations always stay float. bf16 data on a processor without such instructions is
// widened once on the way into the product.
//
// A *panel* is the right operand of a product, [depth, columns] with at most kPanelColumns<C> columns, laid out as the
// kernel reads it. Depth is counted in *units* of one 32-bit lane: one float, or a pair of bf16 (k, k+1):
//
//     panel[unit][vectors · kLanes],  vectors = columns / kLanes rounded up,  missing columns and depth are zero
//
// packRows      panel column j = row firstRow + j of the source (forward: y = x Wᵀ): transposes of kLanes x kLanes units
// packColumns   panel column j = column firstColumn + j of the source (backward: dx = dy W): rows interleaved in pairs
// transpose     the left operand of a product whose depth is the token (dW = dyᵀ x), row-major afterwards
//
// A weight is packed a panel at a time just before use, into scratch that stays in the cache; the mapped file itself is
// the only copy.
#pragma once

#include <cstdint>
#include <utility>

#include "simd.h"

namespace fettle::FETTLE_ISA {

template <class Act> struct CellOf { using type = float; };
#if FETTLE_HAS_BF16
template <> struct CellOf<bf16> { using type = bf16; };
#endif
template <class Act> using Cell = typename CellOf<Act>::type;

// Shape of the kernel's register block, and elements in a unit. FETTLE_LANES = 16: 8 x 48 leaves 8 of 32 registers for
// operands and takes 98 % of the peak; 9 x 48 and 6 x 64 are no better, 7 x 64 spills (measured, Zen 5, g++ 12). Of
// WebAssembly V8 makes code for 15 registers on x64, and keeps more sums in memory: 4 x 8 reaches 51 GFLOPS a thread with relaxed SIMD and
// 39 without in Node 20 (53 and 41 in Node 24), 5 x 8 55 and 41 (21 and 22), 6 x 8 27 and 29, also where loops are unrolled less.
template <class C> struct Block {
  static constexpr int unit = 1;
#if FETTLE_LANES == 16 || defined(__aarch64__)
  static constexpr int rows = 8, vectors = 3;
#elif defined(__wasm__)
  static constexpr int rows = 4, vectors = 2;
#else
  static constexpr int rows = 6, vectors = 2;
#endif
  static constexpr int depth = 1;  // panels are padded with zeros to a multiple of this
};
#if FETTLE_HAS_BF16
template <> struct Block<bf16> {
  static constexpr int unit = 2;
#if FETTLE_AMX
  static constexpr int rows = 32, vectors = 2, depth = 32;
#else
  static constexpr int rows = 8, vectors = 3, depth = 2;
#endif
};
#endif
template <class C> constexpr int kPanelColumns = Block<C>::vectors * kLanes;

constexpr int64_t roundUp(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Cells that a panel occupies.
template <class C> constexpr int64_t panelCells(int64_t depth, int columns) {
  return roundUp(depth, Block<C>::depth) * roundUp(columns, kLanes);
}

// Sources: anything with row(i), and runEnd(i), the first row after i that does not follow its predecessor in memory.
template <class S> struct Plain {
  const S* data;
  int64_t stride;
  const S* row(int64_t i) const { return data + i * stride; }
  int64_t runEnd(int64_t) const { return INT64_MAX; }
};
template <class S> struct Stacked {  // a weight in several row blocks
  const Tensor* tensor;
  int64_t stride;
  explicit Stacked(const Tensor& t) : tensor(&t), stride(t.cols()) {}
  const S* row(int64_t i) const { return tensor->row<const S>(i); }
  int64_t runEnd(int64_t i) const {
    for (int b = 0; b < tensor->blockCount; b++)
      if (tensor->blocks[b].firstRow > i) return tensor->blocks[b].firstRow;
    return INT64_MAX;
  }
};

// --- units -----------------------------------------------------------------------------------------------------------

inline vu pairUp(vh low, vh high) {
#if FETTLE_HAS_BF16 && FETTLE_X86
  return (vu)interleaveTwo(_mm512_inserti64x4(_mm512_castsi256_si512((__m256i)low), (__m256i)high, 1));
#else
  return __builtin_convertvector(low, vu) | (__builtin_convertvector(high, vu) << 16);
#endif
}
inline vh halves(const bf16* p, int n) { vh h; if (n < kLanes) return halvesPart(p, n); __builtin_memcpy(&h, p, sizeof h); return h; }
inline vh halves(const float* p, int n) { return narrow(n < kLanes ? loadPart(p, n) : load(p)); }

// Units along one row: lane i = elements (unit·i ...) of p, of which n exist.
template <class C> struct Units;
template <> struct Units<float> {
  template <class S> static vu along(const S* p, int64_t n) { return (vu)(n < kLanes ? loadPart(p, (int)n) : load(p)); }
  // Units across rows a (and b for pairs, may be null): lane i = column i.
  template <class S> static vu across(const S* a, const S*, int n) { return (vu)(n < kLanes ? loadPart(a, n) : load(a)); }
};
#if FETTLE_HAS_BF16
template <> struct Units<bf16> {
  static vu along(const bf16* p, int64_t n) {
    vu u = {};
    if (n < 2 * kLanes) __builtin_memcpy(&u, p, n * 2);
    else __builtin_memcpy(&u, p, sizeof u);
    return u;
  }
  static vu along(const float* p, int64_t n) {
    const int low = (int)(n < kLanes ? n : kLanes), high = (int)(n - low < kLanes ? n - low : kLanes);
    const vf a = low < kLanes ? loadPart(p, low) : load(p);
    const vf b = high <= 0 ? vf{} : high < kLanes ? loadPart(p + kLanes, high) : load(p + kLanes);
    return (vu)narrowTwo(a, b);
  }
  template <class S> static vu across(const S* a, const S* b, int n) {
    return pairUp(halves(a, n), b ? halves(b, n) : vh{});
  }
};
#endif

// --- transposition of kLanes x kLanes units ----------------------------------------------------------------------------

// One butterfly: exchanges lanes with bit S between two vectors.
template <int S, int... I> inline void exchange(vu& a, vu& b, std::integer_sequence<int, I...>) {
  const vu low = lanesOf<((I & S) ? kLanes + I - S : I)...>(a, b);
  b = lanesOf<((I & S) ? kLanes + I : I + S)...>(a, b);
  a = low;
}
template <int S> inline void exchangeAll(vu (&v)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++)
    if (!(i & S)) exchange<S>(v[i], v[i + S], std::make_integer_sequence<int, kLanes>());
}
inline void transposeUnits(vu (&v)[kLanes]) {
  exchangeAll<1>(v);
  exchangeAll<2>(v);
#if FETTLE_LANES >= 8
  exchangeAll<4>(v);
#endif
#if FETTLE_LANES >= 16
  exchangeAll<8>(v);
#endif
}

// --- packing -----------------------------------------------------------------------------------------------------------

inline void storeUnits(void* p, vu u) { __builtin_memcpy(p, &u, sizeof u); }

template <class C> inline void zeroTail(C* panel, int64_t depth, int width) {
  const int64_t done = roundUp(depth, Block<C>::unit) * width;
  const int64_t cells = roundUp(depth, Block<C>::depth) * width;
  if (cells > done) __builtin_memset(panel + done, 0, (cells - done) * sizeof(C));
}

// panel[k, j] = source[firstRow + j, k] for j < columns, k < depth.
template <class C, class Source>
__attribute__((noinline)) void packRows(C* panel, const Source& source, int64_t firstRow, int columns, int64_t depth) {
  constexpr int step = kLanes * Block<C>::unit;
  const int width = (int)roundUp(columns, kLanes);
  for (int v = 0; v < width; v += kLanes) {
    decltype(source.row(0)) rows[kLanes];
    const int valid = columns - v < kLanes ? columns - v : kLanes;
    for (int i = 0; i < valid; i++) rows[i] = source.row(firstRow + v + i);
    for (int64_t k = 0; k < depth; k += step) {
      vu u[kLanes] = {};
      const int64_t left = depth - k;
      if (valid == kLanes && left >= step) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) u[i] = Units<C>::along(rows[i] + k, step);
      } else {
        for (int i = 0; i < valid; i++) u[i] = Units<C>::along(rows[i] + k, left);
      }
      transposeUnits(u);
      C* to = panel + k * width + v * Block<C>::unit;
      if (left >= step) {
#pragma GCC unroll 16
        for (int j = 0; j < kLanes; j++) storeUnits(to + j * width * Block<C>::unit, u[j]);
      } else {
        for (int j = 0; j * Block<C>::unit < left; j++) storeUnits(to + j * width * Block<C>::unit, u[j]);
      }
    }
  }
  zeroTail(panel, depth, width);
}

constexpr int64_t kAheadRows = 8;  // best of 8, 16, 32

// panel[k, j] = source[k, firstColumn + j] for j < columns, k < depth.
template <class C, class Source>
__attribute__((noinline)) void packColumns(C* panel, const Source& source, int64_t firstColumn, int columns, int64_t depth) {
  const int width = (int)roundUp(columns, kLanes);
  const int whole = columns / kLanes * kLanes;
  const auto packUnit = [&](C* to, auto* a, auto* b) {
    for (int v = 0; v < whole; v += kLanes)
      storeUnits(to + v * Block<C>::unit, Units<C>::across(a + v, b ? b + v : b, kLanes));
    if (whole < columns)
      storeUnits(to + whole * Block<C>::unit, Units<C>::across(a + whole, b ? b + whole : b, columns - whole));
  };
  using Row = decltype(source.row(0));
  for (int64_t k = 0; k < depth;) {
    const int64_t runEnd = source.runEnd(k), end = runEnd < depth ? runEnd : depth;
    Row a = source.row(k) + firstColumn;
    for (; k + Block<C>::unit <= end; k += Block<C>::unit, a += source.stride * Block<C>::unit) {
      // The processor does not foresee short pieces this far apart; past the end nothing is read.
      for (int i = 0; i < Block<C>::unit; i++) {
        const char* ahead = (const char*)(a + (kAheadRows + i) * source.stride);
        for (int64_t byte = 0; byte < columns * (int64_t)sizeof *a; byte += 64) __builtin_prefetch(ahead + byte);
        __builtin_prefetch(ahead + columns * sizeof *a - 1);
      }
      packUnit(panel + k * width, a, a + (Block<C>::unit - 1) * source.stride);
    }
    if (k < end) {  // a pair whose second half is in the next block, or missing
      packUnit(panel + k * width, a, k + 1 < depth ? source.row(k + 1) + firstColumn : (Row) nullptr);
      k += 2;
    }
  }
  zeroTail(panel, depth, width);
}

// to[c, r] = source[r, firstColumn + c] for r < rows, c < columns; `to` has rows of `stride` cells.
template <class C, class Source>
__attribute__((noinline)) void transpose(C* to, int64_t stride, const Source& source, int64_t firstColumn, int64_t columns,
                                         int64_t rows) {
  constexpr int unit = Block<C>::unit, step = kLanes * unit;
  using Row = decltype(source.row(0));
  for (int64_t r = 0; r < rows; r += step) {
    Row from[step];
    for (int i = 0; i < step; i++) from[i] = r + i < rows ? source.row(r + i) + firstColumn : (Row) nullptr;
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int valid = columns - c < kLanes ? (int)(columns - c) : kLanes;
      vu u[kLanes] = {};
      if (valid == kLanes && r + step <= rows) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) u[i] = Units<C>::across(from[unit * i] + c, from[unit * i + unit - 1] + c, kLanes);
      } else {
        for (int i = 0; i < kLanes && r + i * unit < rows; i++) {
          const Row second = from[unit * i + unit - 1];
          u[i] = Units<C>::across(from[unit * i] + c, second ? second + c : second, valid);
        }
      }
      transposeUnits(u);
      C* row = to + c * stride + r;
      if (r + step <= rows) {
        for (int i = 0; i < valid; i++, row += stride) storeUnits(row, u[i]);
      } else {
        for (int i = 0; i < valid; i++, row += stride) __builtin_memcpy(row, &u[i], (rows - r) * sizeof(C));
      }
    }
  }
}

// Elementwise conversion between number types; what activations go through on their way to cells.
template <class To, class From> inline void convert(To* to, const From* from, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, load(from + i));
  for (; i < n; i++) to[i] = fromFloat<To>(toFloat(from[i]));
}

}  // namespace fettle::FETTLE_ISA

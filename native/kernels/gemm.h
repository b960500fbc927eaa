// Matrix products: register-blocked kernels over packed panels.
//
//     c[i, j] = Σ over terms t of Σ_k  a_t[i, k] · panel_t[k, j]        i in [rowBegin, rowEnd), j < columns
//
// The left operand a is plain row-major cells (see pack.h); the right one is a packed panel of at most kPanelColumns<C>
// columns. All terms of a list are added up in registers before anything is stored: LoRA is extra depth,
// y = [x | t] [W ; B]ᵀ, and dx of several stacked matrices is one product. bf16 cells are accumulated in float.
//
// How to use it, for a product H [M, K] times Wᵀ, 48 rows of W at a time, into a float tile:
//
//     using C = Cell<Act>;                                  // bf16 or float
//     C* panel = (C*)pool.scratch(thread, 0, panelCells<C>(K, kPanelColumns<C>) * sizeof(C));
//     for (int64_t n = 0; n < N; n += kPanelColumns<C>) {
//       int columns = min(kPanelColumns<C>, N - n);
//       packRows(panel, Plain<bf16>{W, K}, n, columns, K);  // or packColumns for a product with W itself
//       multiply(Term<C>{H, K, panel, K}, 0, M, columns, StoreTo<float>{tile + n, tileStride});
//     }
//
// With Act = bf16 on a processor without bf16 instructions, cells are floats: H must be widened first (convert), or be
// written as cells by its producer. Panels widen while packing, from float or bf16 sources alike.
// A store is any functor (row, column, value, n): kLanes values of row `row` from column `column`, of which the first n
// exist (n may exceed kLanes). StoreTo adds and accumulates; write your own to fuse more.
//
// Loop order: the panel (55-300 KB, in L2) outside, blocks of rows inside; a streams through. Depth is never split.
#pragma once

#include <cstdint>
#include <type_traits>

#include "gemm_amx.h"
#include "gemm_matrix.h"
#include "gemm_store.h"
#include "pack.h"

namespace fettle::FETTLE_ISA {

// One unit of depth: acc += left · right, left being one unit of a row in all lanes.
template <class C> struct UnitProduct;
template <> struct UnitProduct<float> {
  static vf left(const float* p) { return splat(*p); }
  static vf lastLeft(const float* p) { return splat(*p); }
  static vf right(const float* p) { return load(p); }
  static vf add(vf acc, vf a, vf b) { return multiplyAdd(a, b, acc); }
};
#if FETTLE_HAS_BF16
template <> struct UnitProduct<bf16> {
  static vp left(const bf16* p) { uint32_t pair; __builtin_memcpy(&pair, p, 4); return splatPairs(pair); }
  static vp lastLeft(const bf16* p) { return splatPairs(*p); }  // odd depth: the second half is not ours to read
  static vp right(const bf16* p) { return loadPairs(p); }
  static vf add(vf acc, vp a, vp b) { return dotPairs(acc, a, b); }
};
#endif

// Stores the first `rows` rows of a block of sums. Like every function that takes sums by their address it has to be inlined: were it
// called, which clang would rather do, they would be in memory, and be stored there by each step of the loops before.
template <int Rows, int Vectors, class Store>
[[gnu::always_inline]] inline void saveBlock(const vf (&acc)[Rows][Vectors], int64_t row, int rows, int columns, const Store& save) {
  if (columns >= Vectors * kLanes) {
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) {
      if (i >= rows) break;
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++) save(row + i, j * kLanes, acc[i][j], kLanes);
    }
  } else {
    // Partial stores call memcpy; sums that live across a call would be spilled inside the loops above.
    vf tile[Rows][Vectors];
    __builtin_memcpy(tile, acc, sizeof tile);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < Vectors; j++) save(row + i, j * kLanes, tile[i][j], columns - j * kLanes);
  }
}

// Rows x Vectors accumulators. Rows past the last one repeat it and are not stored, so that ragged edges need no other
// kernel. A single vector column is accumulated in two interleaved sums: 8 additions in flight would not hide their latency.
// InPairs: two products are added before they are added to a sum (simd.h).
template <int Rows, int Vectors, bool InPairs, class C, class Store>
__attribute__((noinline)) void kernel(const Term<C>* terms, int count, int64_t row, int rows, int columns, const Store& save) {
  using Product = UnitProduct<C>;
  constexpr int unit = Block<C>::unit, width = Vectors * kLanes * unit, sums = Vectors == 1 ? 2 : 1;
  vf acc[sums][Rows][Vectors] = {};
  for (const Term<C>*term = terms, *end = terms + count; term < end; term++) {
    const C* a[Rows];
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) a[i] = term->a + (row + (i < rows ? i : rows - 1)) * term->stride;
    const C* panel = term->panel;
    const int64_t depth = term->depth;
    int64_t k = 0;
    if constexpr (InPairs)
      for (; k + 2 <= depth; k += 2, panel += 2 * width) {
#pragma GCC unroll 8
        for (int i = 0; i < Rows; i++) {
          const vf first = splat(a[i][k]), second = splat(a[i][k + 1]);
#pragma GCC unroll 3
          for (int j = 0; j < Vectors; j++)
            acc[0][i][j] = addPair(acc[0][i][j], first, load(panel + j * kLanes), second, load(panel + width + j * kLanes));
        }
      }
    for (; k + sums * unit <= depth; k += sums * unit, panel += sums * width) {
#pragma GCC unroll 2
      for (int s = 0; s < sums; s++) {
        decltype(Product::right(panel)) b[Vectors];
#pragma GCC unroll 3
        for (int j = 0; j < Vectors; j++) b[j] = Product::right(panel + s * width + j * kLanes * unit);
#pragma GCC unroll 8
        for (int i = 0; i < Rows; i++) {
          const auto left = Product::left(a[i] + k + s * unit);
#pragma GCC unroll 3
          for (int j = 0; j < Vectors; j++) acc[s][i][j] = Product::add(acc[s][i][j], left, b[j]);
        }
      }
    }
    for (; k < depth; k += unit, panel += width) {
#pragma GCC unroll 8
      for (int i = 0; i < Rows; i++) {
        const auto left = k + unit <= depth ? Product::left(a[i] + k) : Product::lastLeft(a[i] + k);
#pragma GCC unroll 3
        for (int j = 0; j < Vectors; j++)
          acc[0][i][j] = Product::add(acc[0][i][j], left, Product::right(panel + j * kLanes * unit));
      }
    }
  }
  if (sums == 2)
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) acc[0][i][0] += acc[sums - 1][i][0];
  saveBlock(acc[0], row, rows, columns, save);
}

#if FETTLE_MATRIX
// The same with matrix instructions, which take two rows and two units of depth at once.
template <int Rows, int Vectors, class Store>
__attribute__((noinline)) void matrixKernel(const Term<bf16>* terms, int count, int64_t row, int rows, int columns, const Store& save) {
  constexpr int64_t step = 4, width = Vectors * kLanes * 2;  // cells: of depth, and of a unit of the panel
  MatrixSums<Rows, Vectors, vf> sums;
  for (const Term<bf16>*term = terms, *end = terms + count; term < end; term++) {
    const bf16* a[Rows];
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) a[i] = term->a + (row + (i < rows ? i : rows - 1)) * term->stride;
    const bf16* panel = term->panel;
    int64_t k = 0;
    for (; k + step <= term->depth; k += step, panel += 2 * width)
      sums.add([&](int pair) { return twoRows(a[2 * pair] + k, a[2 * pair + 1] + k); },
               [&](int j) { return loadPairs(panel + j * kLanes * 2); }, [&](int j) { return loadPairs(panel + width + j * kLanes * 2); });
    if (const int left = (int)(term->depth - k))
      sums.add([&](int pair) { return twoRows(a[2 * pair] + k, a[2 * pair + 1] + k, left * (int)sizeof(bf16)); },
               [&](int j) { return loadPairs(panel + j * kLanes * 2); },
               [&](int j) { return left > 2 ? loadPairs(panel + width + j * kLanes * 2) : vp{}; });
  }
  vf acc[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; i++)
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++) acc[i][j] = sums.at(i, j);
  saveBlock(acc, row, rows, columns, save);
}
#endif

template <int Vectors, class C, class Store>
inline void sweepRows(const Term<C>* terms, int count, int64_t begin, int64_t end, int columns, const Store& save) {
  constexpr int most = Block<float>::rows;
  [[maybe_unused]] constexpr bool inPairs = kMayRoundProducts && Vectors > 1;
  for (int64_t row = begin; row < end; row += most) {
    const int rows = (int)(end - row < most ? end - row : most);
    expectRows(save, row, rows, columns);
    const auto block = [&](auto height) {
#if FETTLE_MATRIX
      if constexpr (sizeof(C) == 2) matrixKernel<height.value, Vectors>(terms, count, row, rows, columns, save);
      else
#endif
      if (inPairs && roundsProducts()) kernel<height.value, Vectors, inPairs>(terms, count, row, rows, columns, save);
      else kernel<height.value, Vectors, false>(terms, count, row, rows, columns, save);
    };
    if (rows > most / 2) block(std::integral_constant<int, most>{});
    else block(std::integral_constant<int, most / 2>{});
  }
}

#if !FETTLE_AMX
struct TileScope {  // holds AMX's tiles over several products; nothing elsewhere
  TileScope() {}
};
#endif

// Rows [begin, end) of the sum of all terms; the panels have `columns` columns each.
template <class C, class Store>
inline void multiply(const Term<C>* terms, int count, int64_t begin, int64_t end, int columns, const Store& save) {
#if FETTLE_AMX
  if constexpr (sizeof(C) == 2) return sweepTiles(terms, count, begin, end, columns, save);
  else
#endif
  if (columns <= kLanes) sweepRows<1>(terms, count, begin, end, columns, save);
  else if (columns <= 2 * kLanes) sweepRows<2>(terms, count, begin, end, columns, save);
  else if constexpr (Block<C>::vectors > 2) sweepRows<3>(terms, count, begin, end, columns, save);
}
template <class C, class Out>
inline void multiply(const Term<C>* terms, int count, int64_t begin, int64_t end, int columns, const StoreTo<Out>& save) {
  withStore(save, [&](const auto& store) { multiply(terms, count, begin, end, columns, store); });
}
template <class C, class Store>
inline void multiply(const Term<C>& term, int64_t begin, int64_t end, int columns, const Store& save) {
  multiply(&term, 1, begin, end, columns, save);
}

}  // namespace fettle::FETTLE_ISA

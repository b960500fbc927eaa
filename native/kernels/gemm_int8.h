// The product kernel of 8-bit integers (operands and formula: pack_int8.h), as gemm.h has it for cells: Rows x Vectors sums
// stay in registers, become floats there, and take LoRA's product with cells as further depth before they are stored.
#pragma once

#include <cstdint>
#include <type_traits>

#include "gemm.h"
#include "pack_int8.h"

namespace fettle::FETTLE_ISA {

// Rows of the register block: 8 x 48 sums with 32 registers, fewer where the codes are widened beside them in 16.
constexpr int kByteRows = FETTLE_LANES == 16 ? 8 : 4;

// A short product with cells, added to sums that were made otherwise.
template <int Rows, int Vectors, class C>
[[gnu::always_inline]] inline void addTerm(vf (&sums)[Rows][Vectors], const Term<C>& term, int64_t row, int rows) {
  using Product = UnitProduct<C>;
  const C* panel = term.panel;
  for (int64_t k = 0; k < term.depth; k += Block<C>::unit, panel += Vectors * kLanes * Block<C>::unit)
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) {
      const C* a = term.a + (row + (i < rows ? i : rows - 1)) * term.stride + k;
      const auto left = k + Block<C>::unit <= term.depth ? Product::left(a) : Product::lastLeft(a);
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++)
        sums[i][j] = Product::add(sums[i][j], left, Product::right(panel + j * kLanes * Block<C>::unit));
    }
}

template <int Rows, int Vectors, class C, class Store>
__attribute__((noinline)) void byteKernel(const ByteRows& left, const BytePanel& panel, const Term<C>* lora, int64_t row,
                                          int rows, int columns, const Store& save) {
  const auto rowOf = [&](int i) { return row + (i < rows ? i : rows - 1); };
  const QuadProduct::Number* a[Rows];
  const float* scales[Rows];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; i++) {
    a[i] = left.quads + rowOf(i) * left.stride;
    scales[i] = left.scales + rowOf(i) * left.blocks.size();
  }
  vf values[Rows][Vectors] = {};
  [[maybe_unused]] const int32_t* start = panel.start;
  int block = 0;
  for (const DepthBlock& part : left.blocks) {
    const char* codes[Vectors];
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++) codes[j] = panel.codes[j] + part.firstQuad() * panel.step;
    const int64_t step = panel.step, end = part.to + part.quads() * kQuad;
#if FETTLE_MATRIX
    // Two quads at once; where the number of them is odd, zeros follow in the rows.
    MatrixSums<Rows, Vectors, vi> matrices;
    for (int64_t k = part.to; k < end; k += 2 * kQuad) {
      matrices.add([&](int pair) { return twoRows(a[2 * pair] + k, a[2 * pair + 1] + k); }, [&](int j) { return loadCodes(codes[j]); },
                   [&](int j) { return k + kQuad < end ? loadCodes(codes[j] + step) : vi{}; });
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++) codes[j] += 2 * step;
    }
    const auto sumOf = [&](int i, int j) __attribute__((always_inline)) { return matrices.at(i, j); };
#else
    vi sums[Rows][Vectors];
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++, start += kLanes) {
#pragma GCC unroll 8
      for (int i = 0; i < Rows; i++) __builtin_memcpy(&sums[i][j], start, sizeof(vi));
    }
#if defined(__clang__)
    // The sums of this block need the registers: clang would keep some of `values` there, and take sums out in each step instead.
    asm volatile("" : "+m"(values));
#endif
    for (int64_t k = part.to; k < end; k += kQuad) {
      vi b[Vectors];
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++) b[j] = loadCodes(codes[j]), codes[j] += step;
#pragma GCC unroll 8
      for (int i = 0; i < Rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < Vectors; j++) sums[i][j] = QuadProduct::add(sums[i][j], a[i] + k, b[j]);
    }
    const auto sumOf = [&](int i, int j) __attribute__((always_inline)) { return sums[i][j]; };
#endif
#pragma GCC unroll 8
    for (int i = 0; i < Rows; i++) {
      const vf scale = splat(scales[i][block]);
#pragma GCC unroll 3
      for (int j = 0; j < Vectors; j++) values[i][j] = multiplyAdd(__builtin_convertvector(sumOf(i, j), vf), scale, values[i][j]);
    }
    block++;
  }
  vf totals[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; i++)
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++) totals[i][j] = values[i][j] * load(panel.scales + j * kLanes);
  if (lora) addTerm(totals, *lora, row, rows);
  saveBlock(totals, row, rows, columns, save);
}

// Rows [begin, end) of the product with a panel of `columns` columns, and of the terms beside it.
template <class C, class Store>
inline void multiplyBytes(const ByteRows& left, const BytePanel& panel, const Term<C>* lora, int64_t begin,
                          int64_t end, int columns, const Store& save) {
  const auto sweep = [&](auto vectors) {
    constexpr int most = kByteRows;
    for (int64_t row = begin; row < end; row += most) {
      const int rows = (int)(end - row < most ? end - row : most);
      expectRows(save, row, rows, columns);
      if (rows > most / 2) byteKernel<most, vectors.value>(left, panel, lora, row, rows, columns, save);
      else byteKernel<most / 2, vectors.value>(left, panel, lora, row, rows, columns, save);
    }
  };
  if (columns <= kLanes) sweep(std::integral_constant<int, 1>{});
  else if (columns <= 2 * kLanes) sweep(std::integral_constant<int, 2>{});
  else if constexpr (Block<C>::vectors > 2) sweep(std::integral_constant<int, 3>{});
}
template <class C, class Out>
inline void multiplyBytes(const ByteRows& left, const BytePanel& panel, const Term<C>* lora, int64_t begin,
                          int64_t end, int columns, const StoreTo<Out>& save) {
  withStore(save, [&](const auto& store) { multiplyBytes(left, panel, lora, begin, end, columns, store); });
}

}  // namespace fettle::FETTLE_ISA

// Sums of ARM's matrix instructions (BFMMLA of FEAT_BF16, SMMLA of FEAT_I8MM): a register holds those of two rows and two columns,
// and one instruction adds eight bytes of depth of each, two units of a panel:
//
//     sums[2i + j] += Σ_k left[i, k] · right[j, k]        i, j < 2; k < 4 (bf16) or 8 (bytes)
//
// That is twice what a dot product instruction does (BFDOT, SDOT). Panels and rows are those of the other kernels: the eight bytes of a
// column are put together from two vectors of a panel, once for all rows of the block.
#pragma once

#include <cstdint>

#include "simd.h"

namespace fettle::FETTLE_ISA {

#if FETTLE_MATRIX
inline vf addMatrices(vf sums, vu left, vu right) {
  return (vf)vbfmmlaq_f32((float32x4_t)sums, (bfloat16x8_t)left, (bfloat16x8_t)right);
}
inline vi addMatrices(vi sums, vu left, vu right) {
  return (vi)vmmlaq_s32((int32x4_t)sums, (int8x16_t)left, (int8x16_t)right);
}

// `bytes` of depth of two rows, at most eight; the rest are zero.
inline vu twoRows(const void* first, const void* second, int bytes) {
  uint64_t rows[2] = {};
  __builtin_memcpy(&rows[0], first, bytes);
  __builtin_memcpy(&rows[1], second, bytes);
  vu both;
  __builtin_memcpy(&both, rows, sizeof both);
  return both;
}
inline vu twoRows(const void* first, const void* second) {
  return (vu)vcombine_u8(vld1_u8((const uint8_t*)first), vld1_u8((const uint8_t*)second));
}

// Sums of Rows x Vectors vectors, V being vf or vi.
template <int Rows, int Vectors, class V> struct MatrixSums {
  V of[Rows / 2][2 * Vectors] = {};

  // left(pair): two rows; first(j) and second(j): vector j of two units of the panel.
  template <class Left, class First, class Second>
  [[gnu::always_inline]] void add(const Left& left, const First& first, const Second& second) {
    vu rows[Rows / 2];
#pragma GCC unroll 4
    for (int pair = 0; pair < Rows / 2; pair++) rows[pair] = left(pair);
#pragma GCC unroll 3
    for (int j = 0; j < Vectors; j++) {
      const auto a = (uint32x4_t)first(j), b = (uint32x4_t)second(j);
      const vu low = (vu)vzip1q_u32(a, b), high = (vu)vzip2q_u32(a, b);
#pragma GCC unroll 4
      for (int pair = 0; pair < Rows / 2; pair++) {
        of[pair][2 * j] = addMatrices(of[pair][2 * j], rows[pair], low);
        of[pair][2 * j + 1] = addMatrices(of[pair][2 * j + 1], rows[pair], high);
      }
    }
  }

  // Vector j of a row.
  [[gnu::always_inline]] V at(int row, int j) const {
    const auto low = (uint64x2_t)of[row / 2][2 * j], high = (uint64x2_t)of[row / 2][2 * j + 1];
    return (V)(row % 2 ? vzip2q_u64(low, high) : vzip1q_u64(low, high));
  }
};
#endif

}  // namespace fettle::FETTLE_ISA

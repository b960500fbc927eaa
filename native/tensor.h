// What a kernel sees of a tensor: pointer, type, shape. Row-major, rows 1..n contiguous inside a block.
#pragma once
#include <cstdint>
#include <cstring>

namespace fettle {

using bf16 = uint16_t;  // storage only; see simd.h for conversions

// A half-precision number of a file.
inline float halfToFloat(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 1023u;
  if (exponent == 0) {
    const float value = float(fraction) / 16777216.0f;  // 2^-24
    return sign ? -value : value;
  }
  const uint32_t bits = sign | ((exponent == 31 ? 255u : exponent + 112u) << 23) | (fraction << 13);
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

// int8 and what follows are frozen weights only: in the layout of quantised.h, and last as they lie in files (blocks.h).
enum class DType : int { f32 = 0, bf16 = 1, i32 = 2, int8 = 3, nf4 = 4, fp4 = 5, bf12 = 6, blocks = 7 };
constexpr const char* kDTypeNames[] = {"float32", "bfloat16", "int32", "int8", "nf4", "fp4", "bfloat12", "blocks"};  // in TypeScript

// How rows of DType::blocks are coded.
enum class BlockFormat : int { none = 0, q8_0, q4_0, q4_1, q4_K, q6_K, iq4_nl, mxfp4, affine4, affine8 };

// A run of consecutive rows in memory. Frozen weights that stack several matrices (q, k, v) have one a matrix,
// each pointing into the mapped file; all other tensors have one.
struct RowBlock {
  int64_t firstRow;
  void* data;
  BlockFormat format = BlockFormat::none;
};

struct Tensor {
  DType dtype = DType::f32;
  int rank = 0;
  int64_t shape[4] = {0, 0, 0, 0};
  const RowBlock* blocks = nullptr;
  int blockCount = 0;

  // Number of rows when all dimensions but the last are one; elements of a row.
  int64_t cols() const { return rank ? shape[rank - 1] : 1; }
  int64_t rows() const {
    int64_t n = 1;
    for (int i = 0; i + 1 < rank; i++) n *= shape[i];
    return n;
  }
  int64_t size() const { return rows() * cols(); }
  // Pointer to everything; only for tensors of one block. (A quantised tensor has no rows in memory: see quantised.h.)
  template <class T>
  T* as() const { return static_cast<T*>(blocks[0].data); }
  // Pointer to row n of a matrix that may have several blocks.
  template <class T>
  T* row(int64_t n) const {
    int b = blockCount - 1;
    while (blocks[b].firstRow > n) b--;
    return static_cast<T*>(blocks[b].data) + (n - blocks[b].firstRow) * cols();
  }
};

// Rows before the padding of a list that is −1 from some row on.
inline int64_t rowsBeforePadding(const int32_t* list, int64_t rows) {
  int64_t n = 0;
  while (n < rows && list[n] >= 0) n++;
  return n;
}

}  // namespace fettle

// Frozen weights as they lie in files: rows of blocks, each with its scales (ggml's types, and two of fettle's own for GPTQ and AWQ).
// They are read in place and multiplied out to numbers just before they are used (kernels/blocks.h).
//
//     q8_0     32 numbers   half d; 32 signed bytes x                            d x
//     q4_0     32           half d; 16 bytes of codes                            d (x − 8)
//     q4_1     32           half d, half m; 16 bytes of codes                    d x + m
//     q4_K     256          half d, half n; 12 bytes of 6-bit s and t; 128       d s x − n t, an s and a t for each 32
//     q6_K     256          128 bytes of low and 64 of high bits; 16 s; half d   d s (x − 32), an s for each 16
//     iq4_nl   32           half d; 16 bytes of codes                            d · one of 16 whole numbers
//     mxfp4    32           byte e; 16 bytes of codes                            2^(e − 128) · one of 16 whole numbers
//     affine4  32           half d, uint16 z; 16 bytes of codes                  d (x − z)
//     affine8  32           half d, uint16 z; 32 bytes of codes                  d (x − z)
//
// The low halves of a block's bytes are its first numbers, the high halves its last. Source: ggml-quants.c of ggml.
#pragma once
#include "tensor.h"

namespace fettle {

struct BlockShape {
  int64_t depth, bytes;  // numbers of a block, and what they take
};
constexpr BlockShape kBlockShapes[] = {{1, 0}, {32, 34}, {32, 18}, {32, 20}, {256, 144}, {256, 210}, {32, 18}, {32, 17}, {32, 20}, {32, 36}};
constexpr int kBlockFormats = 9;
constexpr BlockShape shapeOf(BlockFormat format) { return kBlockShapes[int(format)]; }
constexpr int64_t rowBytesOf(BlockFormat format, int64_t columns) { return columns / shapeOf(format).depth * shapeOf(format).bytes; }

inline bool isBlocks(DType dtype) { return dtype == DType::blocks; }

// The block of rows that has row n of a matrix, and where its rows end.
inline const RowBlock& blockOfRow(const Tensor& tensor, int64_t row) {
  int b = tensor.blockCount - 1;
  while (tensor.blocks[b].firstRow > row) b--;
  return tensor.blocks[b];
}
inline const char* blockRow(const RowBlock& block, int64_t row, int64_t columns) {
  return static_cast<const char*>(block.data) + (row - block.firstRow) * rowBytesOf(block.format, columns);
}

}  // namespace fettle

// Frozen weights in fewer bits: in 8 and 4 as bitsandbytes rounds them, and bfloat16 in 12 without any rounding.
// w = code · scale, with the scale a part of the largest magnitude of its block.
//
//     int8       one block a row; scale = absmax / 127, code = round(w / scale)
//     nf4, fp4   blocks of 64 along the row; scale = absmax, code the nearest of 16 fixed numbers to w / scale
//     bf12       one block a row; scale = 2^(top − 127), where `top` is the highest exponent field that the row needs; the code has
//                w's sign and mantissa, and 4 bits for its field: c > 0 for the field top − 15 + c, 0 for zero
//
// Of trained weights about one in 100,000 is too small for the 15 fields below its row's largest. Among the codes of bf12 it is
// zero; as itself it is one of the group's *exceptions*, which lie behind all groups of the row block.
//
// The layout is the same for all instruction sets, and made so that sixteen rows are the lanes of a vector. A row block of
// the tensor (RowBlock) is groups of 16 rows, one behind the other; missing rows are zero. A group is the blocks of its
// depth; a block is
//
//     16 floats             scale of each row
//     vectors of 64 bytes   sixteen lanes of 32 bits, one a row: the codes of 4 (int8) or 8 depths
//       int8       bytes 0 to 3 are depths 0, 2, 1, 3: the low halves of both 16-bit words, and their high halves, are pairs
//       nf4, fp4   bits 4j to 4j + 3 of the low word are depth 2j, of the high word depth 2j + 1
//       bf12       three vectors for 8 depths. The first has the fields, as nf4 has its codes. In the words of the second are depths
//                  0 and 1: sign at bit 15, mantissa at bits 0 to 6; and in between depths 2 and 3: sign at bit 7, mantissa
//                  at bits 8 to 14. The third has depths 4 to 7 in the same way.
//
// and a group of bf12 ends with a GroupTail. So a product with few tokens reads memory once from start to end and needs no sums across
// lanes, and packing a panel for y = x Wᵀ needs no transposition. int8 rows are padded with zeros to a multiple of 4, those of bf12 to
// one of 8; nf4 and fp4 rows are whole blocks.
#pragma once
#include "pool.h"
#include "tensor.h"

namespace fettle {

constexpr int kGroupRows = 16;
constexpr int kCodeBytes = 64;                        // of a vector of codes
constexpr int kScaleBytes = kGroupRows * sizeof(float);
constexpr int64_t kFourBitBlock = 64;

inline bool isQuantised(DType dtype) { return dtype >= DType::int8; }
// Of these, whether the layout below is its.
inline bool isGrouped(DType dtype) { return isQuantised(dtype) && dtype != DType::blocks; }

// A weight of bf12 that its code has no field for.
struct Exception {
  uint32_t depth;
  uint16_t row;  // in the group
  bf16 value;
};
// Where the exceptions of a group are, in bytes from the beginning of the group, and how many.
struct alignas(64) GroupTail {
  int64_t offset, count;
};

struct QuantisedLayout {
  int step;            // depths that are coded together…
  int stepBytes;       // …in so many bytes
  int64_t blockDepth;  // depths that share a scale
  int64_t blocks;      // of a row
  int64_t tailBytes;

  QuantisedLayout(DType dtype, int64_t columns)
      : step(dtype == DType::int8 ? 4 : 8),
        stepBytes(dtype == DType::bf12 ? 3 * kCodeBytes : kCodeBytes),
        blockDepth(isFourBits(dtype) ? kFourBitBlock : (columns + step - 1) / step * step),
        blocks((columns + blockDepth - 1) / blockDepth),
        tailBytes(dtype == DType::bf12 ? sizeof(GroupTail) : 0) {}
  int64_t depth() const { return blocks * blockDepth; }  // columns and what they are padded with
  int64_t blockBytes() const { return kScaleBytes + blockDepth / step * stepBytes; }
  int64_t groupBytes() const { return blocks * blockBytes() + tailBytes; }
  int64_t groups(int64_t rows) const { return (rows + kGroupRows - 1) / kGroupRows; }
  // Room for the exceptions included: on average eight a group, of which pages are taken as they are needed.
  int64_t bytes(int64_t rows) const { return groups(rows) * (groupBytes() + tailBytes); }
  static bool isFourBits(DType dtype) { return dtype == DType::nf4 || dtype == DType::fp4; }

  const GroupTail& tail(const char* group) const { return *(const GroupTail*)(group + groupBytes() - tailBytes); }
  // body(exception) for those of a group, by depth.
  template <class Body> void eachException(const char* group, const Body& body) const {
    if (tailBytes == 0) return;
    const GroupTail& at = tail(group);
    const Exception* exceptions = (const Exception*)(group + at.offset);
    for (int64_t i = 0; i < at.count; i++) body(exceptions[i]);
  }
};

// Rows of numbers in memory. type: 0 float32, 1 bfloat16, 2 float16.
struct NumberRows {
  const char* data;
  int type;
  int64_t rows, columns;
};

// The numbers that the 4-bit codes stand for. NF4: quantiles of the normal distribution, Dettmers et al. 2023,
// https://arxiv.org/abs/2305.14314, appendix E; FP4: sign, two bits of exponent and one of mantissa over 12.
constexpr float kNf4Codes[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
    -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
constexpr float kFp4Codes[16] = {
    0.0f, 0.0625f / 12, 8.0f / 12, 1.0f, 4.0f / 12, 6.0f / 12, 2.0f / 12, 3.0f / 12,
    -0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -6.0f / 12, -2.0f / 12, -3.0f / 12};
inline const float* codesOf(DType dtype) { return dtype == DType::nf4 ? kNf4Codes : kFp4Codes; }

// What the instruction sets implement (kernels/quantise.h).
struct Quantiser {
  // Rows of a source into a row block; threads divide the groups. False, and nothing to be read there, for bf12 where there are
  // more exceptions than room.
  bool (*quantise)(Pool& pool, DType dtype, const NumberRows& source, char* to);
  // `rows` rows of a row block from `firstRow` on, as numbers [rows, columns].
  void (*dequantise)(DType dtype, const char* block, int64_t firstRow, int64_t rows, int64_t columns, float* to);
  // The same of all rows of a row block that is coded as its format says (blocks.h).
  void (*decode)(const RowBlock& block, int64_t rows, int64_t columns, float* to);
};

}  // namespace fettle

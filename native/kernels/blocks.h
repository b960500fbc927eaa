// Weights in blocks (native/blocks.h) as a source of panels and of rows. They are decoded 32 numbers at a time, in the order in which they
// are, so rows become cells in a strip that stays in the first-level cache, and what packs plain rows does the rest.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../blocks.h"
#include "pack.h"
#include "quantised.h"

namespace fettle::FETTLE_ISA {

constexpr int kPiece = 32;  // numbers that are decoded together

inline vi widenBytes(const void* p) {
#if FETTLE_LANES == 16
  return (vi)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p));
#elif FETTLE_LANES == 8
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#else
  const uint8_t* bytes = (const uint8_t*)p;
  return vi{bytes[0], bytes[1], bytes[2], bytes[3]};
#endif
}
inline vi widenSigned(const void* p) { return (widenBytes(p) << 24) >> 24; }
inline vf toFloats(vi v) { return __builtin_convertvector(v, vf); }
inline float halfAt(const char* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
#if defined(__F16C__)
  return _cvtsh_ss(h);
#else
  return halfToFloat(h);
#endif
}

constexpr float kIq4Numbers[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr float kMxfp4Numbers[16] = {0, 1, 2, 3, 4, 6, 8, 12, -0.0f, -1, -2, -3, -4, -6, -8, -12};

// value(x) of 32 codes of 4 bits in 16 bytes, as emit(place, vector) takes them.
template <class Value, class Emit> inline void eachNibble(const char* codes, const Value& value, const Emit& emit) {
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += kLanes) {
    const vi pair = widenBytes(codes + i);
    emit(i, value(pair & 15));
    emit(i + 16, value(pair >> 4));
  }
}

// Each format: piece(row, p, emit) decodes the numbers 32 p to 32 p + 31 of a row.
struct PiecesQ8 {
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p * 34;
    const vf d = splat(halfAt(at));
#pragma GCC unroll 8
    for (int i = 0; i < kPiece; i += kLanes) emit(i, d * toFloats(widenSigned(at + 2 + i)));
  }
};
struct PiecesQ4 {
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p * 18;
    const vf d = splat(halfAt(at)), m = d * splat(-8.0f);
    eachNibble(at + 2, [&](vi x) { return multiplyAdd(d, toFloats(x), m); }, emit);
  }
};
struct PiecesQ41 {
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p * 20;
    const vf d = splat(halfAt(at)), m = splat(halfAt(at + 2));
    eachNibble(at + 4, [&](vi x) { return multiplyAdd(d, toFloats(x), m); }, emit);
  }
};
struct PiecesQ4K {
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p / 8 * 144;
    const int i = (int)(p % 8);
    const uint8_t* packed = (const uint8_t*)at + 4;
    const int scale = i < 4 ? packed[i] & 63 : (packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4;
    const int minimum = i < 4 ? packed[i + 4] & 63 : packed[i + 4] >> 4 | (packed[i] >> 6) << 4;
    const vf d = splat(halfAt(at) * scale), m = splat(-halfAt(at + 2) * minimum);
    const char* codes = at + 16 + i / 2 * 32;
    const int shift = i % 2 * 4;
#pragma GCC unroll 8
    for (int l = 0; l < kPiece; l += kLanes) emit(l, multiplyAdd(d, toFloats((widenBytes(codes + l) >> shift) & 15), m));
  }
};
struct PiecesQ6K {
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p / 8 * 210;
    const int i = (int)(p % 8), half = i / 4;
    const char *low = at + 64 * half + 32 * (i & 1), *high = at + 128 + 32 * half;
    const int lowShift = i & 2 ? 4 : 0, highShift = 2 * (i & 3);
    const int8_t* scales = (const int8_t*)at + 192 + 2 * i;
    const float d = halfAt(at + 208);
#pragma GCC unroll 8
    for (int l = 0; l < kPiece; l += kLanes) {
      const vi x = ((widenBytes(low + l) >> lowShift) & 15) | ((widenBytes(high + l) >> highShift) & 3) << 4;
      emit(l, splat(d * scales[l / 16]) * toFloats(x - 32));
    }
  }
};
struct PiecesIq4 {
  NibbleCodes codes{kIq4Numbers};
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p * 18;
    const vf d = splat(halfAt(at));
    eachNibble(at + 2, [&](vi x) { return d * codes.find(x); }, emit);
  }
};
struct PiecesMxfp4 {
  NibbleCodes codes{kMxfp4Numbers};
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p * 17;
    // 2^(e − 128), of which the two smallest are subnormal.
    const int e = *(const uint8_t*)at;
    const uint32_t bits = e < 2 ? 0x200000u << e : (uint32_t)(e - 1) << 23;
    float scale;
    std::memcpy(&scale, &bits, 4);
    const vf d = splat(scale);
    eachNibble(at + 1, [&](vi x) { return d * codes.find(x); }, emit);
  }
};
template <int Bits> struct PiecesAffine {
  template <class Emit> void piece(const char* row, int64_t p, const Emit& emit) const {
    const char* at = row + p * (4 + 4 * Bits);
    const vf d = splat(halfAt(at));
    uint16_t zero;
    std::memcpy(&zero, at + 2, 2);
    const vi z = (int)zero - vi{};
    if constexpr (Bits == 4) eachNibble(at + 4, [&](vi x) { return d * toFloats(x - z); }, emit);
    else
      for (int i = 0; i < kPiece; i += kLanes) emit(i, d * toFloats(widenBytes(at + 4 + i) - z));
  }
};

template <class Body> inline void withPieces(BlockFormat format, const Body& body) {
  switch (format) {
    case BlockFormat::q8_0: return body(PiecesQ8{});
    case BlockFormat::q4_0: return body(PiecesQ4{});
    case BlockFormat::q4_1: return body(PiecesQ41{});
    case BlockFormat::q4_K: return body(PiecesQ4K{});
    case BlockFormat::q6_K: return body(PiecesQ6K{});
    case BlockFormat::iq4_nl: return body(PiecesIq4{});
    case BlockFormat::mxfp4: return body(PiecesMxfp4{});
    case BlockFormat::affine4: return body(PiecesAffine<4>{});
    case BlockFormat::affine8: return body(PiecesAffine<8>{});
    case BlockFormat::none: return;
  }
}

// A few lines of a row are asked for while others are decoded, since pieces of rows that lie far apart are not foreseen.
constexpr int kPieceRowsAhead = 8;

// to[r, i] = row firstRow + r of the matrix, number begin + i, for r < rows and i < end − begin; both are multiples of 32, and `to` has rows of
// `stride` cells.
template <class C>
__attribute__((noinline)) static void decodeRows(C* to, int64_t stride, const Tensor& matrix, int64_t firstRow, int64_t rows, int64_t begin,
                                                 int64_t end) {
  const int64_t columns = matrix.cols();
  int64_t done = 0;
  while (done < rows) {
    const RowBlock& block = blockOfRow(matrix, firstRow + done);
    const bool isLast = &block == matrix.blocks + matrix.blockCount - 1;
    const int64_t until = isLast ? rows : (&block)[1].firstRow - firstRow;
    const int64_t last = until < rows ? until : rows, rowBytes = rowBytesOf(block.format, columns);
    const BlockShape shape = shapeOf(block.format);
    const int64_t from = begin / shape.depth * shape.bytes, bytes = (end + shape.depth - 1) / shape.depth * shape.bytes - from;
    const bool isShort = bytes < 512;
    const char* row = blockRow(block, firstRow + done, columns);
    withPieces(block.format, [&](const auto& pieces) {
      for (; done < last; done++, row += rowBytes) {
        if (isShort)
          for (int64_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(row + from + kPieceRowsAhead * rowBytes + byte);
        C* cells = to + done * stride;
        for (int64_t p = begin / kPiece; p < end / kPiece; p++, cells += kPiece)
          pieces.piece(row, p, [&](int place, vf value) { store(cells + place, value); });
      }
    });
  }
}

struct Blocked {
  const Tensor* tensor = nullptr;
  Blocked() = default;
  explicit Blocked(const Tensor& t) : tensor(&t) {}
};

template <class C> void packRows(C* panel, const Blocked& source, int64_t firstRow, int columns, int64_t depth) {
  constexpr int64_t strip = 256, stride = strip + 32;
  alignas(64) C cells[kPanelColumns<C> * stride];
  const int width = (int)roundUp(columns, kLanes);
  for (int64_t k = 0; k < depth; k += strip) {
    const int64_t here = depth - k < strip ? depth - k : strip;
    decodeRows(cells, stride, *source.tensor, firstRow, columns, k, k + here);
    packRows(panel + k * width, Plain<C>{cells, stride}, 0, columns, here);
  }
}

template <class C> void packColumns(C* panel, const Blocked& source, int64_t firstColumn, int columns, int64_t depth) {
  constexpr int64_t rows = 64, stride = roundUp(kPanelColumns<C>, kPiece) + 2 * kPiece;
  alignas(64) C cells[rows * stride];
  const int width = (int)roundUp(columns, kLanes);
  const int64_t begin = firstColumn / kPiece * kPiece, end = roundUp(firstColumn + columns, kPiece);
  for (int64_t k = 0; k < depth; k += rows) {
    const int64_t here = depth - k < rows ? depth - k : rows;
    decodeRows(cells, stride, *source.tensor, k, here, begin, end);
    packColumns(panel + k * width, Plain<C>{cells + (firstColumn - begin), stride}, 0, columns, here);
  }
}

static void decodeBlock(const RowBlock& block, int64_t rows, int64_t columns, float* to) {
  Tensor matrix;
  matrix.dtype = DType::blocks;
  matrix.rank = 2;
  matrix.shape[0] = rows;
  matrix.shape[1] = columns;
  const RowBlock own{0, block.data, block.format};
  matrix.blocks = &own;
  matrix.blockCount = 1;
  decodeRows(to, columns, matrix, 0, rows, 0, columns);
}

// Weights by what they are stored in: Stacked<bf16>, Stacked<float>, Quantised or Blocked.
template <class W> struct WeightSource { using type = Stacked<W>; };
template <> struct WeightSource<Quantised> { using type = Quantised; };
template <> struct WeightSource<Blocked> { using type = Blocked; };
template <class Body> inline void withWeight(DType dtype, const Body& body) {
  if (isBlocks(dtype)) body(Blocked{});
  else if (isQuantised(dtype)) body(Quantised{});
  else withType(dtype, body);
}

}  // namespace fettle::FETTLE_ISA

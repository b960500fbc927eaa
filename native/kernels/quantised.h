// Quantised weights (native/quantised.h) as a source of panels: rows are multiplied out to cells a panel at a time, as
// pack.h packs them from memory. The lanes of a vector of codes are rows, which is what a panel of y = x Wᵀ has side by
// side; for dx = dy W they are transposed in registers.
#pragma once

#include <cstdint>

#include "../quantised.h"
#include "pack.h"

namespace fettle::FETTLE_ISA {

struct Quantised {
  const Tensor* tensor = nullptr;
  QuantisedLayout layout{DType::int8, 1};  // no weight: a width of 0 would be divided by
  Quantised() = default;
  explicit Quantised(const Tensor& t) : tensor(&t), layout(t.dtype, t.cols()) {}

  const RowBlock& blockOf(int64_t row) const {
    int b = tensor->blockCount - 1;
    while (tensor->blocks[b].firstRow > row) b--;
    return tensor->blocks[b];
  }
  int64_t endOf(const RowBlock& block) const {
    return &block == tensor->blocks + tensor->blockCount - 1 ? tensor->rows() : (&block)[1].firstRow;
  }
};

inline vi loadCodes(const char* p) { vi v; __builtin_memcpy(&v, p, sizeof v); return v; }

// Codes of `step` consecutive depths for kLanes rows as numbers.
struct ByteCodes {
  static constexpr int step = 4, bytes = kCodeBytes;
  explicit ByteCodes(DType) {}
  void unpack(vf (&w)[step], const char* from) const {
    const vi v = loadCodes(from);
    w[0] = __builtin_convertvector((v << 24) >> 24, vf);
    w[1] = __builtin_convertvector((v << 8) >> 24, vf);
    w[2] = __builtin_convertvector((v << 16) >> 24, vf);
    w[3] = __builtin_convertvector(v >> 24, vf);
  }
};

struct NibbleCodes {
  static constexpr int step = 8, bytes = kCodeBytes;
#if FETTLE_LANES == 16
  __m512 table;
  explicit NibbleCodes(const float* numbers) : table(_mm512_loadu_ps(numbers)) {}
  vf find(vi index) const { return (vf)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)index, table); }  // its lowest 4 bits
#elif FETTLE_LANES == 8
  __m256 low, high;
  explicit NibbleCodes(const float* numbers) : low(_mm256_loadu_ps(numbers)), high(_mm256_loadu_ps(numbers + 8)) {}
  vf find(vi index) const {
    const __m256 a = _mm256_permutevar8x32_ps(low, (__m256i)index), b = _mm256_permutevar8x32_ps(high, (__m256i)index);
    return (vf)_mm256_blendv_ps(a, b, (__m256)(index << 28));
  }
#else
  const float* table;
  explicit NibbleCodes(const float* numbers) : table(numbers) {}
  vf find(vi index) const {
    vf w;
    for (int i = 0; i < kLanes; i++) w[i] = table[index[i] & 15];
    return w;
  }
#endif
  explicit NibbleCodes(DType dtype) : NibbleCodes(codesOf(dtype)) {}
  void unpack(vf (&w)[step], const char* from) const {
    const vi v = loadCodes(from);
#pragma GCC unroll 8
    for (int d = 0; d < step; d++) w[d] = find(v >> (d / 2 * 4 + d % 2 * 16));
  }
};

struct SplitCodes {
  static constexpr int step = 8, bytes = 3 * kCodeBytes;
  explicit SplitCodes(DType) {}
  void unpack(vf (&w)[step], const char* from) const {
    const vi fields = loadCodes(from);
#pragma GCC unroll 8
    for (int d = 0; d < step; d++) {
      const vi c = (fields >> (d / 2 * 4 + d % 2 * 16)) & 15, rest = loadCodes(from + (1 + d / 4) * kCodeBytes) >> (d % 2 * 16);
      const vi signAndMantissa = d / 2 % 2 ? (rest & 0x80) << 24 | (rest & 0x7f00) << 8 : (rest & 0x8000) << 16 | (rest & 0x7f) << 16;
      w[d] = (vf)(signAndMantissa | (((c + 112) << 23) & (c != 0)));  // the field top means 2^0
    }
  }
};

template <class Body> inline void withCodes(DType dtype, const Body& body) {
  if (dtype == DType::int8) body(ByteCodes(dtype));
  else if (dtype == DType::bf12) body(SplitCodes(dtype));
  else body(NibbleCodes(dtype));
}

// `step` depths of kLanes columns into a panel: to = the panel at the first depth and column; depths from `left` on do
// not exist (their codes are zero).
template <int N> inline void storeDepths(float* to, int width, const vf (&w)[N], int64_t left) {
#pragma GCC unroll 8
  for (int i = 0; i < N; i++)
    if (i < left) store(to + i * width, w[i]);
}
#if FETTLE_HAS_BF16
template <int N> inline void storeDepths(bf16* to, int width, const vf (&w)[N], int64_t left) {
#pragma GCC unroll 4
  for (int i = 0; i < N; i += 2)
    if (i < left) storePairs(to + i * width, interleaveTwo(narrowTwo(w[i], w[i + 1])));
}
#endif

template <class C, class Codes>
__attribute__((noinline)) static void packQuantisedRows(C* panel, const Quantised& source, const Codes& codes,
                                                        int64_t firstRow, int columns, int64_t depth) {
  const QuantisedLayout& layout = source.layout;
  const int width = (int)roundUp(columns, kLanes);
  for (int v = 0; v < width; v += kLanes) {
    const RowBlock& rows = source.blockOf(firstRow + v);
    const int64_t row = firstRow + v - rows.firstRow;
    const int64_t lane = row % kGroupRows * sizeof(float);
    const char* group = (const char*)rows.data + row / kGroupRows * layout.groupBytes();
    const char* block = group + lane;
    C* to = panel + v * Block<C>::unit;
    for (int64_t k = 0; k < depth; k += layout.blockDepth, block += layout.blockBytes()) {
      const vf scale = load((const float*)block);
      const int64_t here = depth - k < layout.blockDepth ? depth - k : layout.blockDepth;
      const char* from = block + kScaleBytes;
      for (int64_t i = 0; i < here; i += Codes::step, from += Codes::bytes) {
        vf w[Codes::step];
        codes.unpack(w, from);
#pragma GCC unroll 8
        for (int d = 0; d < Codes::step; d++) w[d] *= scale;
        C* at = to + (k + i) * width;
        if (here - i >= Codes::step) storeDepths(at, width, w, Codes::step);
        else storeDepths(at, width, w, here - i);
      }
    }
    layout.eachException(group, [&](const Exception& e) {
      const int64_t column = v + e.row - row % kGroupRows, unit = Block<C>::unit;
      if (column >= v && column < v + kLanes) panel[e.depth / unit * unit * width + column * unit + e.depth % unit] = fromFloat<C>(toFloat(e.value));
    });
  }
  zeroTail(panel, depth, width);
}

template <class C> inline void packRows(C* panel, const Quantised& source, int64_t firstRow, int columns, int64_t depth) {
  withCodes(source.tensor->dtype, [&](const auto& codes) { packQuantisedRows(panel, source, codes, firstRow, columns, depth); });
}

// Some columns of one group, as numbers: [column][row].
template <class C> struct GroupTile {
  static constexpr int most = (int)roundUp(kPanelColumns<C>, 2 * kLanes) + 2 * NibbleCodes::step;
  alignas(64) float values[most][kGroupRows];
};

template <class C, class Codes>
inline void fillTile(GroupTile<C>& tile, const char* group, const QuantisedLayout& layout, const Codes& codes,
                     int64_t begin, int64_t end) {
  for (int64_t k = begin, at = 0; k < end; k += Codes::step, at += Codes::step) {
    const char* block = group + k / layout.blockDepth * layout.blockBytes();
    const char* from = block + kScaleBytes + k % layout.blockDepth / Codes::step * Codes::bytes;
    for (int lane = 0; lane < kGroupRows; lane += kLanes) {
      const vf scale = load((const float*)block + lane);
      vf w[Codes::step];
      codes.unpack(w, from + lane * sizeof(float));
#pragma GCC unroll 8
      for (int d = 0; d < Codes::step; d++) store(tile.values[at + d] + lane, w[d] * scale);
    }
  }
  layout.eachException(group, [&](const Exception& e) {
    if (e.depth >= begin && e.depth < end) tile.values[e.depth - begin][e.row] = toFloat(e.value);
  });
}

// Sixteen rows (fewer at the end of a row block) into a panel of columns, as depths `row` and following.
inline void placeTile(float* panel, const float (*tile)[kGroupRows], int64_t row, int rows, int columns, int width) {
  for (int lane = 0; lane < rows; lane += kLanes)
    for (int j = 0; j < columns; j += kLanes) {
      vu u[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) u[i] = j + i < columns ? (vu)load(tile[j + i] + lane) : vu{};
      transposeUnits(u);
      for (int i = 0; i < kLanes && lane + i < rows; i++) storeUnits(panel + (row + lane + i) * width + j, u[i]);
    }
}
#if FETTLE_HAS_BF16
inline void placeTile(bf16* panel, const float (*tile)[kGroupRows], int64_t row, int rows, int columns, int width) {
  if (row % 2 != 0) {  // pairs that straddle two row blocks
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < columns; j++) {
        bf16* unit = panel + (row + i) / 2 * 2 * width + 2 * j;
        unit[(row + i) % 2] = toBf16(tile[j][i]);
        if ((row + i) % 2 == 0) unit[1] = 0;
      }
    return;
  }
  if constexpr (2 * kLanes <= kGroupRows) {
    for (int lane = 0; lane < rows; lane += 2 * kLanes)
      for (int j = 0; j < columns; j += kLanes) {
        // A vector has kLanes pairs of rows of column j + i.
        vu u[kLanes] = {};
#pragma GCC unroll 4
        for (int i = 0; i < kLanes; i++)
          if (j + i < columns) u[i] = (vu)narrowTwo(load(tile[j + i] + lane), load(tile[j + i] + lane + kLanes));
        transposeUnits(u);
        for (int i = 0; i < kLanes && lane + 2 * i < rows; i++) storeUnits(panel + (row + lane + 2 * i) * width + 2 * j, u[i]);
      }
    return;
  }
  for (int j = 0; j < columns; j += 2 * kLanes) {
    // Eight pairs of rows; a vector has those of column j + i and of column j + 16 + i.
    const auto column = [&](int i) { return i < columns ? load(tile[i]) : vf{}; };
    vu u[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) u[i] = (vu)narrowTwo(column(j + i), column(j + kLanes + i));
    transposeUnits(u);
    for (int i = 0; 2 * i < rows; i++) {
      bf16* to = panel + (row + 2 * i) * width + 2 * j;
      storeUnits(to, u[i]);
      if (j + kLanes < columns) storeUnits(to + 2 * kLanes, u[kLanes / 2 + i]);
    }
  }
}
#endif

template <class C, class Codes>
__attribute__((noinline)) static void packQuantisedColumns(C* panel, const Quantised& source, const Codes& codes,
                                                           int64_t firstColumn, int columns, int64_t depth) {
  const int width = (int)roundUp(columns, kLanes);
  const int64_t begin = firstColumn / Codes::step * Codes::step;
  GroupTile<C> tile;
  for (int b = 0; b < source.tensor->blockCount; b++) {
    const RowBlock& block = source.tensor->blocks[b];
    const int64_t end = source.endOf(block);
    const char* group = (const char*)block.data;
    for (int64_t row = block.firstRow; row < end; row += kGroupRows, group += source.layout.groupBytes()) {
      fillTile(tile, group, source.layout, codes, begin, firstColumn + columns);
      placeTile(panel, tile.values + (firstColumn - begin), row, (int)(end - row < kGroupRows ? end - row : kGroupRows),
                columns, width);
    }
  }
  zeroTail(panel, depth, width);
}

template <class C>
inline void packColumns(C* panel, const Quantised& source, int64_t firstColumn, int columns, int64_t depth) {
  withCodes(source.tensor->dtype,
            [&](const auto& codes) { packQuantisedColumns(panel, source, codes, firstColumn, columns, depth); });
}

}  // namespace fettle::FETTLE_ISA

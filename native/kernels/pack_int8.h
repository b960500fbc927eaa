// Operands of matrix products in 8-bit integers: activations rounded in blocks of depth, and the codes of int8 weights
// (quantised.h). For block b of 128 depths (fewer at the end of a row; for dx = dy W also at the end of a segment):
//
//     q[m, k] = round(x[m, k] · (1 / absmax · 127)),  scale[m, b] = absmax / 127,  absmax = max over k in b of |x[m, k]|
//     c[m, j] = columnScale[j] · Σ_b scale[m, b] · Σ_{k in b} q[m, k] · code[k, j]
//
// Source: LLM.int8's symmetric rounding, Dettmers et al. 2022, https://arxiv.org/abs/2208.07339, with a scale a block as DeepSeek-V3
// has them, https://arxiv.org/abs/2412.19437, section 3.3.2. A scale a row, as LLM.int8 has it, made twice the error on SmolLM2, whose
// gated activations have a few large values in each row, and its exact columns for these changed little.
//
// Integers do not round, so all instruction sets have the same sums. Depth is counted in *quads*, four depths in a lane of 32
// bits, in which codes stand as depths 0, 2, 1, 3. How a row of x meets them:
//
//     AVX-512 VNNI   bytes q + 128 in the codes' order; vpdpbusd multiplies unsigned bytes with signed ones, and the sums
//                    begin with −128 · Σ_k code[k, j]
//     AVX2, AVX-512  words in the order of depths; codes are widened in registers, vpmaddwd (vpmaddubsw would saturate)
//     WebAssembly    words, as AVX2, four sums at a time
//     ARM's I8MM     bytes in the codes' order; smmla multiplies those of two rows and two columns (gemm_matrix.h)
//     others         words, and one multiplication a depth
//
// A panel's codes are read where they lie for y = x Wᵀ; for dx = dy W they are packed along the columns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "pool.h"
#include "pack.h"
#include "quantised.h"
#include "quantised_dot.h"

namespace fettle::FETTLE_ISA {

inline vi splatInteger(int x) { return x - vi{}; }

// To the nearest integer, halves to even; no addition that the compiler could contract with what made v.
inline vi roundToIntegers(vf v) {
#if FETTLE_LANES == 16
  return (vi)_mm512_maskz_cvtps_epi32(0xffff, (__m512)v);
#elif FETTLE_LANES == 8
  return (vi)_mm256_cvtps_epi32((__m256)v);
#elif FETTLE_X86
  return (vi)_mm_cvtps_epi32((__m128)v);
#elif defined(__aarch64__)
  return (vi)vcvtnq_s32_f32((float32x4_t)v);
#elif defined(__wasm__)
  return (vi)wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest((v128_t)v));
#else
  vi rounded;
  for (int i = 0; i < kLanes; i++) rounded[i] = (int32_t)__builtin_nearbyintf(v[i]);
  return rounded;
#endif
}

// One quad of depth: acc += left · right, left being a quad of one row in all lanes, right the codes of kLanes columns.
#if FETTLE_HAS_BF16 && FETTLE_X86  // these processors all have VNNI
struct QuadProduct {
  using Number = uint8_t;
  static constexpr int offset = 128;
  static vi add(vi acc, const Number* left, vi codes) {
    int quad;
    __builtin_memcpy(&quad, left, 4);
    return (vi)_mm512_dpbusd_epi32((__m512i)acc, _mm512_set1_epi32(quad), (__m512i)codes);
  }
  static void put(Number* to, vi q) {
    const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)(q + splatInteger(offset)));
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    _mm_storeu_si128((__m128i*)to, _mm_shuffle_epi8(bytes, order));
  }
};
#elif FETTLE_MATRIX
struct QuadProduct {
  using Number = int8_t;
  static constexpr int offset = 0;
  static void put(Number* to, vi q) {
    const auto bytes = __builtin_convertvector(lanesOf<0, 2, 1, 3>(q, q), int8_t __attribute__((vector_size(4))));
    __builtin_memcpy(to, &bytes, sizeof bytes);
  }
};
#else
struct QuadProduct {
  using Number = int16_t;
  static constexpr int offset = 0;
  static vi add(vi acc, const Number* left, vi codes) {
#if FETTLE_LANES >= 8
    int first, second;
    __builtin_memcpy(&first, left, 4);
    __builtin_memcpy(&second, left + 2, 4);
    return (vi)addPairs(addPairs((words)acc, lowBytes((words)codes), splatPair(first)), highBytes((words)codes), splatPair(second));
#elif defined(__wasm__)
    const v128_t low = wasm_i16x8_shr(wasm_i16x8_shl((v128_t)codes, 8), 8), high = wasm_i16x8_shr((v128_t)codes, 8);
    acc += (vi)wasm_i32x4_dot_i16x8(low, wasm_v128_load32_splat(left));
    return acc + (vi)wasm_i32x4_dot_i16x8(high, wasm_v128_load32_splat(left + 2));
#else
    acc += ((codes << 24) >> 24) * splatInteger(left[0]);
    acc += ((codes << 8) >> 24) * splatInteger(left[1]);
    acc += ((codes << 16) >> 24) * splatInteger(left[2]);
    return acc + (codes >> 24) * splatInteger(left[3]);
#endif
  }
  static void put(Number* to, vi q) {
    const auto narrow = __builtin_convertvector(q, int16_t __attribute__((vector_size(2 * kLanes))));
    __builtin_memcpy(to, &narrow, sizeof narrow);
  }
};
#endif
constexpr int kQuad = 4;
// Depths that share a scale. Measured on SmolLM2: 64 have 0.85 of the error and make the products 6 % slower, one scale a row has
// twice the error and makes them 5 % faster.
constexpr int64_t kByteBlock = 128;

// A block: columns of x, and at which depth of the quads they begin, a multiple of 16 up to which zeros follow.
struct DepthBlock {
  int64_t from, count, to;
  int64_t firstQuad() const { return to / kQuad; }
  int64_t quads() const { return (count + kQuad - 1) / kQuad; }
};
using DepthBlocks = std::vector<DepthBlock>;

inline void addBlocks(DepthBlocks& blocks, int64_t from, int64_t count) {
  int64_t to = blocks.empty() ? 0 : blocks.back().to + roundUp(blocks.back().count, kGroupRows);
  for (const int64_t end = from + count; from < end; from += kByteBlock, to += kByteBlock)
    blocks.push_back({from, std::min(kByteBlock, end - from), to});
}
// The columns of a weight as depth, and its rows: those of each row block by themselves, since these are padded to whole groups.
inline DepthBlocks blocksOfColumns(const Quantised& weight) {
  DepthBlocks blocks;
  addBlocks(blocks, 0, weight.tensor->cols());
  return blocks;
}
inline DepthBlocks blocksOfRows(const Quantised& weight) {
  DepthBlocks blocks;
  for (int b = 0; b < weight.tensor->blockCount; b++) {
    const RowBlock& rows = weight.tensor->blocks[b];
    addBlocks(blocks, rows.firstRow, weight.endOf(rows) - rows.firstRow);
  }
  return blocks;
}

// A product's left operand: rows of quads, and the scales of each row's blocks.
struct ByteRows {
  const DepthBlocks& blocks;
  int64_t stride;  // numbers of a row
  float* scales;   // [rows, blocks]
  QuadProduct::Number* quads;
  ByteRows(Pool& pool, int slot, const DepthBlocks& blocks, int64_t rows)
      : blocks(blocks), stride(blocks.back().to + roundUp(blocks.back().count, kGroupRows)) {
    const int64_t scaleBytes = roundUp(rows * blocks.size() * sizeof(float), 64);
    char* memory = (char*)pool.scratch(0, slot, scaleBytes + rows * stride * sizeof(QuadProduct::Number));
    scales = (float*)memory;
    quads = (QuadProduct::Number*)(memory + scaleBytes);
  }
};

// The larger of each lane and that whose number differs in bit Step.
template <int Step, int... I> inline vi largerOfPairs(vi v, std::integer_sequence<int, I...>) {
  const vi other = lanesOf<(I ^ Step)...>(v, v);
  return v > other ? v : other;
}
inline float absmaxOf(vi bits) {
  constexpr std::make_integer_sequence<int, kLanes> lanes;
  if constexpr (kLanes > 8) bits = largerOfPairs<8>(bits, lanes);
  if constexpr (kLanes > 4) bits = largerOfPairs<4>(bits, lanes);
  const int32_t largest = largerOfPairs<1>(largerOfPairs<2>(bits, lanes), lanes)[0];
  float absmax;
  __builtin_memcpy(&absmax, &largest, sizeof absmax);
  return absmax;
}

// Row m of x into quads; with `factors`, as long as the row of quads, each depth is multiplied by its own first.
template <bool Scaled, class X>
__attribute__((noinline)) static void roundRow(const ByteRows& rows, int64_t m, const X* x, const float* factors) {
  constexpr int vectors = kByteBlock / kLanes;
  float* scale = rows.scales + m * rows.blocks.size();
  for (const DepthBlock& block : rows.blocks) {
    QuadProduct::Number* to = rows.quads + m * rows.stride + block.to;
    vf values[vectors];
    // The largest magnitude by its bits, in whose order a NaN is the largest of all: it must not vanish.
    vi largest = {};
    const auto take = [&](int i, auto count) {
      vf v = loadPart(x + block.from + i * kLanes, count);
      if constexpr (Scaled) v *= load(factors + block.to + i * kLanes);
      const vi bits = (vi)v & splatInteger(0x7fffffff);
      largest = bits > largest ? bits : largest;
      values[i] = v;
    };
    const auto finish = [&](int count) {
      const float absmax = absmaxOf(largest), factor = 1.0f / std::max(absmax, 1e-38f) * 127.0f;
      *scale++ = absmax / 127.0f;
      const vf factors = splat(factor <= std::numeric_limits<float>::max() ? factor : 0.0f);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) QuadProduct::put(to + i * kLanes, roundToIntegers(values[i] * factors));
    };
    if (block.count == kByteBlock) {
#pragma GCC unroll 8
      for (int i = 0; i < vectors; i++) take(i, std::integral_constant<int, kLanes>{});
      finish(vectors);
    } else {
      const int count = (int)(roundUp(block.count, kGroupRows) / kLanes);
      for (int i = 0; i < count; i++) take(i, (int)std::clamp<int64_t>(block.count - i * kLanes, 0, kLanes));
      finish(count);
    }
  }
}

// A product's right operand: for each kLanes columns the codes of quad after quad, `step` bytes apart.
struct BytePanel {
  const char* codes[3];
  int64_t step;
  int32_t* start;  // [blocks, columns] −offset · Σ codes
  alignas(64) float scales[3 * kLanes];
};
inline int64_t startBytes(const DepthBlocks& blocks) { return roundUp(blocks.size() * 3 * kLanes * sizeof(int32_t), 64); }

// The sums that make up for the offset of the left operand.
__attribute__((noinline)) static void finishPanel(BytePanel& panel, const DepthBlocks& blocks, int vectors) {
  int32_t* to = panel.start;
  for ([[maybe_unused]] const DepthBlock& block : blocks)
    for (int j = 0; j < vectors; j++, to += kLanes) {
      vi sum = {};
#if FETTLE_HAS_BF16 && FETTLE_X86
      const char* from = panel.codes[j] + block.firstQuad() * panel.step;
      for (int64_t q = 0; q < block.quads(); q++, from += panel.step)
        sum = (vi)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi8(1), (__m512i)loadCodes(from));
#endif
      sum *= splatInteger(-QuadProduct::offset);
      __builtin_memcpy(to, &sum, sizeof sum);
    }
}

// Rows firstRow ... firstRow + columns − 1 of a weight, for y = x Wᵀ: read where they lie. `memory`: startBytes.
static BytePanel rowsPanel(void* memory, const Quantised& weight, const DepthBlocks& blocks, int64_t firstRow, int columns) {
  BytePanel panel;
  panel.step = kCodeBytes;
  panel.start = (int32_t*)memory;
  const int vectors = (columns + kLanes - 1) / kLanes;
  for (int j = 0; j < vectors; j++) {
    const RowBlock& rows = weight.blockOf(firstRow + j * kLanes);
    const int64_t row = firstRow + j * kLanes - rows.firstRow;
    const char* group = (const char*)rows.data + row / kGroupRows * weight.layout.groupBytes() + row % kGroupRows * sizeof(float);
    store(panel.scales + j * kLanes, load((const float*)group));
    panel.codes[j] = group + kScaleBytes;
  }
  finishPanel(panel, blocks, vectors);
  return panel;
}

// The scales of all rows, at the depths of blocksOfRows.
inline void gatherScales(float* to, const Quantised& weight) {
  for (int b = 0; b < weight.tensor->blockCount; b++) {
    const RowBlock& rows = weight.tensor->blocks[b];
    const char* group = (const char*)rows.data;
    for (int64_t row = rows.firstRow; row < weight.endOf(rows); row += kGroupRows, to += kGroupRows, group += weight.layout.groupBytes())
      __builtin_memcpy(to, group, kScaleBytes);
  }
}

// A panel takes a short piece of each group: asking for those further on makes dx 2 % faster when weights are cold.
constexpr int kGroupsAhead = 4;

typedef int8_t Bytes16 __attribute__((vector_size(16)));

// Columns of a weight, all its rows being depth, for dx = dy W: 4 x 4 bytes are transposed at a time. The row scales are not
// in it: they belong to dy. `memory`: startBytes, and the depth of blocksOfRows times columns rounded up to whole vectors.
__attribute__((noinline)) static BytePanel columnsPanel(char* memory, const Quantised& weight, const DepthBlocks& blocks,
                                                        int64_t firstColumn, int columns) {
  const QuantisedLayout& layout = weight.layout;
  const int vectors = (columns + kLanes - 1) / kLanes, width = vectors * kLanes;
  BytePanel panel;
  panel.step = width * kQuad;
  panel.start = (int32_t*)memory;
  char* to = memory + startBytes(blocks);
  for (int j = 0; j < vectors; j++) panel.codes[j] = to + j * kLanes * kQuad;
  for (float& scale : panel.scales) scale = 1;
  for (int b = 0; b < weight.tensor->blockCount; b++) {
    const RowBlock& rows = weight.tensor->blocks[b];
    const char* group = (const char*)rows.data;
    for (int64_t row = rows.firstRow; row < weight.endOf(rows); row += kGroupRows, group += layout.groupBytes(), to += kGroupRows * width)
      for (int k = 0; k < width; k += kQuad) {
        const bool isThere = firstColumn + k < layout.blockDepth;
        const char* from = group + kScaleBytes + (firstColumn + k) / kQuad * kCodeBytes;
        __builtin_prefetch(from + kGroupsAhead * layout.groupBytes());
#pragma GCC unroll 4
        for (int quad = 0; quad < kGroupRows / kQuad; quad++) {
          Bytes16 bytes = {};
          if (isThere) __builtin_memcpy(&bytes, from + quad * sizeof bytes, sizeof bytes);
          // Lane b, byte i: row b, column 0, 2, 1, 3 → lane i, byte b: column i, row 0, 2, 1, 3.
          bytes = lanesOf<0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15>(bytes, bytes);
          __builtin_memcpy(to + quad * panel.step + k * kQuad, &bytes, sizeof bytes);
        }
      }
  }
  finishPanel(panel, blocks, vectors);
  return panel;
}

}  // namespace fettle::FETTLE_ISA

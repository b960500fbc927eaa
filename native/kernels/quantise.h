// Rows of numbers into 8 and 4 bits and back (layout and formulas: native/quantised.h), as bitsandbytes rounds them:
//   int8       round to even of w · (1 / absmax · 127), scale absmax / 127
//   nf4, fp4   the code nearest to w · (1 / absmax), the smaller of two as near; scale absmax
// Source: bitsandbytes 0.50, backends/default/ops.py (int8_vectorwise_quant, quantize_4bit)
// bf12 is another matter: split_bfloat16.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../quantised.h"
#include "blocks.h"
#include "pack.h"
#include "quantised.h"
#include "read_row.h"
#include "split_bfloat16.h"

namespace fettle::FETTLE_ISA {

static float absmaxOf(const float* x, int64_t n) {
  vf largest = {};
  eachVector(n, [&](int64_t i, auto count) {
    const vf v = loadPart(x + i, count);
    largest = vmax(vmax(v, -v), largest);
  });
  return maxOf(largest);
}

// Where the numbers between two codes part, and the codes in the order of their numbers.
struct FourBitBounds {
  float bounds[15];
  uint8_t order[16];
  explicit FourBitBounds(DType dtype) {
    const float* codes = codesOf(dtype);
    for (int i = 0; i < 16; i++) order[i] = (uint8_t)i;
    std::stable_sort(order, order + 16, [&](int a, int b) { return codes[a] < codes[b]; });
    for (int i = 0; i < 15; i++) bounds[i] = (codes[order[i]] + codes[order[i + 1]]) / 2;
  }
};

static float quantiseFourBits(uint8_t* to, const float* x, const FourBitBounds& table) {
  const float absmax = absmaxOf(x, kFourBitBlock);
  const vf inverse = splat(1.0f / std::max(absmax, 1e-38f));
  for (int64_t i = 0; i < kFourBitBlock; i += kLanes) {
    const vf v = load(x + i) * inverse;
    vi place = {};
#pragma GCC unroll 15
    for (int b = 0; b < 15; b++) place -= v > splat(table.bounds[b]);
    for (int lane = 0; lane < kLanes; lane++) to[i + lane] = table.order[place[lane]];
  }
  return absmax;
}

static float quantiseByte(int8_t* to, const float* x, int64_t n) {
  const float absmax = absmaxOf(x, n);
  const float factor = 1.0f / std::max(absmax, 1e-38f) * 127.0f;
  for (int64_t i = 0; i < n; i++) to[i] = (int8_t)__builtin_nearbyintf(x[i] * factor);
  return absmax / 127.0f;
}

// Group `g` of the source into its place.
static void quantiseGroup(DType dtype, const NumberRows& source, int64_t g, char* to, float* row, uint8_t* codes,
                          const FourBitBounds& table) {
  const QuantisedLayout layout(dtype, source.columns);
  const int64_t rows = std::min<int64_t>(kGroupRows, source.rows - g * kGroupRows), padded = layout.blocks * layout.blockDepth;
  for (int64_t r = 0; r < rows; r++) {
    readRow(row, source, g * kGroupRows + r);
    char* block = to + r * sizeof(float);
    for (int64_t k = 0; k < padded; k += layout.blockDepth, block += layout.blockBytes()) {
      float scale;
      char* at = block + kScaleBytes;
      if (dtype == DType::int8) {
        std::memset(codes, 0, padded);
        scale = quantiseByte((int8_t*)codes, row, source.columns);
        for (int64_t i = 0; i < padded; i += 4, at += kCodeBytes) {
          const uint8_t word[4] = {codes[i], codes[i + 2], codes[i + 1], codes[i + 3]};
          std::memcpy(at, word, 4);
        }
      } else {
        scale = quantiseFourBits(codes, row + k, table);
        for (int64_t i = 0; i < layout.blockDepth; i += 8, at += kCodeBytes) {
          uint32_t word = 0;
          for (int d = 0; d < 8; d++) word |= (uint32_t)codes[i + d] << (d / 2 * 4 + d % 2 * 16);
          std::memcpy(at, &word, 4);
        }
      }
      std::memcpy(block, &scale, 4);
    }
  }
}

static bool quantiseRows(Pool& pool, DType dtype, const NumberRows& source, char* to) {
  if (dtype == DType::bf12) return splitRows(pool, source, to);
  const QuantisedLayout layout(dtype, source.columns);
  const FourBitBounds table(dtype);
  pool.run([&](int thread) {
    const Range mine = partOf((source.rows + kGroupRows - 1) / kGroupRows, thread, pool.threads());
    float* row = (float*)pool.scratch(thread, 0, source.columns * sizeof(float));
    uint8_t* codes = (uint8_t*)pool.scratch(thread, 1, layout.blocks * layout.blockDepth);
    for (int64_t g = mine.begin; g < mine.end; g++)
      quantiseGroup(dtype, source, g, to + g * layout.groupBytes(), row, codes, table);
  });
  return true;
}

static void dequantiseRows(DType dtype, const char* block, int64_t firstRow, int64_t rows, int64_t columns, float* to) {
  const QuantisedLayout layout(dtype, columns);
  withCodes(dtype, [&](const auto& codes) {
    for (int64_t row = firstRow; row < firstRow + rows; row++, to += columns) {
      const int64_t lane = row % kGroupRows;
      const char* group = block + row / kGroupRows * layout.groupBytes();
      const char* lanes = group + lane / kLanes * kLanes * sizeof(float);
      for (int64_t k = 0; k < columns; k += codes.step) {
        const char* from = lanes + k / layout.blockDepth * layout.blockBytes();
        vf w[std::decay_t<decltype(codes)>::step];
        codes.unpack(w, from + kScaleBytes + k % layout.blockDepth / codes.step * codes.bytes);
        for (int d = 0; d < codes.step && k + d < columns; d++) to[k + d] = (w[d] * load((const float*)from))[lane % kLanes];
      }
      layout.eachException(group, [&](const Exception& e) {
        if (e.row == lane) to[e.depth] = toFloat(e.value);
      });
    }
  });
}

static Quantiser quantiser() { return {quantiseRows, dequantiseRows, decodeBlock}; }

}  // namespace fettle::FETTLE_ISA

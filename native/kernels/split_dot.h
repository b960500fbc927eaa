// Products of bfloat16 weights in 12 bits with few tokens (quantised_dot.h): pairs of depths are put together in registers, three
// instructions for 32 weights, and meet the tokens as bfloat16.
//
// One token reads group by group and waits for memory alone. More tokens meet three groups at once, 48 rows, as in the product of
// panels, and run at 85 % of its peak where weights are in the cache (one group with 16 tokens: 65 %).
#pragma once

#include <cstdint>

#include "pack.h"
#include "prepared_tokens.h"

namespace fettle::FETTLE_ISA {

#if FETTLE_HAS_BF16 && FETTLE_X86
struct SplitDot {
  static constexpr int most = 8, mostGroups = 3;  // 24 sums, as in the product of panels
  static constexpr bool padded = true, exceptions = true;
  __m512i fields;  // by c, in place; twice, since vpermw reads five bits
  explicit SplitDot(DType) {
    uint16_t byC[32];
    for (int i = 0; i < 32; i++) byC[i] = (uint16_t)(i % 16 ? (112 + i % 16) << 7 : 0);
    fields = _mm512_loadu_si512(byC);
  }
  // Several tokens stand side by side in a panel, a pair of depths of each: with a pointer to each there would be no registers for the
  // loop.
  static int64_t stride(int64_t tokens) { return tokens == 1 ? 1 : roundUp(tokens, kLanes); }
  static int64_t tokenBytes(int64_t depth, int64_t tokens) {
    const int64_t cells = tokens == 1 ? depth : panelCells<bf16>(depth, (int)tokens);
    return (cells * (int64_t)sizeof(bf16) + tokens - 1) / tokens;
  }
  static void prepare(const PreparedTokens& to, const bf16* x, int64_t columns) {
    const int64_t cells = 2 * stride(to.count), pairs = (columns + 1) / 2;
    bf16* panel = (bf16*)to.data;
    __builtin_memset(panel + (pairs - 1) * cells, 0, (to.layout.depth() / 2 - pairs + 1) * cells * sizeof(bf16));
    if (to.count == 1) __builtin_memcpy(panel, x, columns * sizeof(bf16));
    else packRows(panel, Plain<bf16>{x, columns}, 0, (int)to.count, columns);
  }
  static float at(const PreparedTokens& tokens, int64_t m, int64_t depth) {
    return toFloat(((const bf16*)tokens.data)[(depth / 2 * stride(tokens.count) + m) * 2 + depth % 2]);
  }
  template <int Groups, int Tokens>
  __attribute__((noinline)) void groups(vf (&sums)[Groups][Tokens], const char* group, const PreparedTokens& tokens, int64_t first) const {
    constexpr int chains = Groups * Tokens <= 2 ? 4 : Groups * Tokens <= 12 ? 2 : 1;  // that hide the latency of an addition
    const __m512i fields = this->fields, kept = _mm512_set1_epi32((int)0x807f807f);
    const __m512i swapped = _mm512_set4_epi32(0x0e0f0c0d, 0x0a0b0809, 0x06070405, 0x02030001);
    const int64_t groupBytes = tokens.layout.groupBytes(), stride = 4 * this->stride(tokens.count);
    const char *at = group + kScaleBytes, *x = tokens.data + first * 4;
    // Groups side by side ask for those that come next, each pass over their tokens for its share.
    const int64_t passes = Groups == 1 ? 1 : (tokens.count + most - 1) / most;
    const int lines = (int)((3 * Groups + passes - 1) / passes);
    const char* ahead = Groups == 1 ? at + kCodesAhead : group + Groups * groupBytes + first / most * (Groups * groupBytes / passes);
    vf acc[Groups][Tokens][chains] = {};
    for (int64_t k = 0; k < tokens.layout.blockDepth; k += 8, at += 3 * kCodeBytes, x += 4 * stride) {
#pragma GCC unroll 3
      for (int i = 0; i < (Groups == 1 ? 3 : lines); i++, ahead += 64) __builtin_prefetch(ahead, 0, Groups == 1 ? 3 : 2);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        __m512i pairs[Groups];
#pragma GCC unroll 3
        for (int g = 0; g < Groups; g++) {
          const char* codes = at + g * groupBytes;
          const __m512i c = _mm512_loadu_si512(codes);
          __m512i rest = _mm512_loadu_si512(codes + (1 + j / 2) * kCodeBytes);
          if (j % 2) rest = _mm512_shuffle_epi8(rest, swapped);
          const __m512i field = _mm512_permutexvar_epi16(j ? _mm512_srli_epi16(c, 4 * j) : c, fields);
          pairs[g] = _mm512_ternarylogic_epi32(rest, kept, field, 0xea);  // (rest & kept) | field
        }
#pragma GCC unroll 8
        for (int m = 0; m < Tokens; m++) {
          int pair;
          __builtin_memcpy(&pair, x + j * stride + m * 4, 4);
          const __m512bh splat = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 3
          for (int g = 0; g < Groups; g++)
            acc[g][m][j % chains] = (vf)_mm512_dpbf16_ps((__m512)acc[g][m][j % chains], (__m512bh)pairs[g], splat);
        }
      }
    }
    for (int g = 0; g < Groups; g++) {
      const vf scale = load((const float*)(group + g * groupBytes));
      for (int m = 0; m < Tokens; m++) {
        vf all = acc[g][m][0];
        if constexpr (chains > 1) all += acc[g][m][1];
        if constexpr (chains > 2) all += acc[g][m][2] + acc[g][m][3];
        sums[g][m] = all * scale;
      }
    }
  }
};
#endif

}  // namespace fettle::FETTLE_ISA

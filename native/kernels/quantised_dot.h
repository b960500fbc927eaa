// Products of a group of quantised rows with few tokens. The sixteen rows are the lanes, so there are no sums across lanes,
// and a scale is one multiplication a block. How codes and activations meet:
//
//     WordDot    int8 and bfloat16 activations, from AVX2 on: activations rounded to 16 bits by chunks of depth, pairs of products summed in 32 bits.
//                The error, 2^-16 of the chunk's largest activation, is far below that of their own rounding.
//     PairDot    4 bits and bfloat16 activations, with AVX-512 BF16: pairs of codes are looked up as bfloat16 (vpermw)
//     SplitDot   bfloat16 in 12 bits and bfloat16 activations, with AVX-512 BF16: split_dot.h
//     FloatDot   everything else: codes and activations as floats
//
// Each has
//     most                        tokens that a group of rows meets together, 8 at most; `padded`: tokens that do not exist are zero
//     mostGroups                  groups that meet them together
//     tokenBytes(depth, tokens)   memory for one of so many tokens as `group` reads them
//     prepare(tokens, x, columns) makes all tokens of x [tokens, columns]
//     group(sums, group, lane, tokens, m)   sums[i] = rows `lane` ... lane + kLanes − 1 of the group times token m + i; with several groups
//                                 groups(sums, group, tokens, m), sums[g][i]. Without exceptions.
//     exceptions                  whether weights may have some; then at(tokens, m, depth) is an activation as a float
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "pack.h"
#include "prepared_tokens.h"
#include "quantised.h"
#include "split_dot.h"

namespace fettle::FETTLE_ISA {

template <class Codes> struct FloatDot {
  static constexpr int most = 4, mostGroups = 1;
  static constexpr bool padded = false, exceptions = std::is_same<Codes, SplitCodes>::value;
  Codes codes;
  explicit FloatDot(DType dtype) : codes(dtype) {}
  static int64_t tokenBytes(int64_t depth, int64_t) { return depth * sizeof(float); }
  template <class X> static void prepare(const PreparedTokens& to, const X* x, int64_t columns) {
    for (int64_t m = 0; m < to.count; m++, x += columns) {
      float* token = (float*)(to.data + m * to.size);
      convert(token, x, columns);
      for (int64_t k = columns; k < to.layout.depth(); k++) token[k] = 0;
    }
  }
  static float at(const PreparedTokens& tokens, int64_t m, int64_t depth) { return ((const float*)(tokens.data + m * tokens.size))[depth]; }
  template <int Tokens>
  __attribute__((noinline)) void group(vf (&sums)[Tokens], const char* group, int lane, const PreparedTokens& tokens, int64_t first) const {
    const QuantisedLayout& layout = tokens.layout;
    const float* x[Tokens];
    for (int m = 0; m < Tokens; m++) x[m] = (const float*)(tokens.data + (first + m) * tokens.size);
    vf all[Tokens] = {};
    const char* at = group + lane * sizeof(float);
    for (int64_t b = 0, k = 0; b < layout.blocks; b++) {
      const vf scale = load((const float*)at);
      at += kScaleBytes;
      vf acc[Tokens][2] = {};
      for (const int64_t end = k + layout.blockDepth; k < end; k += Codes::step, at += Codes::bytes) {
#pragma GCC unroll 3
        for (int byte = 0; byte < Codes::bytes; byte += 64) __builtin_prefetch(at + kCodesAhead + byte);
        vf w[Codes::step];
        codes.unpack(w, at);
#pragma GCC unroll 8
        for (int d = 0; d < Codes::step; d++)
#pragma GCC unroll 4
          for (int m = 0; m < Tokens; m++) acc[m][d & 1] = multiplyAdd(w[d], splat(x[m][k + d]), acc[m][d & 1]);
      }
#pragma GCC unroll 4
      for (int m = 0; m < Tokens; m++) all[m] = multiplyAdd(acc[m][0] + acc[m][1], scale, all[m]);
    }
    for (int m = 0; m < Tokens; m++) sums[m] = all[m];
  }
};

#if FETTLE_HAS_BF16 && FETTLE_X86
struct PairDot {
  static constexpr int most = 4, mostGroups = 1;
  static constexpr bool padded = false, exceptions = false;
  __m512i table;  // twice, since vpermw reads five bits
  explicit PairDot(DType dtype) {
    const __m512 codes = _mm512_loadu_ps(codesOf(dtype));
    table = (__m512i)_mm512_cvtne2ps_pbh(codes, codes);
  }
  static int64_t tokenBytes(int64_t depth, int64_t) { return depth * sizeof(bf16); }
  static void prepare(const PreparedTokens& to, const bf16* x, int64_t columns) {
    for (int64_t m = 0; m < to.count; m++) __builtin_memcpy(to.data + m * to.size, x + m * columns, columns * sizeof(bf16));
  }
  template <int Tokens>
  __attribute__((noinline)) void group(vf (&sums)[Tokens], const char* group, int, const PreparedTokens& tokens, int64_t first) const {
    const QuantisedLayout& layout = tokens.layout;
    const char* x[Tokens];
    for (int m = 0; m < Tokens; m++) x[m] = tokens.data + (first + m) * tokens.size;
    const __m512i codes = table;
    vf all[Tokens] = {};
    const char* at = group;
    for (int64_t b = 0; b < layout.blocks; b++) {
      const vf scale = load((const float*)at);
      at += kScaleBytes;
      vf acc[Tokens][2] = {};
#pragma GCC unroll 2
      for (int i = 0; i < kFourBitBlock / 8; i++, at += kCodeBytes) {
        __builtin_prefetch(at + kCodesAhead);
        const __m512i v = _mm512_loadu_si512(at);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
          const __m512i pairs = _mm512_permutexvar_epi16(j ? _mm512_srli_epi16(v, 4 * j) : v, codes);
#pragma GCC unroll 4
          for (int m = 0; m < Tokens; m++) {
            int pair;
            __builtin_memcpy(&pair, x[m] + 16 * i + 4 * j, 4);
            acc[m][j & 1] = (vf)_mm512_dpbf16_ps((__m512)acc[m][j & 1], (__m512bh)pairs, (__m512bh)_mm512_set1_epi32(pair));
          }
        }
      }
#pragma GCC unroll 4
      for (int m = 0; m < Tokens; m++) {
        all[m] = multiplyAdd(acc[m][0] + acc[m][1], scale, all[m]);
        x[m] += kFourBitBlock * sizeof(bf16);
      }
    }
    for (int m = 0; m < Tokens; m++) sums[m] = all[m];
  }
};

#endif

#if FETTLE_LANES >= 8
#if FETTLE_LANES == 16
typedef __m512i words;
inline words loadWords(const char* p) { return _mm512_loadu_si512(p); }
inline words splatPair(int pair) { return _mm512_set1_epi32(pair); }
inline words lowBytes(words v) { return _mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8); }
inline words highBytes(words v) { return _mm512_srai_epi16(v, 8); }
inline words addPairs(words acc, words a, words b) {
#if FETTLE_HAS_BF16  // these processors all have VNNI
  return _mm512_dpwssd_epi32(acc, a, b);
#else
  return _mm512_add_epi32(acc, _mm512_madd_epi16(a, b));
#endif
}
inline void storeWords(int16_t* p, vf v, int n) {
  const __m256i rounded = _mm512_maskz_cvtepi32_epi16(0xffff, _mm512_maskz_cvtps_epi32(0xffff, (__m512)v));
  _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), rounded);
}
#else
typedef __m256i words;
inline words loadWords(const char* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline words splatPair(int pair) { return _mm256_set1_epi32(pair); }
inline words lowBytes(words v) { return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8); }
inline words highBytes(words v) { return _mm256_srai_epi16(v, 8); }
inline words addPairs(words acc, words a, words b) { return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b)); }
inline void storeWords(int16_t* p, vf v, int n) {
  const __m256i ints = _mm256_cvtps_epi32((__m256)v);
  const __m128i rounded = _mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1));
  __builtin_memcpy(p, &rounded, n * sizeof(int16_t));
}
#endif

struct WordDot {
  static constexpr int most = 4, mostGroups = 1;
  static constexpr bool padded = false, exceptions = false;
  static constexpr int64_t chunk = 512;  // 512 · 127 · 32,767 is still below 2^31
  explicit WordDot(DType) {}
  static int64_t chunks(int64_t depth) { return (depth + chunk - 1) / chunk; }
  static int64_t scaleBytes(int64_t depth) { return roundUp(chunks(depth) * sizeof(float), 64); }
  static int64_t tokenBytes(int64_t depth, int64_t) { return scaleBytes(depth) + roundUp(depth * sizeof(int16_t), 64); }
  // The scales of the chunks, then the words.
  static void prepare(const PreparedTokens& to, const bf16* x, int64_t columns) {
    for (int64_t m = 0; m < to.count; m++) prepareOne(to.data + m * to.size, x + m * columns, columns, to.layout.depth());
  }
  static void prepareOne(char* to, const bf16* x, int64_t columns, int64_t depth) {
    float* scales = (float*)to;
    int16_t* row = (int16_t*)(to + scaleBytes(depth));
    for (int64_t k = 0; k < columns; k += chunk) {
      const int64_t n = std::min(chunk, columns - k);
      vf largest = {};
      eachVector(n, [&](int64_t i, auto count) {
        const vf v = loadPart(x + k + i, count);
        largest = vmax(vmax(v, -v), largest);
      });
      const float absmax = maxOf(largest);
      *scales++ = absmax / 32767.0f;
      const vf factor = splat(absmax > 0 ? 32767.0f / absmax : 0.0f);
      eachVector(n, [&](int64_t i, auto count) {
        const vf v = loadPart(x + k + i, count) * factor;
        storeWords(row + k + i, vmin(vmax(v, splat(-32767.0f)), splat(32767.0f)), count);
      });
    }
    for (int64_t k = columns; k < depth; k++) row[k] = 0;
  }
  template <int Tokens>
  __attribute__((noinline)) void group(vf (&sums)[Tokens], const char* group, int lane, const PreparedTokens& tokens, int64_t first) const {
    // One token has too few sums to hide the latency of an addition: two vectors of codes at a time.
    constexpr int vectors = Tokens == 1 ? 2 : 1;
    const int64_t depth = tokens.layout.blockDepth, count = chunks(depth);
    const char *x[Tokens], *scales[Tokens];
    for (int m = 0; m < Tokens; m++) {
      scales[m] = tokens.data + (first + m) * tokens.size;
      x[m] = scales[m] + scaleBytes(depth);
    }
    const char* at = group + lane * sizeof(float);
    const vf rowScale = load((const float*)at);
    at += kScaleBytes;
    vf all[Tokens] = {};
    for (int64_t c = 0; c < count; c++) {
      words acc[Tokens][2 * vectors] = {};
      int64_t left = std::min(chunk, depth - c * chunk);
      for (; left > 0; left -= 4 * vectors) {
#pragma GCC unroll 2
        for (int u = 0; u < vectors; u++) {
          if (u > 0 && left <= 4 * u) break;
          __builtin_prefetch(at + kCodesAhead);
          const words v = loadWords(at), low = lowBytes(v), high = highBytes(v);
          at += kCodeBytes;
#pragma GCC unroll 4
          for (int m = 0; m < Tokens; m++) {
            int first, second;
            __builtin_memcpy(&first, x[m], 4);
            __builtin_memcpy(&second, x[m] + 4, 4);
            x[m] += 8;
            acc[m][2 * u] = addPairs(acc[m][2 * u], low, splatPair(first));
            acc[m][2 * u + 1] = addPairs(acc[m][2 * u + 1], high, splatPair(second));
          }
        }
      }
#pragma GCC unroll 4
      for (int m = 0; m < Tokens; m++) {
        vi total = {};
        for (int u = 0; u < 2 * vectors; u++) total += (vi)acc[m][u];
        all[m] = multiplyAdd(__builtin_convertvector(total, vf), splat(((const float*)scales[m])[c]), all[m]);
      }
    }
    for (int m = 0; m < Tokens; m++) sums[m] = all[m] * rowScale;
  }
};
#endif

// body(dot) with the form that suits a type of weight and of activation.
template <class X, class Body> inline void withDot(DType dtype, const Body& body) {
  if constexpr (std::is_same<X, bf16>::value) {
#if FETTLE_LANES >= 8
    if (dtype == DType::int8) return body(WordDot(dtype));
#endif
#if FETTLE_HAS_BF16 && FETTLE_X86
    if (dtype == DType::bf12) return body(SplitDot(dtype));
    if (dtype != DType::int8) return body(PairDot(dtype));
#endif
  }
  withCodes(dtype, [&](const auto& codes) { body(FloatDot<std::decay_t<decltype(codes)>>(dtype)); });
}

}  // namespace fettle::FETTLE_ISA

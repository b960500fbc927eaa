// Vectors of floats for one instruction set, by the compiler's vector extensions: the same kernel source serves 16 floats
// (AVX-512), 8 (AVX2) and 4 (portable: SSE2 or NEON).
// Macros set by the build: FETTLE_LANES (16, 8 or 4), FETTLE_HAS_BF16 (AVX512_BF16 with 16 lanes, ARM's FEAT_BF16 with 4).
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#ifdef FETTLE_AVX512_EMULATED  // a header that has the instructions of AVX-512: scripts/test-avx512.sh
#include FETTLE_AVX512_EMULATED
#else
#include <immintrin.h>
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__wasm__)
#include <wasm_simd128.h>
#endif

#include "tensor.h"

// ARM's products of small matrices: with bf16 (FEAT_BF16) the build wants FEAT_I8MM, too, which no processor has alone.
#if FETTLE_HAS_BF16 && defined(__aarch64__)
#define FETTLE_MATRIX 1
#else
#define FETTLE_MATRIX 0
#endif

namespace fettle::FETTLE_ISA {

constexpr int kLanes = FETTLE_LANES;
typedef float vf __attribute__((vector_size(FETTLE_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(FETTLE_LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(FETTLE_LANES * 4)));
typedef uint16_t vh __attribute__((vector_size(FETTLE_LANES * 2)));

// Lanes I... of a and b, counted through both.
template <int... I, class V> inline V lanesOf(V a, V b) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, decltype(a == b){I...});
#endif
}
inline vf splat(float x) { return x - vf{}; }
inline vf load(const float* p) { vf v; __builtin_memcpy(&v, p, sizeof v); return v; }
inline void store(float* p, vf v) { __builtin_memcpy(p, &v, sizeof v); }
// First n elements, n <= kLanes; the rest are zero. A compile-time kLanes is a plain load; memcpy of a variable size, a call,
// only serves where there are no masks.
inline bool isWhole(int n) { return __builtin_constant_p(n) && n == kLanes; }
#if FETTLE_LANES == 16
inline vf loadPart(const float* p, int n) { return isWhole(n) ? load(p) : (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
inline void storePart(float* p, vf v, int n) {
  if (isWhole(n)) store(p, v); else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#elif FETTLE_LANES == 8
inline __m256i firstLanes(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
inline vf loadPart(const float* p, int n) { return isWhole(n) ? load(p) : (vf)_mm256_maskload_ps(p, firstLanes(n)); }
inline void storePart(float* p, vf v, int n) { if (isWhole(n)) store(p, v); else _mm256_maskstore_ps(p, firstLanes(n), (__m256)v); }
#else
inline vf loadPart(const float* p, int n) { vf v = {}; __builtin_memcpy(&v, p, n * 4); return v; }
inline void storePart(float* p, vf v, int n) { __builtin_memcpy(p, &v, n * 4); }
#endif

inline vf widen(vh h) { return (vf)(__builtin_convertvector(h, vu) << 16); }
inline vf load(const bf16* p) { vh h; __builtin_memcpy(&h, p, sizeof h); return widen(h); }
inline vh halvesPart(const bf16* p, int n) {
#if FETTLE_LANES == 16
  if (!isWhole(n)) return (vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
#endif
  vh h = {}; __builtin_memcpy(&h, p, n * 2); return h;
}
inline vf loadPart(const bf16* p, int n) { return widen(halvesPart(p, n)); }
// Round to nearest even; NaN stays NaN.
inline vh narrow(vf v) {
#if FETTLE_HAS_BF16 && FETTLE_X86
  return (vh)_mm512_cvtneps_pbh((__m512)v);
#elif FETTLE_HAS_BF16
  return (vh)vcvt_bf16_f32((float32x4_t)v);
#else
  vu u = (vu)v;
  vu rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  vu quiet = (u >> 16) | 0x40u;
  vi nan = v != v;
  return __builtin_convertvector((vu)(((vu)nan & quiet) | (~(vu)nan & rounded)), vh);
#endif
}
inline void store(bf16* p, vf v) { vh h = narrow(v); __builtin_memcpy(p, &h, sizeof h); }
inline void storePart(bf16* p, vf v, int n) {
  vh h = narrow(v);
#if FETTLE_LANES == 16
  if (!isWhole(n)) return _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)h);
#endif
  __builtin_memcpy(p, &h, n * 2);
}

#if FETTLE_HAS_BF16
// Pairs of bf16, one in each lane: dotPairs adds a.low · b.low + a.high · b.high; narrowTwo puts the bf16 of two vectors one
// after the other, interleaveTwo those of such halves by turns; loadPairsPart reads n bf16, the rest are zero.
#if FETTLE_X86
typedef __m512i vp;
inline vp splatPairs(uint32_t pair) { return _mm512_set1_epi32((int)pair); }
inline vp loadPairs(const bf16* p) { return _mm512_loadu_si512(p); }
inline vp loadPairsPart(const bf16* p, int n) { return _mm512_maskz_loadu_epi16((1u << n) - 1, p); }
inline void storePairs(bf16* p, vp v) { _mm512_storeu_si512(p, v); }
inline vf dotPairs(vf acc, vp a, vp b) { return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b); }
inline vp narrowTwo(vf first, vf second) { return (vp)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first); }
inline vp interleaveTwo(vp halves) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                         4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, halves);
}
inline auto lowerHalf(vp v) { return _mm512_castsi512_si256(v); }
inline auto upperHalf(vp v) { return _mm512_extracti64x4_epi64(v, 1); }
#else
typedef vu vp;  // integers: g++ 12 makes wrong constants of bf16 vectors
inline vp splatPairs(uint32_t pair) { return (vp)vdupq_n_u32(pair); }
inline vp loadPairs(const bf16* p) { return (vp)vld1q_u16(p); }
inline vp loadPairsPart(const bf16* p, int n) { bf16 part[8] = {}; __builtin_memcpy(part, p, n * 2); return loadPairs(part); }
inline void storePairs(bf16* p, vp v) { vst1q_u16(p, (uint16x8_t)v); }
inline vf dotPairs(vf acc, vp a, vp b) { return (vf)vbfdotq_f32((float32x4_t)acc, (bfloat16x8_t)a, (bfloat16x8_t)b); }
inline vp narrowTwo(vf first, vf second) {
  return (vp)vcvtq_high_bf16_f32(vcvtq_low_bf16_f32((float32x4_t)first), (float32x4_t)second);
}
inline uint16x4_t lowerHalf(vp v) { return vget_low_u16((uint16x8_t)v); }
inline uint16x4_t upperHalf(vp v) { return vget_high_u16((uint16x8_t)v); }
inline vp interleaveTwo(vp halves) {
  const uint16x4x2_t pairs = vzip_u16(lowerHalf(halves), upperHalf(halves));
  return (vp)vcombine_u16(pairs.val[0], pairs.val[1]);
}
#endif
#endif

inline float toFloat(bf16 h) { uint32_t u = (uint32_t)h << 16; float f; __builtin_memcpy(&f, &u, 4); return f; }
inline float toFloat(float f) { return f; }
inline bf16 toBf16(float f) {
  uint32_t u; __builtin_memcpy(&u, &f, 4);
  if (f != f) return (bf16)((u >> 16) | 0x40u);
  return (bf16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
template <class T> inline T fromFloat(float f);
template <> inline float fromFloat<float>(float f) { return f; }
template <> inline bf16 fromFloat<bf16>(float f) { return toBf16(f); }

inline vf select(vi mask, vf a, vf b) { return mask ? a : b; }
inline vf vmax(vf a, vf b) { return a > b ? a : b; }
inline vf vmin(vf a, vf b) { return a < b ? a : b; }
inline vf multiplyAdd(vf a, vf b, vf c) {
#if FETTLE_LANES == 16
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif FETTLE_LANES == 8
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__wasm__)
  // Two instructions, with one that does nothing behind them: the mark of what src/engine/wasm/fused.ts makes one of.
  vf sum;
  asm("local.get %1\n local.get %2\n f32x4.mul\n local.get %3\n f32x4.add\n nop\n local.set %0" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
#else
  return a * b + c;
#endif
}
// Where products are rounded before they are added, sums of many are made of pairs, (a · b + c · d) at a time: half of the roundings
// of what has been added up so far, which are the largest, fall away, and nothing is computed besides. WebAssembly knows when it
// runs: fused.ts.
#if FETTLE_LANES == 4 && !defined(__aarch64__)
constexpr bool kMayRoundProducts = true;
#else
constexpr bool kMayRoundProducts = false;
#endif
inline bool roundsProducts() {
#if defined(__wasm__)
  constexpr float ulp = 0x1p-23f;
  return multiplyAdd(splat(1 + ulp), splat(1 + ulp), splat(-1 - 2 * ulp))[0] == 0;
#else
  return kMayRoundProducts;
#endif
}
// c + (a · b + d · e), for kernels of them
inline vf addPair(vf c, vf a, vf b, vf d, vf e) {
#if defined(__wasm__)
  // In the order of the source: clang would have the operands of a whole block in registers, of which V8 has 15.
  vf sum;
  asm volatile("local.get %1\n local.get %2\n local.get %3\n f32x4.mul\n local.get %4\n local.get %5\n f32x4.mul\n f32x4.add\n"
               " f32x4.add\n local.set %0" : "=r"(sum) : "r"(c), "r"(a), "r"(b), "r"(d), "r"(e));
  return sum;
#else
  return c + (a * b + d * e);
#endif
}
inline float sum(vf v) {
  // Halving keeps the order fixed, whatever the compiler.
  float x[kLanes]; store(x, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) x[i] += x[i + width];
  return x[0];
}
inline float maxOf(vf v) {
  float x[kLanes]; store(x, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) x[i] = x[i] > x[i + width] ? x[i] : x[i + width];
  return x[0];
}

// e^x, relative error about 2e-7; 0 below -87, and from 88 on inf (AVX-512) or e^88. Cody and Waite reduction, polynomial of
// degree 6: e^x = 2^n · e^r with n = x / log 2 rounded and |r| < 0.35.
inline vf exp(vf x) {
#if FETTLE_LANES == 16
  const vf n = (vf)_mm512_maskz_roundscale_ps(0xffff, (__m512)(x * splat(1.44269504088896341f)), _MM_FROUND_TO_NEAREST_INT);
  const vf t = n;
#else
  const vf unclamped = x;
  x = vmin(vmax(x, splat(-87.0f)), splat(88.0f));
  vf t = x * splat(1.44269504088896341f) + splat(12582912.0f);  // adding 1.5·2^23 rounds to an integer
  const vi n = (vi)t - (vi)splat(12582912.0f);
  t = t - splat(12582912.0f);
#endif
  const vf r = x - t * splat(0.693359375f) + t * splat(2.12194440e-4f);
  vf p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  p = p * (r * r) + (r + splat(1.0f));
#if FETTLE_LANES == 16
  // The scaling knows overflow and NaN; the mask makes 0 of -inf too, as masked scores need it.
  return (vf)_mm512_maskz_scalef_ps(_mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ), (__m512)p, (__m512)n);
#else
  return select(unclamped < splat(-87.0f), splat(0.0f), (vf)((vi)p + (n << 23)));
#endif
}

// Square root of each element, correctly rounded.
inline vf vsqrt(vf v) {
#if FETTLE_LANES == 16
  return (vf)_mm512_maskz_sqrt_ps(0xffff, (__m512)v);  // g++ 12 warns inside the unmasked form
#elif FETTLE_LANES == 8
  return (vf)_mm256_sqrt_ps((__m256)v);
#elif FETTLE_X86
  return (vf)_mm_sqrt_ps((__m128)v);
#else
  for (int i = 0; i < kLanes; i++) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// Half-precision numbers of files as floats.
inline void halvesToFloats(float* to, const uint16_t* from, int64_t n) {
  int64_t i = 0;
#if FETTLE_LANES == 16
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(to + i, _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i*)(from + i))));
#elif FETTLE_LANES == 8
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(from + i))));
#endif
  for (; i < n; i++) to[i] = halfToFloat(from[i]);
}

// body(i, count) for each vector of n elements: count is a compile-time kLanes, and once at the end what remains, so that
// loadPart(p + i, count) is one plain load everywhere but in the tail.
template <class Body> inline void eachVector(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, std::integral_constant<int, kLanes>{});
  if (i < n) body(i, (int)(n - i));
}

// Σ term(i, count) over the vectors of n elements. Four sums at a time hide the latency of the addition.
template <class Term> inline float sumOfTerms(int64_t n, const Term& term) {
  vf sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int u = 0; u < 4; u++) sums[u] += term(i + u * kLanes, std::integral_constant<int, kLanes>{});
  eachVector(n - i, [&](int64_t j, auto count) { sums[0] += term(i + j, count); });
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// body(zero) with a zero of the type that the tensor stores: float or bf16.
template <class Body> inline void withType(DType dtype, const Body& body) {
  if (dtype == DType::bf16) body(bf16{}); else body(float{});
}

}  // namespace fettle::FETTLE_ISA

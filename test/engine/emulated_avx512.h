// AVX-512's instructions in C++, for machines without: SIMDe's (Debian's libsimde-dev), and what it lacks. So
// scripts/test-avx512.sh proves the kernels of 16 lanes on any machine with AVX2. Bits may differ from the processor's.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_CHECK_IMMEDIATE_CONSTANT
#include <simde/x86/avx512.h>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace fettle::emulated {

// The first lanes of a mask, which all masks here are.
inline int lanesIn(uint64_t mask) { return __builtin_popcountll(mask); }
template <class V> inline V loadFirst(uint64_t mask, const void* from, int size) {
  V v = {};
  std::memcpy(&v, from, (size_t)lanesIn(mask) * size);
  return v;
}
template <class V> inline void storeFirst(void* to, uint64_t mask, V v, int size) { std::memcpy(to, &v, (size_t)lanesIn(mask) * size); }

// to[i] = of(from[i]) for the lanes of the narrower of the two vectors.
template <class To, class T, class F, class From, class Of> inline To each(From v, const Of& of) {
  constexpr int lanes = sizeof(From) / sizeof(F) < sizeof(To) / sizeof(T) ? sizeof(From) / sizeof(F) : sizeof(To) / sizeof(T);
  F from[sizeof(From) / sizeof(F)];
  T to[sizeof(To) / sizeof(T)] = {};
  std::memcpy(from, &v, sizeof v);
  for (int i = 0; i < lanes; i++) to[i] = (T)of(from[i]);
  To result;
  std::memcpy(&result, to, sizeof result);
  return result;
}

inline uint16_t roundedToBfloat16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if (f != f) return (uint16_t)(u >> 16 | 0x40);
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
inline simde__m256i toBfloat16(simde__m512 v) { return each<simde__m256i, uint16_t, float>(v, roundedToBfloat16); }
inline simde__m512i twoToBfloat16(simde__m512 upper, simde__m512 lower) {
  const simde__m256i halves[] = {toBfloat16(lower), toBfloat16(upper)};
  simde__m512i both;
  std::memcpy(&both, halves, sizeof both);
  return both;
}

}  // namespace fettle::emulated

// SIMDe 0.7.4 gives this name the arguments of the masked form.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

// All lanes are asked for where a mask is given besides those of loads and stores.
#define _mm512_maskz_loadu_ps(mask, p) fettle::emulated::loadFirst<simde__m512>(mask, p, 4)
#define _mm512_maskz_loadu_epi16(mask, p) fettle::emulated::loadFirst<simde__m512i>(mask, p, 2)
#define _mm256_maskz_loadu_epi16(mask, p) fettle::emulated::loadFirst<simde__m256i>(mask, p, 2)
#define _mm512_mask_storeu_ps(p, mask, v) fettle::emulated::storeFirst(p, mask, v, 4)
#define _mm256_mask_storeu_epi16(p, mask, v) fettle::emulated::storeFirst(p, mask, v, 2)
#define _mm512_cvtneps_pbh(v) fettle::emulated::toBfloat16(v)
#define _mm512_cvtne2ps_pbh(upper, lower) fettle::emulated::twoToBfloat16(upper, lower)
#define _mm512_maskz_cvtps_epi32(mask, v) fettle::emulated::each<simde__m512i, int32_t, float>(v, [](float f) { return std::nearbyint(f); })
#define _mm512_maskz_cvtepi32_epi8(mask, v) fettle::emulated::each<simde__m128i, int8_t, int32_t>(v, [](int32_t i) { return i; })
#define _mm512_maskz_cvtepi32_epi16(mask, v) fettle::emulated::each<simde__m256i, int16_t, int32_t>(v, [](int32_t i) { return i; })
#define _mm512_maskz_cvtepu8_epi32(mask, v) fettle::emulated::each<simde__m512i, int32_t, uint8_t>(v, [](uint8_t i) { return i; })
#define _mm512_maskz_rcp14_ps(mask, v) fettle::emulated::each<simde__m512, float, float>(v, [](float f) { return 1 / f; })
#define _mm512_maskz_sqrt_ps(mask, v) fettle::emulated::each<simde__m512, float, float>(v, [](float f) { return std::sqrt(f); })
#define _mm512_maskz_cvtph_ps(mask, halves) \
  _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_cvtph_ps(_mm256_castsi256_si128(halves))), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)), 1)

// What this instruction set can do at best, as the measure for everything else: arithmetic between registers only, and
// one pass through memory. Each returns the number of operations (a multiply-add is two) that the given rounds were.
//
// There are enough independent sums to hide the latency of an instruction, and so few that all stay in registers; `keep`
// makes the compiler believe that something reads them.
#pragma once

#include <cstdint>

#include "kernels.h"
#include "gemm.h"
#include "pack_int8.h"

namespace fettle::FETTLE_ISA {

template <class V> inline void keep(V& v) {
#ifdef FETTLE_AVX512_EMULATED  // no register is as wide
  asm volatile("" : "+m"(v));
#elif FETTLE_X86
  asm volatile("" : "+v"(v));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(v));
#endif
}

constexpr int kPeakSums = kLanes == 16 ? 20 : 10;

// `step(sum)` is one instruction on all lanes, worth `operations` operations a lane.
template <class V, class Step>
__attribute__((noinline)) static double peakOf(int64_t rounds, int operations, V zero, Step step) {
  V sums[kPeakSums];
#pragma GCC unroll 20
  for (int i = 0; i < kPeakSums; i++) sums[i] = zero;
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 20
    for (int i = 0; i < kPeakSums; i++) {
      sums[i] = step(sums[i]);
      keep(sums[i]);
    }
  }
  return (double)rounds * kPeakSums * kLanes * operations;
}

static double peakFloat32(int64_t rounds) {
  vf a = splat(0.999f), b = splat(0.001f);
  keep(a);
  keep(b);
  return peakOf(rounds, 2, splat(1.0f), [=](vf sum) { return multiplyAdd(sum, a, b); });
}

#if FETTLE_AMX
// Six sums of 16 x 16, each instruction 32 deep.
static double peakBfloat16(int64_t rounds) {
  const TileScope scope;
  TileScope::want(2 * kTileRows);
  tileZero<0>(), tileZero<1>(), tileZero<2>(), tileZero<3>(), tileZero<4>(), tileZero<5>(), tileZero<6>(), tileZero<7>();
  for (int64_t round = 0; round < rounds; round++) {
    tileMultiply<0, 6, 7>(), tileMultiply<1, 6, 7>(), tileMultiply<2, 6, 7>();
    tileMultiply<3, 6, 7>(), tileMultiply<4, 6, 7>(), tileMultiply<5, 6, 7>();
  }
  return (double)rounds * 6 * 2 * kTileRows * kTileRows * kTileDepth;
}
#elif FETTLE_HAS_BF16
static double peakBfloat16(int64_t rounds) {
  vp a = splatPairs(0x3f003f00), b = splatPairs(0x3a003a00);  // pairs of 0.5 and of 2^-11
  keep(a);
  keep(b);
#if FETTLE_MATRIX
  return peakOf(rounds, 8, splat(0.0f), [=](vf sum) { return addMatrices(sum, a, b); });
#endif
  return peakOf(rounds, 4, splat(0.0f), [=](vf sum) { return dotPairs(sum, a, b); });
}
#endif

#if FETTLE_HAS_BF16 && FETTLE_X86  // these processors all have VNNI
static double peakInt8(int64_t rounds) {
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(1);
  keep(a);
  keep(b);
  return peakOf(rounds, 8, _mm512_setzero_si512(), [=](__m512i sum) { return _mm512_dpbusd_epi32(sum, a, b); });
}
#elif FETTLE_MATRIX
static double peakInt8(int64_t rounds) {
  vu a = (vu)splatInteger(0x03030303), b = (vu)splatInteger(0x01010101);
  keep(a);
  keep(b);
  return peakOf(rounds, 16, vi{}, [=](vi sum) { return addMatrices(sum, a, b); });
}
#endif

// Reads bytes (a multiple of 1024) once from start to end, a few lines ahead of use.
__attribute__((noinline)) static void readThrough(const char* from, size_t bytes) {
  constexpr int kSums = 8, kAhead = 4096;
  vi sums[kSums] = {};
  for (const char* at = from; at < from + bytes; at += kSums * sizeof(vi)) {
    for (size_t line = 0; line < kSums * sizeof(vi); line += 64) __builtin_prefetch(at + line + kAhead);
#pragma GCC unroll 8
    for (int i = 0; i < kSums; i++) {
      vi v;
      __builtin_memcpy(&v, at + i * sizeof v, sizeof v);
      sums[i] ^= v;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kSums; i++) keep(sums[i]);
}

static Peaks peaks() {
#if FETTLE_HAS_BF16
  return {peakFloat32, peakBfloat16, peakInt8, readThrough};
#else
  return {peakFloat32, nullptr, nullptr, readThrough};
#endif
}

}  // namespace fettle::FETTLE_ISA

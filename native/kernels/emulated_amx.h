// AMX's instructions in C++, for machines without: the arithmetic of Intel's manual (volume 2, TDPBF16PS), and its faults. What the
// processor answers with #UD or #GP ends the program here, and so does reading a tile that nothing was written to since it was
// configured, which the processor permits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tile_config.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

struct EmulatedTiles {
  bool configured = false, written[8] = {};
  TileConfig config;
  uint32_t data[8][16][16];

  static void expect(bool holds, const char* fault) {
    if (holds) return;
    std::fprintf(stderr, "AMX: %s\n", fault);
    std::abort();
  }
  void expectValid(int tile) const {
    expect(configured, "#UD: tiles are not configured, or released");
    expect(config.rows[tile] && config.bytesPerRow[tile] % 4 == 0, "#UD: a tile without a shape");
  }
  void expectReadable(int tile) const {
    expectValid(tile);
    expect(written[tile], "reads a tile that was not written since it was configured");
  }
};
inline thread_local EmulatedTiles emulated;  // inline, as what uses it: the parts of isa.cc share one

inline void tileConfigure(const TileConfig& config) {
  const auto expect = &EmulatedTiles::expect;
  expect((uintptr_t)&config % 64 == 0, "the configuration is not aligned");
  expect(config.palette == 1 && config.startRow == 0, "#GP: palette or start row");
  for (const uint8_t byte : config.reserved) expect(byte == 0, "#GP: reserved bytes are set");
  for (int t = 0; t < 16; t++) {
    expect(config.rows[t] <= 16 && config.bytesPerRow[t] <= 64, "#GP: a tile is too large");
    expect(!config.rows[t] == !config.bytesPerRow[t], "#GP: a tile with rows or columns only");
    expect(t < 8 || !config.rows[t], "#GP: a tile that does not exist");
  }
  emulated = EmulatedTiles{};
  emulated.configured = true;
  emulated.config = config;
}
inline void tileRelease() { emulated.configured = false; }
template <int T> inline void tileZero() {
  emulated.expectValid(T);
  __builtin_memset(emulated.data[T], 0, sizeof emulated.data[T]);
  emulated.written[T] = true;
}
template <int T> inline void tileLoad(const void* p, int64_t stride) {
  tileZero<T>();
  for (int r = 0; r < emulated.config.rows[T]; r++)
    __builtin_memcpy(emulated.data[T][r], (const char*)p + r * stride, emulated.config.bytesPerRow[T]);
}
template <int T> inline void tileStore(void* p, int64_t stride) {
  emulated.expectReadable(T);
  for (int r = 0; r < emulated.config.rows[T]; r++)
    __builtin_memcpy((char*)p + r * stride, emulated.data[T][r], emulated.config.bytesPerRow[T]);
}

// Denormal numbers count as zero, in what is read and in what comes out.
inline float withoutDenormals(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
inline float emulatedHalf(uint32_t pair, int half) { return withoutDenormals(toFloat((bf16)(pair >> 16 * half))); }

// Even and odd cells of depth have a sum of their own, and come to C at the end.
template <int C, int A, int B> inline void tileMultiply() {
  static_assert(C != A && C != B && A != B, "#UD: one tile twice");
  emulated.expectReadable(C), emulated.expectReadable(A), emulated.expectReadable(B);
  const TileConfig& config = emulated.config;
  const int rows = config.rows[C], columns = config.bytesPerRow[C] / 4, units = config.rows[B];
  EmulatedTiles::expect(config.rows[A] == rows && config.bytesPerRow[B] / 4 == columns && config.bytesPerRow[A] / 4 == units,
                        "#UD: shapes that do not fit");
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < columns; j++) {
      float sums[2] = {}, total;
      for (int k = 0; k < units; k++)
        for (int half = 0; half < 2; half++)
          sums[half] = withoutDenormals(std::fma(emulatedHalf(emulated.data[A][r][k], half), emulatedHalf(emulated.data[B][k][j], half),
                                                 sums[half]));
      __builtin_memcpy(&total, &emulated.data[C][r][j], 4);
      total = withoutDenormals(withoutDenormals(total) + withoutDenormals(sums[0] + sums[1]));
      __builtin_memcpy(&emulated.data[C][r][j], &total, 4);
    }
}

}  // namespace fettle::FETTLE_ISA

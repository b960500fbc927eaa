// The product kernel for Intel's tile registers (AMX, Sapphire Rapids on): blocks of 32 rows x 32 columns in four tiles of
// 16 x 16 floats, 32 bf16 of depth a step. The panel's pair layout is already what TDPBF16PS wants on the right:
//
//     tile 0 1    A: tile 4 = rows 0..15, tile 5 = rows 16..31, 32 deep, loaded straight from the row-major operand
//     tile 2 3    B: tile 6 = columns 0..15, tile 7 = columns 16..31, 16 pairs deep, loaded straight from the panel
//
// Panels are padded with zeros to a depth of 32; the ragged end of A's rows goes through a zero-filled copy. Ragged rows
// get a tile configuration of their own. FETTLE_AMX_EMULATED replaces the instructions by C++ (emulated_amx.h), so that
// scripts/test-amx.sh proves this file on any machine with AVX512_BF16.
#pragma once

#include <cstdint>

#include "gemm_store.h"
#include "tile_config.h"
#if FETTLE_AMX_EMULATED
#include "emulated_amx.h"
#endif

#if FETTLE_AMX
namespace fettle::FETTLE_ISA {

#if !FETTLE_AMX_EMULATED
// The intrinsics are macros that want literal tile numbers; and _tile_loadconfig of g++ 12 says that it reads 8 bytes, so that
// the compiler leaves out the stores of the other 56.
inline void tileConfigure(const TileConfig& config) { asm volatile("ldtilecfg %0" ::"m"(config)); }
inline void tileRelease() { asm volatile("tilerelease"); }
template <int T> inline void tileZero() { asm volatile("tilezero %%tmm%c0" ::"i"(T)); }
template <int T> inline void tileLoad(const void* p, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T> inline void tileStore(void* p, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(T) : "memory");
}
template <int C, int A, int B> inline void tileMultiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}
#endif

constexpr int kTileRows = 16, kTileDepth = 32;

inline TileConfig tileShape(int topRows, int bottomRows) {
  TileConfig config;
  for (int t = 0; t < 8; t++) config.bytesPerRow[t] = 64;
  config.rows[0] = config.rows[1] = config.rows[4] = (uint8_t)topRows;
  // A tile of no rows is an invalid operand; the lower half is not used then.
  config.rows[2] = config.rows[3] = config.rows[5] = (uint8_t)(bottomRows ? bottomRows : 1);
  config.rows[6] = config.rows[7] = kTileRows;
  return config;
}

// `top` and `bottom` are A's rows, 32 deep; strides in bytes.
template <bool Lower, bool Right>
inline void tileStep(const void* top, const void* bottom, int64_t stride, const bf16* panel, int64_t panelStride) {
  tileLoad<6>(panel, panelStride);
  tileLoad<4>(top, stride);
  tileMultiply<0, 4, 6>();
  if constexpr (Right) {
    tileLoad<7>(panel + kTileDepth, panelStride);
    tileMultiply<1, 4, 7>();
  }
  if constexpr (Lower) {
    tileLoad<5>(bottom, stride);
    tileMultiply<2, 5, 6>();
    if constexpr (Right) tileMultiply<3, 5, 7>();
  }
}

template <bool Lower, bool Right, class Store>
__attribute__((noinline)) void tileKernel(const Term<bf16>* terms, int count, int64_t row, int rows, int columns,
                                          const Store& save) {
  constexpr int width = Right ? 32 : 16;
  constexpr int64_t panelStride = width * 4;  // bytes of a row of pairs
  tileZero<0>();
  if constexpr (Right) tileZero<1>();
  if constexpr (Lower) tileZero<2>();
  if constexpr (Lower && Right) tileZero<3>();
  for (const Term<bf16>*term = terms, *end = terms + count; term < end; term++) {
    const bf16 *a = term->a + row * term->stride, *panel = term->panel;
    int64_t k = 0;
    for (; k + kTileDepth <= term->depth; k += kTileDepth, panel += kTileDepth * width)
      tileStep<Lower, Right>(a + k, a + k + kTileRows * term->stride, term->stride * 2, panel, panelStride);
    if (k < term->depth) {
      // Whole vectors, so that the tile's loads find each row in one store. Rows past the last stay out of every result.
      alignas(64) bf16 last[2 * kTileRows][kTileDepth];
      for (int i = 0; i < rows; i++) storePairs(last[i], loadPairsPart(a + i * term->stride + k, (int)(term->depth - k)));
      tileStep<Lower, Right>(last, last[kTileRows], kTileDepth * 2, panel, panelStride);
    }
  }
  alignas(64) float out[2 * kTileRows][width];
  tileStore<0>(out[0], width * 4);
  if constexpr (Right) tileStore<1>(out[0] + 16, width * 4);
  if constexpr (Lower) tileStore<2>(out[kTileRows], width * 4);
  if constexpr (Lower && Right) tileStore<3>(out[kTileRows] + 16, width * 4);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < width; j += kLanes) save(row + i, j, load(out[i] + j), columns - j);
}

// The tiles of a thread. LDTILECFG takes some 200 cycles, a fifth of a block at depth 576, so a shape stays until another one is
// wanted, and is released where the outermost scope ends: an idle thread's context switches then save no tiles.
class TileScope {
 public:
  TileScope() { state.scopes++; }
  ~TileScope() {
    if (--state.scopes || !state.rows) return;
    tileRelease();
    state.rows = 0;
  }
  TileScope(const TileScope&) = delete;
  // Tiles for blocks of this many rows, 1 to 32.
  static void want(int rows) {
    if (state.rows == rows) return;
    tileConfigure(tileShape(rows < kTileRows ? rows : kTileRows, rows > kTileRows ? rows - kTileRows : 0));
    state.rows = rows;
  }

 private:
  struct State {
    int scopes, rows;
  };
  static inline thread_local State state{};
};

template <class Store>
inline void sweepTiles(const Term<bf16>* terms, int count, int64_t begin, int64_t end, int columns, const Store& save) {
  constexpr int most = 2 * kTileRows;
  const TileScope scope;
  for (int64_t row = begin; row < end; row += most) {
    const int rows = (int)(end - row < most ? end - row : most);
    TileScope::want(rows);
    if (rows > kTileRows) {
      if (columns > kLanes) tileKernel<true, true>(terms, count, row, rows, columns, save);
      else tileKernel<true, false>(terms, count, row, rows, columns, save);
    } else {
      if (columns > kLanes) tileKernel<false, true>(terms, count, row, rows, columns, save);
      else tileKernel<false, false>(terms, count, row, rows, columns, save);
    }
  }
}

}  // namespace fettle::FETTLE_ISA
#endif

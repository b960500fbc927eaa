// The shape of AMX's tiles, as the processor takes it (gemm_amx.h).
#pragma once

#include <cstdint>

namespace fettle::FETTLE_ISA {

struct alignas(64) TileConfig {  // LDTILECFG's memory operand
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t bytesPerRow[16] = {};
  uint8_t rows[16] = {};
};

}  // namespace fettle::FETTLE_ISA

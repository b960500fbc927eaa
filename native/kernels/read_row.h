// A row of numbers of any type that files hold, as floats.
#pragma once

#include <cstdint>
#include <cstring>

#include "../quantised.h"
#include "pack.h"

namespace fettle::FETTLE_ISA {

static void readRow(float* to, const NumberRows& source, int64_t row) {
  const int64_t at = row * source.columns;
  if (source.type == 0) std::memcpy(to, source.data + at * 4, source.columns * 4);
  else if (source.type == 1) convert(to, (const bf16*)source.data + at, source.columns);
  else halvesToFloats(to, (const uint16_t*)source.data + at, source.columns);
}

}  // namespace fettle::FETTLE_ISA

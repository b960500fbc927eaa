// Activations as a product of few tokens with a quantised weight wants them; see quantised_dot.h.
#pragma once

#include <cstdint>

#include "../quantised.h"

namespace fettle::FETTLE_ISA {

struct PreparedTokens {
  QuantisedLayout layout;  // of the weight
  int64_t count, size;     // tokens; bytes of a token
  char* data = nullptr;
};

// 12 KB ahead of use, as in gemm_stream.h.
constexpr int64_t kCodesAhead = 12288;

}  // namespace fettle::FETTLE_ISA

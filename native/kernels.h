// The interface between the program runner and the kernels of one instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "call.h"
#include "ops.h"
#include "quantised.h"
#include "tensor.h"

namespace fettle {

using Kernel = void (*)(const Call&);

// What the instruction set can do at best (kernels/peak.h). Arithmetic runs a number of rounds and returns the operations
// that they were; null where there is no such instruction.
struct Peaks {
  double (*float32)(int64_t rounds);
  double (*bfloat16)(int64_t rounds);
  double (*int8)(int64_t rounds);
  void (*read)(const char* from, size_t bytes);
};

struct Kernels {
  const char* isa;
  Peaks peaks;
  Quantiser quantiser;
  Kernel forward[kOpCount];
  Kernel vjp[kOpCount];  // null where an op has no gradient
};

// One table per instruction set; a build may leave some out, see cpu.h.
const Kernels* kernelsAmx();
const Kernels* kernelsAvx512bf16();
const Kernels* kernelsAvx512();
const Kernels* kernelsAvx2();
const Kernels* kernelsNeonbf16();
const Kernels* kernelsNeon();
const Kernels* kernelsPortable();

}  // namespace fettle

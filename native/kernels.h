// The interface between the program runner and the kernels of one instruction set.
#pragma once
#include "ops.h"
#include "pool.h"
#include "quantised.h"
#include "tensor.h"

namespace fettle {

constexpr int kMaxArguments = 16;

// One command. Inputs and outputs stand in the order of the op table; absent ones are null.
// For a vjp: inputs = forward inputs, forward outputs, gradients of the forward outputs;
// outputs = gradients of the inputs that the table lists under `gradients`.
struct Call {
  Pool* pool;
  const Tensor* in[kMaxArguments];
  Tensor* out[kMaxArguments];
  bool accumulate[kMaxArguments];  // vjp: per output, add instead of overwrite
  const double* attributes;        // in the table's order; lists are preceded by their length
  const Tensor* upcoming;          // the weight of the next linear layer, which memory may be asked for early; may be null
};

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

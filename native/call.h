// One command, as a kernel gets it. Kernels read it through the structs of ops.h, which know the arguments' names.
#pragma once
#include <cstdint>

#include "pool.h"
#include "tensor.h"

namespace fettle {

constexpr int kMaxArguments = 16;

// Inputs and outputs stand in the order of the op table; absent ones are null.
// For a vjp: inputs = forward inputs, forward outputs, gradients of the forward outputs;
// outputs = gradients of the inputs that the table lists under `gradients`, and the output that is made again.
struct Call {
  Pool* pool;
  const Tensor* in[kMaxArguments];
  Tensor* out[kMaxArguments];
  bool accumulate[kMaxArguments];  // vjp: per output, add instead of overwrite
  const double* attributes;        // in the table's order; lists are preceded by their length
  const Tensor* upcoming;          // the weight of the next linear layer, which memory may be asked for early; may be null
};

// Numbers of a list attribute.
struct List {
  const double* values;
  int count;
};

// What the arguments of every op have.
struct Arguments {
  const Call& call;
  Arguments(const Call& call) : call(call) {}
  Pool& pool() const { return *call.pool; }
  const Tensor* upcoming() const { return call.upcoming; }
};

// The elements of an argument that may be absent, or null.
template <class T> T* dataOf(const Tensor* tensor) { return tensor ? tensor->as<T>() : nullptr; }

}  // namespace fettle

// The class that JavaScript sees: Runner of src/engine/native/binding.ts.
#pragma once
#include <napi.h>

#include "given.h"
#include "kernels.h"

namespace fettle {

// Threads of a pool, at most.
constexpr int kMostThreads = 1024;

// The class's constructor.
Napi::Function defineRunner(Napi::Env env);

// The kernels of the instruction set that argument i names.
const Kernels& kernelsOf(const Given& given, size_t i);

}  // namespace fettle

// Numbers on their way between JavaScript and tensors.
#pragma once
#include <napi.h>

#include <cstring>

#include "conversions.h"
#include "given.h"

namespace fettle {

// Copies numbers of a JavaScript typed array into a tensor's memory, rounding float32 to bfloat16 where needed; false for
// numbers of another type, or too many.
inline bool copyIn(DType dtype, char* to, size_t count, const Numbers& from) {
  const size_t n = from.length;
  if (n > count) return false;
  if (n == 0) return true;
  if ((dtype == DType::i32 && from.type == napi_int32_array) || (dtype == DType::f32 && from.type == napi_float32_array)) {
    std::memcpy(to, from.data, n * 4);
  } else if (dtype == DType::bf16 && from.type == napi_float32_array) {
    auto* source = reinterpret_cast<const float*>(from.data);
    auto* target = reinterpret_cast<uint16_t*>(to);
    for (size_t i = 0; i < n; i++) target[i] = roundToBf16(source[i]);
  } else {
    return false;
  }
  return true;
}

// JavaScript's own constructors of typed arrays, kept for each thread's JavaScript: they throw where there is no memory, and
// Node-API's functions end the process.
struct TypedArrays {
  Napi::FunctionReference float32, int32;
  static void keep(Napi::Env env) {
    auto* arrays = new TypedArrays;
    arrays->float32 = Napi::Persistent(env.Global().Get("Float32Array").As<Napi::Function>());
    arrays->int32 = Napi::Persistent(env.Global().Get("Int32Array").As<Napi::Function>());
    env.SetInstanceData(arrays);
  }
};
inline Napi::Float32Array newFloat32Array(Napi::Env env, size_t count) {
  return env.GetInstanceData<TypedArrays>()->float32.New({Napi::Number::New(env, double(count))}).As<Napi::Float32Array>();
}
inline Napi::Int32Array newInt32Array(Napi::Env env, size_t count) {
  return env.GetInstanceData<TypedArrays>()->int32.New({Napi::Number::New(env, double(count))}).As<Napi::Int32Array>();
}

// A tensor's numbers: int32 as they are, everything else as float32.
inline Napi::Value copyOut(Napi::Env env, const Tensor& tensor, const Quantiser& quantiser) {
  const size_t count = tensor.size();
  if (tensor.dtype == DType::i32) {
    auto array = newInt32Array(env, count);
    std::memcpy(array.Data(), tensor.as<char>(), count * 4);
    return array;
  }
  auto array = newFloat32Array(env, count);
  copyFloats(tensor, quantiser, array.Data());
  return array;
}

}  // namespace fettle

// Numbers on their way between files, JavaScript and tensors.
#pragma once
#include <napi.h>

#include <cstring>

#include "given.h"
#include "runner.h"

namespace fettle {

inline float widen(uint16_t h) {
  uint32_t u = uint32_t(h) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

inline uint16_t roundToBf16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if (f != f) return uint16_t((u >> 16) | 0x40u);
  return uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

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
  const size_t columns = tensor.cols();
  if (tensor.dtype == DType::i32) {
    auto array = newInt32Array(env, count);
    std::memcpy(array.Data(), tensor.as<char>(), count * 4);
    return array;
  }
  auto array = newFloat32Array(env, count);
  if (isQuantised(tensor.dtype)) {
    for (int b = 0; b < tensor.blockCount; b++) {
      const RowBlock& block = tensor.blocks[b];
      const int64_t end = b + 1 < tensor.blockCount ? (&block)[1].firstRow : tensor.rows();
      float* to = array.Data() + block.firstRow * columns;
      if (!isGrouped(tensor.dtype)) quantiser.decode(block, end - block.firstRow, int64_t(columns), to);
      else quantiser.dequantise(tensor.dtype, static_cast<const char*>(block.data), 0, end - block.firstRow, columns, to);
    }
    return array;
  }
  for (int64_t row = 0; row * int64_t(columns) < int64_t(count); row++) {
    float* to = array.Data() + row * columns;
    if (tensor.dtype == DType::f32) {
      std::memcpy(to, tensor.row<float>(row), columns * 4);
    } else {
      const uint16_t* from = tensor.row<uint16_t>(row);
      for (size_t i = 0; i < columns; i++) to[i] = widen(from[i]);
    }
  }
  return array;
}

// `count` numbers of a file's type (0 F32, 1 BF16, 2 F16) into a tensor's memory.
inline void convert(DType dtype, char* target, int type, const char* source, size_t count) {
  auto value = [&](size_t i) {
    if (type == 0) {
      float f;
      std::memcpy(&f, source + i * 4, 4);
      return f;
    }
    uint16_t h;
    std::memcpy(&h, source + i * 2, 2);
    return type == 1 ? widen(h) : halfToFloat(h);
  };
  if (type == int(dtype)) {
    std::memcpy(target, source, count * bytesOf(dtype));
  } else if (dtype == DType::f32) {
    for (size_t i = 0; i < count; i++) reinterpret_cast<float*>(target)[i] = value(i);
  } else {
    for (size_t i = 0; i < count; i++) reinterpret_cast<uint16_t*>(target)[i] = roundToBf16(value(i));
  }
}

}  // namespace fettle

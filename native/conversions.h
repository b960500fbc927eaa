// Numbers on their way between files and tensors. Knows nothing of JavaScript.
#pragma once
#include <cstring>

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

// All numbers of a tensor that holds floats, or codes that stand for floats.
inline void copyFloats(const Tensor& tensor, const Quantiser& quantiser, float* floats) {
  const size_t count = tensor.size();
  const size_t columns = tensor.cols();
  if (isQuantised(tensor.dtype)) {
    for (int b = 0; b < tensor.blockCount; b++) {
      const RowBlock& block = tensor.blocks[b];
      const int64_t end = b + 1 < tensor.blockCount ? (&block)[1].firstRow : tensor.rows();
      float* to = floats + block.firstRow * columns;
      if (!isGrouped(tensor.dtype)) quantiser.decode(block, end - block.firstRow, int64_t(columns), to);
      else quantiser.dequantise(tensor.dtype, static_cast<const char*>(block.data), 0, end - block.firstRow, columns, to);
    }
    return;
  }
  for (int64_t row = 0; row * int64_t(columns) < int64_t(count); row++) {
    float* to = floats + row * columns;
    if (tensor.dtype == DType::f32) {
      std::memcpy(to, tensor.row<float>(row), columns * 4);
    } else {
      const uint16_t* from = tensor.row<uint16_t>(row);
      for (size_t i = 0; i < columns; i++) to[i] = widen(from[i]);
    }
  }
}

}  // namespace fettle

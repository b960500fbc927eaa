// Products of cells as terms, and what becomes of their sums; see gemm.h.
#pragma once

#include <cstdint>

#include "pack.h"

namespace fettle::FETTLE_ISA {

template <class C> struct Term {
  const C* a;
  int64_t stride;  // of a's rows
  const C* panel;
  int64_t depth;
};

// y = scale · value (+ bias) (+ residual) (+ y). y may be the residual's memory.
template <class Out> struct StoreTo {
  Out* y;
  int64_t stride;
  bool accumulate = false;
  float scale = 1;
  const float* bias = nullptr;      // [columns]
  const float* residual = nullptr;  // rows as y's
  void operator()(int64_t row, int column, vf value, int n) const {
    Out* to = y + row * stride + column;
    value *= splat(scale);
    if (n >= kLanes) {
      if (bias) value += load(bias + column);
      if (residual) value += load(residual + row * stride + column);
      if (accumulate) value += load(to);
      store(to, value);
    } else {
      if (bias) value += loadPart(bias + column, n);
      if (residual) value += loadPart(residual + row * stride + column, n);
      if (accumulate) value += loadPart(to, n);
      storePart(to, value, n);
    }
  }
};

// Asks for `bytes` that will be read and written soon.
inline void prefetchToWrite(const void* p, int64_t bytes) {
  const char* line = (const char*)((uintptr_t)p & ~(uintptr_t)63);
  for (; line < (const char*)p + bytes; line += 64) {
#if FETTLE_X86
    asm volatile("prefetchw %0" : : "m"(*line));
#else
    __builtin_prefetch(line, 1);
#endif
  }
}
// Stores that read first say with expect() where, so that rows come while their product is made: o and down, which add to the
// stream, take 10 % less time. For plain stores asking gains nothing.
template <class Store> inline auto expectRows(const Store& save, int64_t row, int rows, int columns) -> decltype(save.expect(row, columns)) {
  for (int i = 0; i < rows; i++) save.expect(row + i, columns);
}
template <class... Other> inline void expectRows(const Other&...) {}

// The two commonest cases without a branch: y = value, and y = residual + value. (Branches a vector cost 2 % at depth 576.)
template <class Out> struct CopyTo {
  Out* y;
  int64_t stride;
  void operator()(int64_t row, int column, vf value, int n) const {
    Out* to = y + row * stride + column;
    if (n >= kLanes) store(to, value);
    else storePart(to, value, n);
  }
};
template <class Out> struct AddTo {
  Out* y;
  int64_t stride;
  const float* residual;
  void operator()(int64_t row, int column, vf value, int n) const {
    const int64_t at = row * stride + column;
    if (n >= kLanes) store(y + at, value + load(residual + at));
    else storePart(y + at, value + loadPart(residual + at, n), n);
  }
  void expect(int64_t row, int columns) const { prefetchToWrite(y + row * stride, columns * sizeof(Out)); }
};

// body(store) with the form of a StoreTo that has no branches, where there is one.
template <class Out, class Body> inline void withStore(const StoreTo<Out>& save, const Body& body) {
  if (save.scale != 1 || save.bias || (save.accumulate && (save.residual || sizeof(Out) == 2)))
    body([&](int64_t row, int column, vf value, int n) { save(row, column, value, n); });
  else if (save.accumulate) body(AddTo<Out>{save.y, save.stride, (const float*)save.y});
  else if (save.residual) body(AddTo<Out>{save.y, save.stride, save.residual});
  else body(CopyTo<Out>{save.y, save.stride});
}

}  // namespace fettle::FETTLE_ISA

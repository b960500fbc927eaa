// What the output head takes of its logits in the registers of the product kernel: e^(s − r), its sum and, where a description is
// asked for, Σ e s, Σ e², Σ s and the largest s beside the target; and the largest s alone, to choose r by. The names are those of
// target_log_probs.h.
#pragma once

#include <cstdint>

#include "exponentials.h"
#include "gemm.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kHeadDescribed = 4 * kLanes;  // of each row

inline vi laneNumbers() {
  vi lanes;
  for (int i = 0; i < kLanes; i++) lanes[i] = i;
  return lanes;
}
inline vi splatInt(int x) { return x - vi{}; }

// e^x, for bf16 cells within 2.6e-6 of it: a thousandth of their rounding.
template <class C> inline vf headExp(vf x) {
  if constexpr (sizeof(C) == 2) return exp2<C>(x * splat(kLog2E));
  else return exp(x);
}

// Store of the product h Wᵀ: p = e^(s − r), zero for the target and past the end; adds to Z, and keeps p as cells.
template <class C, bool IsPlain, bool Describes> struct StoreExponentials {
  Capped capped;
  const float* references;
  const int32_t* targets;
  float* sums;
  float* described;
  C* p;  // tile [rows from tileBegin, stride] at this panel's column, or null
  int64_t tileBegin, stride;
  int64_t firstWord;  // of this panel
  void operator()(int64_t row, int column, vf value, int n) const {
    const int here = (int)(targets[row] - firstWord) - column;
    if (!IsPlain) value = capped(value);
    vf e = headExp<C>(value - splat(references[row]));
    if ((unsigned)here < (unsigned)kLanes) e = select(laneNumbers() == splatInt(here), vf{}, e);
    if (n < kLanes) e = select(laneNumbers() < splatInt(n), e, vf{});
    store(sums + row * kLanes, load(sums + row * kLanes) + e);
    if (Describes) describe(described + row * kHeadDescribed, value, e, here, n);
    if (p) store(p + (row - tileBegin) * stride + column, IsPlain ? e : e * capped.slope(value));
  }
  static void describe(float* d, vf value, vf e, int target, int n) {
    vf other = value;
    if ((unsigned)target < (unsigned)kLanes) other = select(laneNumbers() == splatInt(target), splat(-__builtin_inff()), other);
    if (n < kLanes) {
      value = select(laneNumbers() < splatInt(n), value, vf{});
      other = select(laneNumbers() < splatInt(n), other, splat(-__builtin_inff()));
    }
    store(d, load(d) + e * value);
    store(d + kLanes, load(d + kLanes) + e * e);
    store(d + 2 * kLanes, load(d + 2 * kLanes) + value);
    store(d + 3 * kLanes, vmax(other, load(d + 3 * kLanes)));
  }
};

// Store of the same product that keeps the largest s of each row and lane.
struct StoreMaximum {
  Capped capped;
  float* largest;  // [rows, kLanes]
  void operator()(int64_t row, int, vf value, int n) const {
    value = capped(value);
    if (n < kLanes) value = select(laneNumbers() < splatInt(n), value, splat(-__builtin_inff()));
    store(largest + row * kLanes, vmax(value, load(largest + row * kLanes)));
  }
};

}  // namespace fettle::FETTLE_ISA

// Rotary position embedding, tokens shared by threads. Of `heads` heads from `firstHead` on, with half = rotaryDim / 2 and
// c, s = cos, sin[position, i]:
//   y[i] = x[i]·c − x[i + half]·s,  y[i + half] = x[i + half]·c + x[i]·s      i < half
// The transpose of a rotation is the rotation back, so the vjp is the same with −s. Both may run in place: a vector of the
// first half and its partner are read before either is written.
// Source: Su et al. 2021, https://arxiv.org/abs/2104.09864
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "shares.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

template <class T>
static inline void ropeHead(T* x, const float* cos, const float* sin, int64_t half, float direction) {
  eachVector(half, [&](int64_t i, auto count) {
    const vf c = loadPart(cos + i, count), s = loadPart(sin + i, count) * splat(direction);
    const vf first = loadPart(x + i, count), second = loadPart(x + half + i, count);
    storePart(x + i, first * c - second * s, count);
    storePart(x + half + i, second * c + first * s, count);
  });
}

// `op` is that of the forward pass or of the vjp.
template <class Op>
static void ropeRotate(const Op& op, const Tensor& from, const Tensor& to, float direction, bool accumulate) {
  const int32_t* positions = op.positions().template as<const int32_t>();
  const float *cos = op.cos().template as<const float>(), *sin = op.sin().template as<const float>();
  const int64_t headDim = op.headDim(), half = op.rotaryDim() / 2, columns = from.cols();
  const int64_t firstHead = op.firstHead(), lastHead = firstHead + op.heads();
  Pool& pool = op.pool();
  withType(from.dtype, [&](auto zero) {
    using T = decltype(zero);
    shareRows(pool, from.rows(), from.size(), [&](int part, Range range) {
      T* sum = accumulate ? static_cast<T*>(pool.scratch(part, 0, columns * sizeof(T))) : nullptr;
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* x = from.as<const T>() + m * columns;
        T* y = accumulate ? sum : to.as<T>() + m * columns;
        if (x != y) std::memcpy(y, x, columns * sizeof(T));
        for (int64_t head = firstHead; head < lastHead; head++)
          ropeHead(y + head * headDim, cos + positions[m] * half, sin + positions[m] * half, half, direction);
        if (!accumulate) continue;
        T* total = to.as<T>() + m * columns;
        eachVector(columns, [&](int64_t i, auto count) {
          storePart(total + i, loadPart(total + i, count) + loadPart(sum + i, count), count);
        });
      }
    });
  });
}

static void ropeForward(const args::Rope& op) { ropeRotate(op, op.qkv(), op.y(), 1, false); }

static void ropeVjp(const args::RopeVjp& op) {
  if (op.dQkv()) ropeRotate(op, op.dY(), *op.dQkv(), -1, op.accumulatesQkv());
}

}  // namespace fettle::FETTLE_ISA

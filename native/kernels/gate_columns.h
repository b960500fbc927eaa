// A gate over columns of another tensor, rows divided between threads.
//   y = f(g) · u,  u = up[first … first + I)
//   dU = dY · f(g), the other columns zero,   dG = dY · u · f'(g)
#pragma once

#include <cstdint>
#include <cstring>

#include "ops.h"
#include "activation.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

static void gateColumnsForward(const args::GateColumns& op) {
  const Tensor &gate = op.gate(), &up = op.up(), &y = op.y();
  const int64_t width = gate.cols();
  Pool& pool = op.pool();
  withType(gate.dtype, [&](auto gateZero) {
    withType(up.dtype, [&](auto upZero) {
      using T = decltype(gateZero);
      using Up = decltype(upZero);
      withActivation<T>(op.activation(), [&](auto f) {
        pool.run(y.size(), [&](int thread) {
          const Range range = partOf(y.rows(), thread, pool.threads());
          for (int64_t m = range.begin; m < range.end; m++) {
            const T* g = gate.as<const T>() + m * width;
            const Up* u = up.as<const Up>() + m * up.cols() + op.first();
            T* to = y.as<T>() + m * width;
            eachVector(width, [&](int64_t i, auto count) { storePart(to + i, f.value(loadPart(g + i, count)) * loadPart(u + i, count), count); });
          }
        });
      });
    });
  });
}

// One row; dG and dU may be null.
template <class F, class T, class Up>
static inline void gateColumnsRowVjp(const T* g, const Up* u, const T* dY, int64_t width, T* dG, bool addsG, Up* dU, bool addsU) {
  eachVector(width, [&](int64_t i, auto count) {
    const ActivationPoint point = F::point(loadPart(g + i, count));
    const vf d = loadPart(dY + i, count), other = loadPart(u + i, count);
    if (dG) {
      const vf own = d * other * point.slope;
      storePart(dG + i, addsG ? own + loadPart(dG + i, count) : own, count);
    }
    if (dU) {
      const vf theirs = d * point.value;
      storePart(dU + i, addsU ? theirs + loadPart(dU + i, count) : theirs, count);
    }
  });
}

static void gateColumnsVjp(const args::GateColumnsVjp& op) {
  const Tensor &gate = op.gate(), &up = op.up(), &dY = op.dY();
  const Tensor *dGate = op.dGate(), *dUp = op.dUp();
  const int64_t width = gate.cols(), columns = up.cols(), first = op.first();
  Pool& pool = op.pool();
  withType(gate.dtype, [&](auto gateZero) {
    withType(up.dtype, [&](auto upZero) {
      using T = decltype(gateZero);
      using Up = decltype(upZero);
      withActivation<T>(op.activation(), [&](auto f) {
        pool.run(gate.size(), [&](int thread) {
          const Range range = partOf(gate.rows(), thread, pool.threads());
          for (int64_t m = range.begin; m < range.end; m++) {
            Up* row = dUp ? dUp->as<Up>() + m * columns : nullptr;
            if (row && !op.accumulatesUp()) {
              std::memset(row, 0, first * sizeof(Up));
              std::memset(row + first + width, 0, (columns - first - width) * sizeof(Up));
            }
            gateColumnsRowVjp<decltype(f)>(gate.as<const T>() + m * width, up.as<const Up>() + m * columns + first,
                                           dY.as<const T>() + m * width, width, dGate ? dGate->as<T>() + m * width : nullptr,
                                           op.accumulatesGate(), row ? row + first : nullptr, op.accumulatesUp());
          }
        });
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

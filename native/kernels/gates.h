// Gates of hybrid models, rows divided between threads.
//   gatedNorm    y = n · gain · s,  n = x · rstd,  rstd = 1 / sqrt(mean(x²) + eps),  s = silu(gate), for each part of a row
//                dX = rstd · (t − n · mean(t · n)),  t = dY · s · gain,  dGain = Σ dY · s · n,  dGate = dY · n · gain · silu'(gate)
//   splitGates   queries and gates that stand beside each other, head by head, taken apart
//   sigmoidGate  y = x · s,  s = σ(gate),  dX = dY · s,  dGate = dY · x · s · (1 − s)
// Source: Yang et al. 2024 (Gated DeltaNet), https://arxiv.org/abs/2412.06464
#pragma once

#include <cstdint>
#include <cstring>

#include "activation.h"
#include "ops.h"
#include "rms_norm.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

void gatedNormForward(const args::GatedNorm& op) {
  const Tensor &x = op.x(), &gates = op.gate(), &y = op.y();
  const int64_t parts = op.parts(), width = op.gain().size();
  const float eps = (float)op.eps();
  const float* gain = gainAsFloats(op.pool(), op.gain(), 0);
  float* rstds = dataOf<float>(op.rstd());
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(x.size(), [&](int thread) {
      const Range range = partOf(x.rows() * parts, thread, pool.threads());
      for (int64_t part = range.begin; part < range.end; part++) {
        const T *row = x.as<const T>() + part * width, *gate = gates.as<const T>() + part * width;
        T* to = y.as<T>() + part * width;
        const float squares = sumOfTerms(width, [&](int64_t i, auto count) {
          const vf v = loadPart(row + i, count);
          return v * v;
        });
        const float rstd = 1.0f / __builtin_sqrtf(squares / (float)width + eps);
        if (rstds) rstds[part] = rstd;
        eachVector(width, [&](int64_t i, auto count) {
          const vf n = loadPart(row + i, count) * splat(rstd) * loadPart(gain + i, count);
          storePart(to + i, n * Silu<T>::value(loadPart(gate + i, count)), count);
        });
      }
    });
  });
}

void gatedNormVjp(const args::GatedNormVjp& op) {
  const Tensor &x = op.x(), &gates = op.gate(), &dYs = op.dY();
  const Tensor *dGain = op.dGain(), *dX = op.dX(), *dGate = op.dGate();
  const int64_t parts = op.parts(), width = op.gain().size();
  const float* gain = gainAsFloats(op.pool(), op.gain(), 0);
  const float* rstds = op.rstd().as<const float>();
  Pool& pool = op.pool();
  const int threads = pool.threads();
  float* sums = dGain ? static_cast<float*>(pool.scratch(0, 1, threads * width * sizeof(float))) : nullptr;
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run([&](int thread) {
      float* sum = sums ? sums + thread * width : nullptr;
      if (sum) std::memset(sum, 0, width * sizeof(float));
      const Range range = partOf(x.rows() * parts, thread, threads);
      for (int64_t part = range.begin; part < range.end; part++) {
        const int64_t at = part * width;
        const T *row = x.as<const T>() + at, *gate = gates.as<const T>() + at, *dY = dYs.as<const T>() + at;
        const vf rstd = splat(rstds[part]);
        const auto normalised = [&](int64_t i, auto count) { return loadPart(row + i, count) * rstd; };
        const auto target = [&](int64_t i, auto count) {
          return loadPart(dY + i, count) * Silu<T>::value(loadPart(gate + i, count)) * loadPart(gain + i, count);
        };
        if (dX) {
          T* to = dX->as<T>() + at;
          const float dot = sumOfTerms(width, [&](int64_t i, auto count) { return target(i, count) * normalised(i, count); });
          const vf mean = splat(dot / (float)width);
          eachVector(width, [&](int64_t i, auto count) {
            vf d = rstd * (target(i, count) - normalised(i, count) * mean);
            if (op.accumulatesX()) d += loadPart(to + i, count);
            storePart(to + i, d, count);
          });
        }
        if (!dGate && !sum) continue;
        eachVector(width, [&](int64_t i, auto count) {
          const ActivationPoint s = Silu<T>::point(loadPart(gate + i, count));
          const vf d = loadPart(dY + i, count) * normalised(i, count);
          if (sum) storePart(sum + i, multiplyAdd(d, s.value, loadPart(sum + i, count)), count);
          if (!dGate) return;
          T* to = dGate->as<T>() + at + i;
          const vf dG = d * loadPart(gain + i, count) * s.slope;
          storePart(to, op.accumulatesGate() ? loadPart(to, count) + dG : dG, count);
        });
      }
    });
  });
  if (dGain) mergeGains(sums, threads, width, dGain->as<float>(), op.accumulatesGain());
}

void splitGatesForward(const args::SplitGates& op) {
  const Tensor &x = op.x(), &y = op.y(), &gate = op.gate();
  const int64_t dim = op.headDim(), heads = op.heads(), rest = op.rest();
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(x.size(), [&](int thread) {
      const Range range = partOf(x.rows(), thread, pool.threads());
      for (int64_t m = range.begin; m < range.end; m++) {
        const T* from = x.as<const T>() + m * x.cols();
        T *queries = y.as<T>() + m * y.cols(), *gates = gate.as<T>() + m * gate.cols();
        for (int64_t head = 0; head < heads; head++, from += 2 * dim) {
          std::memcpy(queries + head * dim, from, dim * sizeof(T));
          std::memcpy(gates + head * dim, from + dim, dim * sizeof(T));
        }
        std::memcpy(queries + heads * dim, from, rest * sizeof(T));
      }
    });
  });
}

void splitGatesVjp(const args::SplitGatesVjp& op) {
  if (!op.dX()) return;
  const Tensor &dX = *op.dX(), &dY = op.dY(), &dGate = op.dGate();
  const int64_t dim = op.headDim(), heads = op.heads(), rest = op.rest();
  Pool& pool = op.pool();
  withType(dX.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(dX.size(), [&](int thread) {
      const Range range = partOf(dX.rows(), thread, pool.threads());
      const auto put = [&](T* to, const T* from, int64_t size) {
        if (!op.accumulatesX()) return (void)std::memcpy(to, from, size * sizeof(T));
        eachVector(size, [&](int64_t i, auto count) { storePart(to + i, loadPart(to + i, count) + loadPart(from + i, count), count); });
      };
      for (int64_t m = range.begin; m < range.end; m++) {
        T* to = dX.as<T>() + m * dX.cols();
        const T *queries = dY.as<const T>() + m * dY.cols(), *gates = dGate.as<const T>() + m * dGate.cols();
        for (int64_t head = 0; head < heads; head++, to += 2 * dim) {
          put(to, queries + head * dim, dim);
          put(to + dim, gates + head * dim, dim);
        }
        put(to, queries + heads * dim, rest);
      }
    });
  });
}

void sigmoidGateForward(const args::SigmoidGate& op) {
  const Tensor &x = op.x(), &gate = op.gate(), &y = op.y();
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(x.size(), [&](int thread) {
      const Range range = partOf(x.size(), thread, pool.threads());
      const T *from = x.as<const T>() + range.begin, *gates = gate.as<const T>() + range.begin;
      T* to = y.as<T>() + range.begin;
      eachVector(range.end - range.begin, [&](int64_t i, auto count) {
        storePart(to + i, loadPart(from + i, count) * sigmoid<T>(loadPart(gates + i, count)), count);
      });
    });
  });
}

void sigmoidGateVjp(const args::SigmoidGateVjp& op) {
  const Tensor &x = op.x(), &gate = op.gate(), &dY = op.dY();
  const Tensor *dX = op.dX(), *dGate = op.dGate();
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    pool.run(x.size(), [&](int thread) {
      const Range range = partOf(x.size(), thread, pool.threads());
      const auto at = [&](const Tensor& tensor) { return tensor.as<T>() + range.begin; };
      eachVector(range.end - range.begin, [&](int64_t i, auto count) {
        const vf s = sigmoid<T>(loadPart(at(gate) + i, count)), d = loadPart(at(dY) + i, count) * s;
        const auto put = [&](T* to, bool accumulate, vf value) {
          storePart(to, accumulate ? loadPart(to, count) + value : value, count);
        };
        if (dGate) put(at(*dGate) + i, op.accumulatesGate(), d * loadPart(at(x) + i, count) * (splat(1.0f) - s));
        if (dX) put(at(*dX) + i, op.accumulatesX(), d);
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

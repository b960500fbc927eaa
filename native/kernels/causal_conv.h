// Depthwise convolution over the tokens of each document, K taps a channel, of u = x, or of u = b · v between gates b and c:
//   z_m = bias + Σ_k w_(K−1−k) u_(m−k),  y = c · f(z),  f(z) = z or silu(z)
//   dZ = dY · c · f'(z),  dU_m = Σ_k w_(K−1−k) dZ_(m+k),  dW_(K−1−k) = Σ_m dZ_m u_(m−k),  dBias = Σ dZ
//   dB = dU · v,  dV = dU · b,  dC = dY · f(z)
// Tokens are divided between threads, and taken row by row: the K rows that one reads are in the cache from those before it.
// The vjp goes backwards and keeps the last K rows of dZ; a thread makes again what it needs of the rows behind its own. With
// states a token follows the one before it, and channels are divided.
// Sources: Gu and Dao 2023, https://arxiv.org/abs/2312.00752; between two gates: LFM2, https://arxiv.org/abs/2511.23404
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "activation.h"
#include "ops.h"
#include "rms_norm.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

// What a row of x holds: u, or b, c and v beside each other.
template <class T, bool kIsGated> struct ConvInput {
  const T* data;
  int64_t width, columns;
  ConvInput(const Tensor& x, int64_t width) : data(x.as<const T>()), width(width), columns(x.cols()) {}
  template <class Count> vf u(int64_t m, int64_t i, Count count) const {
    const T* row = data + m * columns + i;
    if constexpr (kIsGated) return loadPart(row, count) * loadPart(row + 2 * width, count);
    else return loadPart(row, count);
  }
  template <class Count> vf c(int64_t m, int64_t i, Count count) const {
    if constexpr (kIsGated) return loadPart(data + m * columns + width + i, count);
    else return splat(1.0f);
  }
};

template <class T, bool kHasSilu> struct ConvActivation {
  static vf value(vf z) { if constexpr (kHasSilu) return Silu<T>::value(z); else return z; }
  static ActivationPoint point(vf z) {
    if constexpr (kHasSilu) return Silu<T>::point(z); else return {z, splat(1.0f)};
  }
};

struct ConvTaps {
  const float *weight, *bias;  // [taps, width]; bias may be null
  int64_t taps, width;
  // z of channels from i on; u(k) is what stands k tokens before, of which there are `before`.
  template <class U, class Count> vf convolve(int64_t before, int64_t i, Count count, const U& u) const {
    vf z = bias ? loadPart(bias + i, count) : splat(0.0f);
    const int64_t last = std::min(taps - 1, before);
    for (int64_t k = 0; k <= last; k++) z = multiplyAdd(loadPart(weight + (taps - 1 - k) * width + i, count), u(k), z);
    return z;
  }
};

template <class Op> static ConvTaps convTapsOf(const Op& op) {
  const Tensor& weight = op.weight();
  return {gainAsFloats(op.pool(), weight, 0), dataOf<const float>(op.bias()), weight.rows(), weight.cols()};
}

// body(ConvInput, ConvActivation) of the op's form.
template <class T, class Op, class Body> static inline void withConvForm(const Op& op, const Tensor& x, int64_t width, const Body& body) {
  const bool isGated = op.parts() == 3;
  if (isGated && op.silu()) body(ConvInput<T, true>(x, width), ConvActivation<T, true>{});
  else if (isGated) body(ConvInput<T, true>(x, width), ConvActivation<T, false>{});
  else if (op.silu()) body(ConvInput<T, false>(x, width), ConvActivation<T, true>{});
  else body(ConvInput<T, false>(x, width), ConvActivation<T, false>{});
}

void causalConvForward(const args::CausalConv& op) {
  const Tensor &x = op.x(), &y = op.y();
  const int32_t* starts = op.starts().as<const int32_t>();
  const ConvTaps taps = convTapsOf(op);
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    withConvForm<T>(op, x, taps.width, [&](auto input, auto f) {
      pool.run(x.size(), [&](int thread) {
        const Range range = partOf(y.rows(), thread, pool.threads());
        for (int64_t m = range.begin; m < range.end; m++) {
          T* out = y.as<T>() + m * taps.width;
          eachVector(taps.width, [&](int64_t i, auto count) {
            const vf z = taps.convolve(m - starts[m], i, count, [&](int64_t k) { return input.u(m - k, i, count); });
            storePart(out + i, input.c(m, i, count) * f.value(z), count);
          });
        }
      });
    });
  });
}

// What one thread sums of the parameters' gradients; null: nobody asks.
struct ConvSums {
  float *weight, *bias;
};

// dZ of row m; adds to the sums and writes dC where they are asked for.
template <class T, class Input, class F>
static inline void convRowVjp(const ConvTaps& taps, const Input& input, F f, int64_t m, int64_t before, const T* dY, float* dZ,
                              T* dC, bool accumulate, const ConvSums& sums) {
  const int64_t width = taps.width, last = std::min(taps.taps - 1, before);
  eachVector(width, [&](int64_t i, auto count) {
    const auto u = [&](int64_t k) { return input.u(m - k, i, count); };
    const ActivationPoint point = f.point(taps.convolve(before, i, count, u));
    const vf d = loadPart(dY + i, count), dz = d * input.c(m, i, count) * point.slope;
    storePart(dZ + i, dz, count);
    if (dC) storePart(dC + i, accumulate ? loadPart(dC + i, count) + d * point.value : d * point.value, count);
    if (sums.bias) storePart(sums.bias + i, loadPart(sums.bias + i, count) + dz, count);
    if (!sums.weight) return;
    for (int64_t k = 0; k <= last; k++) {
      float* sum = sums.weight + (taps.taps - 1 - k) * width + i;
      storePart(sum, multiplyAdd(dz, u(k), loadPart(sum, count)), count);
    }
  });
}

void causalConvVjp(const args::CausalConvVjp& op) {
  const Tensor &x = op.x(), &dYs = op.dY();
  const Tensor *dX = op.dX(), *dWeight = op.dWeight(), *dBias = op.dBias();
  const int32_t* starts = op.starts().as<const int32_t>();
  const ConvTaps taps = convTapsOf(op);
  const int64_t rows = x.rows(), width = taps.width, columns = x.cols(), size = taps.taps * width;
  const bool accumulate = op.accumulatesX();
  Pool& pool = op.pool();
  const int threads = pool.threads();
  const auto partsOf = [&](const Tensor* wanted, int slot, int64_t count) {
    if (!wanted) return (float*)nullptr;
    float* parts = static_cast<float*>(pool.scratch(0, slot, threads * count * sizeof(float)));
    std::memset(parts, 0, threads * count * sizeof(float));
    return parts;
  };
  float *weights = partsOf(dWeight, 1, size), *biases = partsOf(dBias, 2, width);
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    withConvForm<T>(op, x, width, [&](auto input, auto f) {
      constexpr bool isGated = std::is_same_v<decltype(input), ConvInput<T, true>>;
      pool.run([&](int thread) {
        const Range range = partOf(rows, thread, threads);
        if (range.begin == range.end) return;
        const ConvSums sums{weights ? weights + thread * size : nullptr, biases ? biases + thread * width : nullptr};
        float* ring = static_cast<float*>(pool.scratch(thread, 3, size * sizeof(float)));
        const auto dZ = [&](int64_t m) { return ring + m % taps.taps * width; };
        for (int64_t m = std::min(range.end + taps.taps - 2, rows - 1); m >= range.begin; m--) {
          const bool isOwn = m < range.end;
          if (!isOwn && starts[m] >= range.end) continue;
          const T* dY = dYs.as<const T>() + m * width;
          T* to = isOwn && dX ? dX->as<T>() + m * columns : nullptr;
          T* dC = isGated && to ? to + width : nullptr;
          convRowVjp(taps, input, f, m, m - starts[m], dY, dZ(m), dC, accumulate, isOwn ? sums : ConvSums{nullptr, nullptr});
          if (!to) continue;
          int64_t after = 0;
          while (after + 1 < taps.taps && m + after + 1 < rows && starts[m + after + 1] <= m) after++;
          eachVector(width, [&](int64_t i, auto count) {
            vf du = splat(0.0f);
            for (int64_t k = 0; k <= after; k++)
              du = multiplyAdd(loadPart(taps.weight + (taps.taps - 1 - k) * width + i, count), loadPart(dZ(m + k) + i, count), du);
            const auto put = [&](T* place, vf d) { storePart(place, accumulate ? loadPart(place, count) + d : d, count); };
            if constexpr (isGated) {
              const T* row = input.data + m * columns + i;
              put(to + i, du * loadPart(row + 2 * width, count));
              put(to + 2 * width + i, du * loadPart(row, count));
            } else {
              put(to + i, du);
            }
          });
        }
      });
    });
  });
  if (dWeight) mergeGains(weights, threads, size, dWeight->as<float>(), op.accumulatesWeight());
  if (dBias) mergeGains(biases, threads, width, dBias->as<float>(), op.accumulatesBias());
}

void cachedCausalConvForward(const args::CachedCausalConv& op) {
  const Tensor &x = op.x(), &y = op.y(), &states = op.state();
  const int32_t* slots = op.slots().as<const int32_t>();
  const uint32_t* positions = op.positions().as<const uint32_t>();
  const ConvTaps taps = convTapsOf(op);
  const int64_t ring = states.shape[1], width = taps.width;
  Pool& pool = op.pool();
  withType(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    withConvForm<T>(op, x, width, [&](auto input, auto f) {
      pool.run(x.size(), [&](int thread) {
        const Range channels = partOf(width, thread, pool.threads());
        for (int64_t m = 0; m < y.rows(); m++) {
          const int64_t position = positions[m];
          T* state = states.as<T>() + slots[m] * ring * width + channels.begin;
          T* out = y.as<T>() + m * width + channels.begin;
          eachVector(channels.end - channels.begin, [&](int64_t i, auto count) {
            const int64_t channel = channels.begin + i;
            const vf now = input.u(m, channel, count);
            const vf z = taps.convolve(position, channel, count, [&](int64_t k) {
              return k == 0 ? now : loadPart(state + (position - k) % ring * width + i, count);
            });
            storePart(out + i, input.c(m, channel, count) * f.value(z), count);
            storePart(state + position % ring * width + i, now, count);
          });
        }
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

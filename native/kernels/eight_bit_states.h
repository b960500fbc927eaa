// AdamW and Lion with states in 8 bits: blocks of 256 numbers are read, changed and written again by one thread, which finds the
// nearest codes of 16 numbers side by side. The formulas stand in src/engine/reference/optimisers/eight-bit.ts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops.h"
#include "adamw.h"
#include "sgd_lion.h"
#include "simd.h"

namespace fettle::FETTLE_ISA {

constexpr int64_t kStateBlock = 256;

// What the codes of a state stand for, and the borders between neighbours, of which there are 255.
struct StateMap {
  const float* map;
  float borders[kStateBlock];
  explicit StateMap(const Tensor& given) : map(given.as<const float>()) {
    for (int i = 0; i + 1 < kStateBlock; i++) borders[i] = (map[i] + map[i + 1]) / 2;
    borders[kStateBlock - 1] = 0;  // never read
  }

  void read(const uint8_t* codes, float scale, float* values) const {
    for (int i = 0; i < kStateBlock; i++) values[i] = scale * map[codes[i]];
  }

  // The codes of values[256], and their scale.
  float write(const float* values, uint8_t* codes) const {
    vf most = splat(0.0f);
    for (int i = 0; i < kStateBlock; i += kLanes) {
      const vf value = load(values + i);
      most = vmax(most, vmax(value, -value));
    }
    const float scale = maxOf(most), inverse = 1.0f / std::max(scale, 1e-38f);
    constexpr int kSide = 16;
    for (int i = 0; i < kStateBlock; i += kSide) {
      float x[kSide];
      int code[kSide] = {};
      for (int k = 0; k < kSide; k++) x[k] = values[i + k] * inverse;
      for (int step = kStateBlock / 2; step > 0; step /= 2)
        for (int k = 0; k < kSide; k++) code[k] += borders[code[k] + step - 1] < x[k] ? step : 0;
      for (int k = 0; k < kSide; k++) codes[i + k] = (uint8_t)code[k];
    }
    return scale;
  }
};

// work(block, begin, length) for the blocks of so many numbers, divided between threads, as far as there are scales for them.
template <class Work> static void eachStateBlock(Pool& pool, int64_t size, int64_t scales, const Work& work) {
  const int64_t blocks = std::min(scales, (size + kStateBlock - 1) / kStateBlock);
  pool.run(size, [&](int thread) {
    const Range mine = partOf(blocks, thread, pool.threads());
    for (int64_t block = mine.begin; block < mine.end; block++)
      work(block, block * kStateBlock, std::min(kStateBlock, size - block * kStateBlock));
  });
}

static void adamw8bitForward(const args::Adamw8bit& op) {
  float *p = op.parameters().as<float>(), *mScales = op.mScales().as<float>(), *vScales = op.vScales().as<float>();
  uint8_t *mCodes = op.mCodes().as<uint8_t>(), *vCodes = op.vCodes().as<uint8_t>();
  const float* gradients = op.gradients().as<const float>();
  const float* hyper = op.hyper().as<const float>();
  const AdamwFactors f(hyper, clippingOf(op.stats()));
  const vf keepM = splat(hyper[1]);
  const StateMap mMap(op.mMap()), vMap(op.vMap());
  eachStateBlock(op.pool(), op.parameters().size(), op.mScales().size(), [&](int64_t block, int64_t begin, int64_t length) {
    float m[kStateBlock], v[kStateBlock];
    mMap.read(mCodes + begin, mScales[block], m);
    vMap.read(vCodes + begin, vScales[block], v);
    eachVector(length, [&](int64_t i, auto count) {
      const vf g = f.clip * loadPart(gradients + begin + i, count);
      const vf newM = keepM * load(m + i) + f.toM * g;
      const vf newV = f.keepV * load(v + i) + f.toV * g * g;
      const vf newP = loadPart(p + begin + i, count) * f.keepP - f.step * newM / (vsqrt(newV) / f.rootC2 + f.eps);
      storePart(p + begin + i, newP, count);
      store(m + i, newM);
      store(v + i, newV);
    });
    std::fill(m + length, m + kStateBlock, 0.0f);
    std::fill(v + length, v + kStateBlock, 0.0f);
    mScales[block] = mMap.write(m, mCodes + begin);
    vScales[block] = vMap.write(v, vCodes + begin);
  });
}

static void lion8bitForward(const args::Lion8bit& op) {
  float *p = op.parameters().as<float>(), *scales = op.mScales().as<float>();
  uint8_t* codes = op.mCodes().as<uint8_t>();
  const float* gradients = op.gradients().as<const float>();
  const LionFactors factors(op.hyper().as<const float>(), clippingOf(op.stats()));
  const StateMap map(op.mMap());
  eachStateBlock(op.pool(), op.parameters().size(), op.mScales().size(), [&](int64_t block, int64_t begin, int64_t length) {
    float m[kStateBlock];
    map.read(codes + begin, scales[block], m);
    eachVector(length, [&](int64_t i, auto count) {
      vf newP = loadPart(p + begin + i, count);
      store(m + i, factors.step(loadPart(gradients + begin + i, count), load(m + i), newP));
      storePart(p + begin + i, newP, count);
    });
    std::fill(m + length, m + kStateBlock, 0.0f);
    scales[block] = map.write(m, codes + begin);
  });
}

}  // namespace fettle::FETTLE_ISA

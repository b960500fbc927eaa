// Measures the peaks of an instruction set on a number of threads.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstring>

#include "runner.h"

namespace fettle {

// Operations a second (0: the instruction set has no such instruction) and bytes a second, over all threads.
struct MeasuredPeaks {
  double float32, bfloat16, int8, read;
};

inline double secondsOf(Pool& pool, const std::function<void(int)>& work) {
  const auto before = std::chrono::steady_clock::now();
  pool.run([&](int thread) { work(thread); });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

// The best of several runs that last `seconds` each: other processes can only make a run slower.
inline double peakOf(Pool& pool, double (*arithmetic)(int64_t), double seconds) {
  if (!arithmetic) return 0;
  constexpr int kRuns = 6;
  int64_t rounds = 1000;
  while (secondsOf(pool, [&](int) { arithmetic(rounds); }) < seconds) rounds *= 2;
  double best = 0;
  for (int run = 0; run < kRuns; run++) {
    double operations = 0;
    const double taken = secondsOf(pool, [&](int thread) {
      const double done = arithmetic(rounds);
      if (thread == 0) operations = done * pool.threads();
    });
    best = std::max(best, operations / taken);
  }
  return best;
}

// Every thread reads its own part of `bytes`, which must be far more than the caches hold.
inline double readPeak(Pool& pool, void (*read)(const char*, size_t), size_t bytes) {
  constexpr int kRuns = 6;
  const size_t part = bytes / pool.threads() / 4096 * 4096;
  if (part == 0) return 0;
  const Memory memory(part * pool.threads(), "measuring");
  // Pages that were never written are all one and the same page of zeros.
  pool.run([&](int thread) { std::memset(memory.data + thread * part, 1, part); });
  double best = 0;
  for (int run = 0; run < kRuns; run++) {
    const double seconds = secondsOf(pool, [&](int thread) { read(memory.data + thread * part, part); });
    best = std::max(best, double(memory.size) / seconds);
  }
  return best;
}

inline MeasuredPeaks measurePeaks(const Kernels& kernels, int threads, size_t readBytes, double seconds) {
  Pool pool(threads);
  const Peaks& peaks = kernels.peaks;
  return {peakOf(pool, peaks.float32, seconds), peakOf(pool, peaks.bfloat16, seconds), peakOf(pool, peaks.int8, seconds),
          readPeak(pool, peaks.read, readBytes)};
}

}  // namespace fettle

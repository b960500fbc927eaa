// How threads share a weight that few tokens meet, where time is bytes read and memory should never wait.
//
// Each thread reads its own part upwards without a gap, as the processor's prefetchers like it (two threads reading towards
// each other took 7 to 12 % longer), and at the end takes chunks from the end of the others' parts: whoever was delayed does
// less. Each row is computed by one thread, in the same way whichever it is, so the bits do not depend on who was fast.
// When a thread has done its share it asks memory for the beginning of its part of the next layer's weight, for as long as
// it waits (Ahead): norms, attention and the other small ops between two products cost half of their time, because
// meanwhile the next weight is on its way.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "../blocks.h"
#include "../quantised.h"
#include "pack.h"
#include "pool.h"
#include "tensor.h"

namespace fettle::FETTLE_ISA {

// A weight as units: rows that lie one behind the other in memory, at the end of a row block maybe fewer.
struct StreamUnits {
  const Tensor* tensor;
  int64_t rows, bytes, count = 0;  // rows and bytes of a unit, of blocks the first one's; units
  StreamUnits(const Tensor& t, int64_t plainRows) : tensor(&t) {
    const bool quantised = isGrouped(t.dtype);
    rows = quantised ? kGroupRows : plainRows;
    bytes = quantised ? QuantisedLayout(t.dtype, t.cols()).groupBytes()
            : isBlocks(t.dtype) ? rows * rowBytesOf(t.blocks[0].format, t.cols())
                                : rows * t.cols() * (t.dtype == DType::bf16 ? 2 : 4);
    for (int b = 0; b < t.blockCount; b++) count += unitsIn(b);
  }
  // Calls body(first row, end, address) for stretches of memory that the units [begin, end) are.
  template <class Body> void each(int64_t begin, int64_t end, const Body& body) const {
    for (int b = 0; b < tensor->blockCount && end > 0; b++) {
      const int64_t units = unitsIn(b), here = std::min(end, units);
      if (begin < here) {
        const RowBlock& block = tensor->blocks[b];
        body(block.firstRow + begin * rows, std::min(block.firstRow + here * rows, endOf(b)), (const char*)block.data + begin * bytesIn(b));
      }
      begin = std::max<int64_t>(begin - units, 0);
      end -= units;
    }
  }

 private:
  int64_t bytesIn(int block) const { return isBlocks(tensor->dtype) ? rows * rowBytesOf(tensor->blocks[block].format, tensor->cols()) : bytes; }
  int64_t endOf(int block) const { return block + 1 < tensor->blockCount ? tensor->blocks[block + 1].firstRow : tensor->rows(); }
  int64_t unitsIn(int block) const { return (endOf(block) - tensor->blocks[block].firstRow + rows - 1) / rows; }
};

class StreamWork {
 public:
  // `together`: units that are computed side by side.
  StreamWork(Pool& pool, const Tensor& weight, int64_t plainRows, const Tensor* upcoming, int64_t together = 1)
      : pool_(pool), units_(weight, plainRows), upcoming_(upcoming), parts_(pool.threads()),
        chunk_(roundUp(std::max<int64_t>(1, kChunkBytes / units_.bytes), together)) {
    for (int thread = 0; thread < pool.threads(); thread++) {
      const Range part = partOf(units_.count, thread, pool.threads());
      parts_[thread].left.store(packed(part.begin, part.end), std::memory_order_relaxed);
    }
  }

  // Calls body(first row, end, address) for what this thread does.
  template <class Body> void run(int thread, const Body& body) {
    Range units;
    while (take(parts_[thread], true, units)) units_.each(units.begin, units.end, body);
    for (int other = 1; other < pool_.threads(); other++)
      while (take(parts_[(thread + other) % pool_.threads()], false, units)) units_.each(units.begin, units.end, body);
    Ahead& ahead = pool_.ahead(thread);
    ahead = {};
    if (!upcoming_) return;
    const StreamUnits next(*upcoming_, units_.rows);
    const Range part = partOf(next.count, thread, pool_.threads());
    if (part.begin == part.end) return;
    next.each(part.begin, part.begin + 1, [&](int64_t, int64_t, const char* from) { ahead.from = from; });
    ahead.lines = std::min(kAskedBytes, (part.end - part.begin) * next.bytes) / 64;
  }

 private:
  // 16 to 32 KB are level; smaller ones interrupt the reading. What is asked for must fit the second-level cache.
  static constexpr int64_t kChunkBytes = 16384, kAskedBytes = 256 * 1024;

  // What is left of a thread's part: first unit in the high half, end in the low one.
  struct alignas(64) Part {
    std::atomic<uint64_t> left{0};
  };
  static uint64_t packed(int64_t begin, int64_t end) { return (uint64_t)begin << 32 | (uint64_t)end; }

  // A chunk from the front of a part, or from its back; from there only while its owner has more than one before it.
  bool take(Part& part, bool front, Range& units) const {
    uint64_t left = part.left.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t begin = (int64_t)(left >> 32), end = (int64_t)(left & 0xffffffff);
      if (begin >= end || (!front && end - begin < 2 * chunk_)) return false;
      const int64_t border = front ? std::min(begin + chunk_, end) : end - chunk_;
      const uint64_t rest = front ? packed(border, end) : packed(begin, border);
      if (!part.left.compare_exchange_weak(left, rest, std::memory_order_relaxed)) continue;
      units = front ? Range{begin, border} : Range{border, end};
      return true;
    }
  }

  Pool& pool_;
  StreamUnits units_;
  const Tensor* upcoming_;
  std::vector<Part> parts_;
  int64_t chunk_;
};

}  // namespace fettle::FETTLE_ISA

// Units of work that threads share out among themselves while they work, so that nobody waits long for a slow core.
//
// Each part of the pool begins with its own contiguous run of units, as a static division would give it, and takes from its front:
// neighbours in memory stay with one thread. Whoever is done takes from the back of what others have left, half of it at most. A unit
// is done once, by one thread, and may not depend on whose it is: so the bits do not depend on who was fast.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "pool.h"

namespace fettle {

// How many units are taken at once: from the front of one's own, and at most from the back of another's. The last `kept` of a part
// are left to its owner.
struct ShareSizes {
  int64_t own = 1, others = 1, kept = 0;
};

class Shares {
 public:
  Shares(const Pool& pool, int64_t count, ShareSizes sizes = {}) : pool_(pool), count_(count), sizes_(sizes), parts_(pool.threads()) {
    for (int part = 0; part < pool.threads(); part++) {
      const Range range = ofPart(part);
      parts_[part].left.store(packed(range), std::memory_order_relaxed);
    }
  }

  // What a part begins with.
  Range ofPart(int part) const { return partOf(count_, part, (int)parts_.size()); }

  // Calls body(units) for what the thread that does `part` gets, until nothing is left.
  template <class Body> void run(int part, const Body& body) {
    Range units;
    while (takeFront(parts_[part].left, units)) pool_.timed([&] { body(units); });
    for (size_t other = 1; other < parts_.size(); other++)
      while (takeBack(parts_[(part + other) % parts_.size()].left, units)) pool_.timed([&] { body(units); });
  }

 private:
  // First unit in the high half, end in the low one.
  struct alignas(64) Part {
    std::atomic<uint64_t> left{0};
  };
  static uint64_t packed(Range range) { return (uint64_t)range.begin << 32 | (uint64_t)range.end; }
  static Range unpacked(uint64_t left) { return {(int64_t)(left >> 32), (int64_t)(left & 0xffffffff)}; }

  bool takeFront(std::atomic<uint64_t>& part, Range& units) const {
    uint64_t left = part.load(std::memory_order_relaxed);
    for (;;) {
      const Range range = unpacked(left);
      if (range.begin >= range.end) return false;
      units = {range.begin, std::min(range.begin + sizes_.own, range.end)};
      if (part.compare_exchange_weak(left, packed({units.end, range.end}), std::memory_order_relaxed)) return true;
    }
  }
  bool takeBack(std::atomic<uint64_t>& part, Range& units) const {
    uint64_t left = part.load(std::memory_order_relaxed);
    for (;;) {
      const Range range = unpacked(left);
      const int64_t free = range.end - range.begin - sizes_.kept;
      if (free <= 0) return false;
      units = {range.end - std::clamp<int64_t>(free / 2, 1, sizes_.others), range.end};
      if (part.compare_exchange_weak(left, packed({range.begin, units.begin}), std::memory_order_relaxed)) return true;
    }
  }

  const Pool& pool_;
  int64_t count_;
  ShareSizes sizes_;
  std::vector<Part> parts_;
};

// body(part, rows) for rows that threads share in a pass over so many elements, whose order does not matter: in pieces of about 10 us.
template <class Body> void shareRows(Pool& pool, int64_t rows, int64_t elements, const Body& body) {
  if (elements < kWorthForking) return body(0, Range{0, rows});
  const int64_t piece = std::max<int64_t>(1, rows * kWorthForking / elements);
  Shares shares(pool, rows, {piece, piece});
  pool.run([&](int part) { shares.run(part, [&](Range some) { body(part, some); }); });
}

}  // namespace fettle

// bfloat16 in 12 bits, without rounding (layout: native/quantised.h): the 8 bits of a number's exponent field as 4 that count from
// 15 below the highest field of its row. Trained weights fit: those of a row are nearly normal, and of a normal distribution
// one in 20,000 lies below 2^-14 of its deviation. Others have an entropy coder for this and reach 11 bits, too slow here to keep up
// with memory: Zhang et al. 2025, https://arxiv.org/abs/2504.11651 (DFloat11).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../quantised.h"
#include "pool.h"
#include "quantised.h"
#include "read_row.h"

namespace fettle::FETTLE_ISA {

constexpr int kFields = 15;  // that a row can have beside zero
constexpr uint16_t kFieldBits = 0x7f80;
typedef uint16_t numbers __attribute__((vector_size(FETTLE_LANES * 4)));
constexpr int64_t kNumbers = 2 * kLanes;

// The exponent fields that a row's codes count, and how many of its numbers lie outside of them.
struct Fields {
  int top;
  int64_t outside = 0;

  uint16_t lowest() const { return (uint16_t)(std::max(1, top - kFields + 1) << 7); }
  uint16_t highest() const { return (uint16_t)(top << 7); }
  bool has(bf16 w) const {
    const uint16_t field = w & kFieldBits;
    return (w & 0x7fff) == 0 || (field >= lowest() && field <= highest());
  }
};

inline numbers loadNumbers(const bf16* p) { numbers v; std::memcpy(&v, p, sizeof v); return v; }

// n is whole vectors.
static int64_t countOutside(const bf16* row, int64_t n, const Fields& fields) {
  numbers counts = {};
  for (int64_t i = 0; i < n; i += kNumbers) {
    const numbers w = loadNumbers(row + i), field = w & kFieldBits;
    counts -= (numbers)((w & 0x7fff) != 0) & (numbers)((field < fields.lowest()) | (field > fields.highest()));
  }
  int64_t count = 0;
  for (int i = 0; i < kNumbers; i++) count += counts[i];
  return count;
}

// Fields up to the largest number's, unless a few numbers that are far larger than the others would leave none for these: then those
// that most numbers have.
static Fields chooseFields(const bf16* row, int64_t n) {
  numbers largest = {};
  for (int64_t i = 0; i < n; i += kNumbers) {
    const numbers field = loadNumbers(row + i) & kFieldBits;
    largest = field > largest ? field : largest;
  }
  int top = 1;
  for (int i = 0; i < kNumbers; i++) top = std::max(top, largest[i] >> 7);
  Fields fields{std::min(top, 254)};  // 255 is infinity
  fields.outside = countOutside(row, n, fields);
  if (fields.outside * 1024 <= n) return fields;
  int64_t counts[256] = {}, inside = 0, most = 0;
  for (int64_t i = 0; i < n; i++) counts[(row[i] & kFieldBits) >> 7]++;
  for (int field = 1, last = fields.top; field <= last; field++) {
    inside += counts[field] - (field > kFields ? counts[field - kFields] : 0);
    if (inside >= most) most = inside, fields.top = field;
  }
  fields.outside = countOutside(row, n, fields);
  return fields;
}

// Rows of one group of the source, [kGroupRows][stride], padded with zeros.
static void readGroup(bf16* rows, float* row, const NumberRows& source, int64_t first, int64_t stride) {
  std::memset(rows, 0, kGroupRows * stride * sizeof(bf16));
  for (int64_t r = 0; r < kGroupRows && first + r < source.rows; r++, rows += stride) {
    if (source.type == 1) {
      std::memcpy(rows, source.data + (first + r) * source.columns * sizeof(bf16), source.columns * sizeof(bf16));
    } else {
      readRow(row, source, first + r);
      for (int64_t k = 0; k < source.columns; k++) rows[k] = toBf16(row[k]);  // the vectors' instruction makes zeros of the smallest
    }
  }
}

// The codes of pairs of depths, with lanes as rows whose lowest field is base + 1.
static void splitPairs(char* to, const vu (&pairs)[4], vi base) {
  const auto kept = [](vu pair) { return pair & 0x807f807fu; };
  const auto between = [](vu pair) { return (pair & 0x80008000u) >> 8 | (pair & 0x007f007fu) << 8; };
  const auto code = [&](vu pair, int half) {
    const vi field = (vi)(pair >> (half + 7)) & 0xff;
    return (vu)((field - base) & (field != 0));
  };
  vu fields = {};
  for (int j = 0; j < 4; j++) fields |= (code(pairs[j], 0) | code(pairs[j], 16) << 16) << (4 * j);
  storeUnits(to, fields);
  storeUnits(to + kCodeBytes, kept(pairs[0]) | between(pairs[1]));
  storeUnits(to + 2 * kCodeBytes, kept(pairs[2]) | between(pairs[3]));
}

// Splits the rows of a group, in which what is outside becomes zero, and returns that.
static std::vector<Exception> splitGroup(char* group, bf16* rows, int64_t stride, const QuantisedLayout& layout) {
  int32_t bases[kGroupRows];
  std::vector<Exception> exceptions;
  for (int r = 0; r < kGroupRows; r++) {
    bf16* row = rows + r * stride;
    const Fields fields = chooseFields(row, stride);
    for (int64_t k = 0; fields.outside > 0 && k < layout.blockDepth; k++) {
      if (fields.has(row[k])) continue;
      exceptions.push_back({(uint32_t)k, (uint16_t)r, row[k]});
      row[k] = 0;
    }
    bases[r] = fields.top - kFields;
    const uint32_t scale = (uint32_t)fields.top << 23;  // 2^(top − 127)
    std::memcpy(group + r * sizeof(float), &scale, sizeof scale);
  }
  std::sort(exceptions.begin(), exceptions.end(), [](const Exception& a, const Exception& b) { return a.depth < b.depth; });
  for (int lane = 0; lane < kGroupRows; lane += kLanes) {
    const vi base = loadCodes((const char*)(bases + lane));
    for (int64_t k = 0; k < layout.blockDepth; k += 2 * kLanes) {
      vu units[kLanes];
      for (int i = 0; i < kLanes; i++) std::memcpy(&units[i], rows + (lane + i) * stride + k, sizeof units[i]);
      transposeUnits(units);
      for (int i = 0; i < kLanes && k + 2 * i < layout.blockDepth; i += 4) {
        const vu pairs[4] = {units[i], units[i + 1], units[i + 2], units[i + 3]};
        splitPairs(group + kScaleBytes + (k + 2 * i) / layout.step * layout.stepBytes + lane * sizeof(float), pairs, base);
      }
    }
  }
  return exceptions;
}

static bool splitRows(Pool& pool, const NumberRows& source, char* to) {
  const QuantisedLayout layout(DType::bf12, source.columns);
  const int64_t groups = layout.groups(source.rows), stride = roundUp(source.columns, 2 * kLanes);
  const int64_t end = layout.bytes(source.rows);
  std::atomic<int64_t> next{groups * layout.groupBytes()};
  pool.run([&](int thread) {
    const Range mine = partOf(groups, thread, pool.threads());
    float* row = (float*)pool.scratch(thread, 0, source.columns * sizeof(float));
    bf16* rows = (bf16*)pool.scratch(thread, 1, kGroupRows * stride * sizeof(bf16));
    for (int64_t g = mine.begin; g < mine.end; g++) {
      char* group = to + g * layout.groupBytes();
      readGroup(rows, row, source, g * kGroupRows, stride);
      const std::vector<Exception> exceptions = splitGroup(group, rows, stride, layout);
      const int64_t bytes = (int64_t)(exceptions.size() * sizeof(Exception));
      const int64_t place = bytes ? next.fetch_add(bytes) : 0;
      if (place + bytes > end) return;
      if (bytes) std::memcpy(to + place, exceptions.data(), bytes);
      const GroupTail tail{place - g * layout.groupBytes(), (int64_t)exceptions.size()};
      std::memcpy(group + layout.groupBytes() - sizeof tail, &tail, sizeof tail);
    }
  });
  return next.load() <= end;
}

}  // namespace fettle::FETTLE_ISA

// Linear layers with few tokens, forward: the weight streams once past all of them (stream_work.h), one token or groups with depth
// along the lanes (gemm_stream.h), several tokens on the lanes where the processor suits that (gemm_lanes.h), quantised weights as
// their codes lie (linear_quantised.h). t is kept in float, each segment's part padded with zeros to whole vectors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "ops.h"
#include "blocks.h"
#include "gemm_lanes.h"
#include "gemm_stream.h"
#include "linear_quantised.h"
#include "linear_shape.h"
#include "stream_work.h"

namespace fettle::FETTLE_ISA {

template <class Act, class W, class Out>
static void linearForwardStreamed(const args::Linear& op, const LinearShape& shape, int64_t M) {
  Pool& pool = op.pool();
  const int64_t N = shape.outputs, K = shape.depth;
  const Act* x = op.x().as<const Act>();
  const auto nothing = [](int64_t, int64_t, int, vf*) {};
  const int64_t padded = roundUp(shape.maxRank, kLanes), tStride = (int64_t)shape.segments.size() * padded;
  float* scaled = nullptr;
  if (shape.ranks) {
    scaled = (float*)pool.scratch(0, slots::t, M * tStride * sizeof(float));
    __builtin_memset(scaled, 0, M * tStride * sizeof(float));
    Act* t = dataOf<Act>(op.t());
    pool.run([&](int thread) {
      const Range mine = partOf((shape.ranks + kStreamRows - 1) / kStreamRows, thread, pool.threads());
      streamRows(x, M, K, Plain<float>{op.loraA()->as<const float>(), K}, mine.begin * kStreamRows,
                 std::min<int64_t>(mine.end * kStreamRows, shape.ranks), nothing, [&](int64_t m, int64_t firstRank, int count, vf values) {
                   if (t) storePart(t + m * shape.ranks + firstRank, values, count);
                   int s = 0;
                   for (int i = 0; i < count; i++) {
                     while (firstRank + i >= shape.segments[s].firstRank + shape.segments[s].rank) s++;
                     const Segment& segment = shape.segments[s];
                     scaled[m * tStride + s * padded + firstRank + i - segment.firstRank] = values[i] * segment.scaling;
                   }
                 });
    });
  }
  const float *bias = dataOf<const float>(op.bias()), *residual = dataOf<const float>(op.residual());
  const float* loraB = shape.ranks ? op.loraB()->as<const float>() : nullptr;
  const Tensor& matrix = op.weight();
  Out* y = op.y().as<Out>();
  const StoreTo<Out> save{y, N, false, 1, bias, residual};
  const auto emit = [&](int64_t m, int64_t n, int rows, vf values) { save(m, (int)n, values, rows); };
  // Adds t Bᵀ of up to kStreamRows rows of a segment, spread over the lanes.
  const auto addLora = [&](const Segment& s, int64_t m, int64_t n, int rows, vf* sums) {
    const float* t = scaled + m * tStride + s.index * padded;
    for (int64_t r = 0; r < s.rank; r += kLanes)
      for (int i = 0; i < rows; i++)
        sums[i] = multiplyAdd(load(t + r), loadPart(loraB + (n + i) * shape.maxRank + r, (int)std::min<int64_t>(kLanes, s.rank - r)), sums[i]);
  };
  const bool onLanes = kTokensOnLanes<Act, W> && M >= kLaneTokens;
  if constexpr (std::is_same<W, Quantised>::value) {
    withDot<Act>(matrix.dtype, [&](const auto& dot) {
      StreamWork work(pool, matrix, kGroupRows, op.upcoming(), groupsTogether(dot, M));
      pool.run([&](int thread) {
        const auto tokens = prepareTokens(pool, thread, slots::x, dot, x, M, Quantised(matrix));
        work.run(thread, [&](int64_t firstRow, int64_t endRow, const char* groups) {
          quantisedGroups(dot, tokens, groups, firstRow, endRow, [&](int64_t m, int64_t n, int rows, vf values) {
            const Segment& s = shape.segmentOf(n);
            if (s.rank) values += sumsOfRows(rows, [&](int r, int count, vf* sums) { addLora(s, m, n + r, count, sums); });
            emit(m, n, rows, values);
          });
        });
      });
    });
  } else if constexpr (std::is_same<W, Blocked>::value) {
    using D = Cell<Act>;
    StreamWork work(pool, matrix, kStreamRows, op.upcoming());
    pool.run([&](int thread) {
      D* rows = (D*)pool.scratch(thread, slots::panel, kStreamRows * K * sizeof(D));
      work.run(thread, [&](int64_t firstRow, int64_t endRow, const char*) {
        for (int64_t n = firstRow; n < endRow; n += kStreamRows) {
          const int64_t end = std::min<int64_t>(n + kStreamRows, endRow);
          decodeRows(rows, K, matrix, n, end - n, 0, K);
          const Plain<D> weight{rows - n * K, K};
          for (const Segment& s : shape.segments) {
            const int64_t begin = std::max(n, s.firstRow), last = std::min(end, s.firstRow + s.rows);
            const auto add = [&](int64_t m, int64_t row, int count, vf* sums) {
              if (s.rank) addLora(s, m, row, count, sums);
            };
            if (begin < last) streamRows(x, M, K, weight, begin, last, add, emit);
          }
        }
      });
    });
  } else {
    StreamWork work(pool, matrix, onLanes ? kTokenRows : kStreamRows, op.upcoming());
    // each(begin, end, segment, weight) for the stretches of memory that a thread reads, a segment at a time.
    const auto stream = [&](int thread, const auto& each) {
      work.run(thread, [&](int64_t firstRow, int64_t endRow, const char* from) {
        const Plain<W> weight{(const W*)from - firstRow * K, K};
        for (const Segment& s : shape.segments)
          each(std::max(firstRow, s.firstRow), std::min(endRow, s.firstRow + s.rows), s, weight);
      });
    };
    if constexpr (kTokensOnLanes<Act, W>)
      if (onLanes) {
        pool.run([&](int thread) {
          Act* panel = (Act*)pool.scratch(thread, slots::x, panelCells<Act>(K, kLanes) * sizeof(Act));
          packRows(panel, Plain<Act>{x, K}, 0, (int)M, K);
          float* t = (float*)pool.scratch(thread, slots::block, tStride * kLanes * sizeof(float));  // [ranks, tokens]
          for (int64_t r = 0; scaled && r < tStride; r++)
            for (int64_t m = 0; m < kLanes; m++) t[r * kLanes + m] = m < M ? scaled[m * tStride + r] : 0;
          stream(thread, [&](int64_t begin, int64_t end, const Segment& s, const Plain<W>& weight) {
            const auto add = [&](int64_t n, int rows, vf* sums) {
              for (int i = 0; i < rows; i++)
                for (int64_t r = 0; r < s.rank; r++)
                  sums[i] = multiplyAdd(load(t + (s.index * padded + r) * kLanes), splat(loraB[(n + i) * shape.maxRank + r]), sums[i]);
            };
            tokensRows(panel, M, K, weight, begin, end, add, emit);
          });
        });
        return;
      }
    pool.run([&](int thread) {
      stream(thread, [&](int64_t begin, int64_t end, const Segment& s, const Plain<W>& weight) {
        if (s.rank)
          streamRows(x, M, K, weight, begin, end, [&](int64_t m, int64_t n, int rows, vf* sums) { addLora(s, m, n, rows, sums); }, emit);
        else streamRows(x, M, K, weight, begin, end, nothing, emit);
      });
    });
  }
}

}  // namespace fettle::FETTLE_ISA

// Gradient of attention. With D_i = dO_i · o_i and p_ij from the forward pass's lse:
//   dS_ij = p_ij (dO_i · v_j − D_i)
//   dQ_i = scale · Σ_j dS_ij k_j,   dK_j = scale · Σ_i dS_ij q_i,   dV_j = Σ_i p_ij dO_i
//   dSink = −Σ_i e^(sink − lse_i) D_i; with a cap, dS_ij is multiplied by 1 − (s_ij / cap)²
// Source: Dao et al. 2022, https://arxiv.org/abs/2205.14135
//
// Threads share items, which are cut into pieces only where even parts of the work meet: as many parts as threads. Each piece of an
// item has its own sums of dK and dV, which are then added in the order of the pieces.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ops.h"
#include "attention_vjp_item.h"
#include "shares.h"

namespace fettle::FETTLE_ISA {

template <class Act>
static void attentionGradient(const args::AttentionVjp& op) {
  const AttentionWork<Act> work = documentWork<Act>(op);
  Pool& pool = op.pool();
  const int threads = pool.threads();
  const std::vector<AttentionPiece> pieces = work.piecesOfParts(threads);
  // What is kept of pieces, at most two a part: memory is that of as many parts.
  std::vector<KeyGradients> kept;
  std::vector<int> places(pieces.size(), -1);
  for (size_t i = 0; i < pieces.size(); i++)
    if (!work.isWhole(pieces[i])) {
      places[i] = (int)kept.size();
      kept.push_back({pieces[i].item, 0, 0});
    }
  const auto stateOf = [&](int part) {
    return AttentionVjp<Act>{work, op.qkv().as<const Act>(), op.o().as<const Act>(), op.dO().as<const Act>(),
                             op.lse().as<const float>(), op.dQkv()->as<Act>(), op.accumulatesQkv(), pool, part};
  };
  Shares shares(pool, (int64_t)pieces.size());
  pool.run([&](int part) {
    const AttentionTileScope tiles;
    AttentionVjp<Act> vjp = stateOf(part);
    vjp.carve();
    shares.run(part, [&](Range some) {
      for (int64_t i = some.begin; i < some.end; i++) {
        const int place = places[i];
        vjp.run(pieces[i], [&](size_t bytes) {
          return place < 0 ? pool.scratch(part, 4, bytes) : pool.scratch(place / 2, 5 + place % 2, bytes);
        });
        if (place >= 0) kept[place] = vjp.sums;
      }
    });
  });
  // The items in pieces: the strips are divided, the summands added in the order of the pieces.
  std::vector<size_t> divided;
  for (const KeyGradients& part : kept)
    if (divided.empty() || divided.back() != part.item) divided.push_back(part.item);
  if (divided.empty()) return;
  pool.run([&](int thread) {
    const AttentionVjp<Act> vjp = stateOf(thread);
    const int64_t size = vjp.tall * kLanes;
    float* total = (float*)pool.scratch(thread, 0, 2 * size * sizeof(float));
    for (size_t index : divided) {
      const AttentionItem<Act>& item = work.items[index];
      const Range mine = partOf((item.end() + kLanes - 1) / kLanes, thread, threads);
      for (int64_t strip = mine.begin; strip < mine.end; strip++) {
        std::memset(total, 0, 2 * size * sizeof(float));
        for (const KeyGradients& part : kept) {
          if (part.item != index || strip * kLanes < part.begin || strip * kLanes >= part.end) continue;
          const int64_t at = (strip - part.begin / kLanes) * size;
          for (int64_t i = 0; i < size; i += kLanes) {
            store(total + i, load(total + i) + load(part.dKeys + at + i));
            store(total + size + i, load(total + size + i) + load(part.dValues + at + i));
          }
        }
        vjp.writeKeys(item, strip * kLanes, total, total + size);
      }
    }
  });
}

// dSink of each head: threads divide the heads.
template <class Act> static void sinkGradient(const args::AttentionVjp& op) {
  const AttentionShape shape(op);
  const Act *o = op.o().as<const Act>(), *dO = op.dO().as<const Act>();
  const float* lse = op.lse().as<const float>();
  float* dSinks = op.dSinks()->as<float>();
  Pool& pool = op.pool();
  const int64_t rows = op.o().rows(), heads = shape.queryHeads;
  pool.run([&](int thread) {
    const Range mine = partOf(heads, thread, pool.threads());
    for (int64_t head = mine.begin; head < mine.end; head++) {
      double total = op.accumulatesSinks() ? dSinks[head] : 0.0;
      for (int64_t m = 0; m < rows; m++) {
        const int64_t at = (m * heads + head) * shape.headDim;
        const float delta = sumOfTerms(shape.headDim, [&](int64_t i, auto n) { return loadPart(o + at + i, n) * loadPart(dO + at + i, n); });
        total -= std::exp((double)shape.sinks[head] - lse[m * heads + head]) * delta;
      }
      dSinks[head] = (float)total;
    }
  });
}

void attentionVjp(const args::AttentionVjp& op) {
  if (op.dSinks() && op.sinks()) withType(op.qkv().dtype, [&](auto zero) { sinkGradient<decltype(zero)>(op); });
  if (!op.dQkv()) return;
  withType(op.qkv().dtype, [&](auto zero) { attentionGradient<decltype(zero)>(op); });
}

}  // namespace fettle::FETTLE_ISA

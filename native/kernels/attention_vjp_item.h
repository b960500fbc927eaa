// The gradient of attention for one item (attention_work.h) on one thread.
//   dS_ij = p_ij (dO_i · v_j − D_i),   dQ = scale · dS K,   dK = scale · dSᵀ q,   dV = Pᵀ dO
//
// Blocking: for a block of queries, two or three strips of keys at a time, head by head: tiles of q kᵀ and dO vᵀ, from which
// P and dS are made at once and kept as strips, the right operands of dVᵀ = dOᵀ P and dKᵀ = qᵀ dS, which follow while all of it
// lies in the first-level cache. There the heads of a group are one long depth. dS is kept as rows too, a chunk of keys
// long, the left operand of dQ = dS K.
// dKᵀ and dVᵀ are summed as [strip of keys][headDim][kLanes].
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "attention.h"
#include "attention_vjp_ahead.h"

namespace fettle::FETTLE_ISA {

// dKᵀ and dVᵀ of an item's keys [begin, end), as far as the queries of one piece reach.
struct KeyGradients {
  size_t item;
  int64_t begin, end;
  float *dKeys = nullptr, *dValues = nullptr;
};

template <class Act> struct AttentionVjp {
  using C = Cell<Act>;
  using Tile = AttentionTile<C>;
  static constexpr int R = Tile::rows;
  static constexpr int64_t pStride = kKeyChunk + 2 * kLanes;

  const AttentionWork<Act>& work;
  const Act *qkv, *outputs, *dOutputs;
  const float* lse;
  Act* dQkv;
  bool accumulate;
  Pool& pool;
  int thread;

  const AttentionShape& shape = work.shape;
  const int64_t depth = roundUp(shape.headDim, Tile::depth), width = roundUp(shape.headDim, kLanes);
  const int64_t tall = roundUp(shape.headDim, R);  // rows of the transposed operands
  const int64_t rowsOfGroup = shape.group * kQueryBlock;
  const float scale2 = shape.scale * kLog2E;
  PackedKeys<C> keys{};
  C *valueStrips = nullptr, *keyRows = nullptr;
  VjpAhead<Act> ahead;
  KeyGradients sums{};
  C *q = nullptr, *dO = nullptr, *qT = nullptr, *dOT = nullptr, *p = nullptr, *dS = nullptr, *dSRows = nullptr;
  float *scores = nullptr, *dP = nullptr, *dQ = nullptr, *lse2 = nullptr, *deltas = nullptr;

  void carve() {
    const auto layOut = [&](Carver carver) {
      q = carver.take<C>(rowsOfGroup * depth);
      dO = carver.take<C>(rowsOfGroup * depth);
      qT = carver.take<C>(rowsOfGroup * tall);
      dOT = carver.take<C>(rowsOfGroup * tall);
      p = carver.take<C>(rowsOfGroup * Tile::vectors * kLanes);
      dS = carver.take<C>(rowsOfGroup * Tile::vectors * kLanes);
      dSRows = carver.take<C>(rowsOfGroup * pStride);
      scores = carver.take<float>(R * Tile::vectors * kLanes);
      dP = carver.take<float>(R * Tile::vectors * kLanes);
      dQ = carver.take<float>(rowsOfGroup * width);
      lse2 = carver.take<float>(rowsOfGroup);
      deltas = carver.take<float>(rowsOfGroup);
      return carver.taken();
    };
    const size_t bytes = layOut(Carver(nullptr));
    layOut(Carver(pool.scratch(thread, 3, bytes)));
    std::memset(qT, 0, rowsOfGroup * tall * sizeof(C));
    std::memset(dOT, 0, rowsOfGroup * tall * sizeof(C));
  }

  // Packs the keys and values that `share` of an item sees, and clears the sums. memory(bytes) is where they go.
  template <class Memory> void prepare(size_t index, QueryBlock share, const Memory& memory) {
    const AttentionItem<Act>& item = work.items[index];
    keys = packedKeysFor<C>(shape, share);
    const int64_t count = keys.end - keys.begin, padded = keys.padded(), from = keys.begin * item.keyStride;
    keys.keyStrips = (C*)pool.scratch(thread, 0, 2 * padded * depth * sizeof(C));
    valueStrips = keys.keyStrips + padded * depth;
    keyRows = (C*)pool.scratch(thread, 1, padded * width * sizeof(C));
    packKeyStrips(keys.keyStrips, item.keys + from, item.keyStride, count, shape.headDim, depth);
    packKeyStrips(valueStrips, item.values + from, item.keyStride, count, shape.headDim, depth);
    packKeyRows(keyRows, item.keys + from, item.keyStride, count, padded, shape.headDim);
    const int64_t size = roundUp(count, kLanes) * tall;
    float* buffer = (float*)memory(2 * size * sizeof(float));
    sums = {index, keys.begin, keys.end, buffer, buffer + size};
    // The first block to see a strip writes its sums; with a window no query may see the first strip.
    const int64_t unseen = (shape.firstKey(share.begin) / kLanes - keys.begin / kLanes) * tall * kLanes;
    std::memset(sums.dKeys, 0, unseen * sizeof(float));
    std::memset(sums.dValues, 0, unseen * sizeof(float));
  }

  // The sums of a whole item are written; of one in pieces they stay in `sums`, to be added up.
  template <class Memory> void run(const AttentionPiece& piece, const Memory& memory) {
    const auto& [index, share] = piece;
    const AttentionItem<Act>& item = work.items[index];
    prepare(index, share, memory);
    for (int64_t at = share.begin; at < share.end;) {
      const QueryBlock block = AttentionWork<Act>::blockAt(item, at);
      ahead = VjpAhead<Act>(work, {qkv, outputs, dOutputs, dQkv}, index, block);
      queryBlock(item, block, at == share.begin);
      at = block.end;
    }
    if (!work.isWhole(piece)) return;
    for (int64_t key = sums.begin; key < sums.end; key += kLanes) {
      const int64_t at = (key - sums.begin) * tall;
      writeKeys(item, key, sums.dKeys + at, sums.dValues + at);
    }
  }

  void queryBlock(const AttentionItem<Act>& item, QueryBlock block, bool isFirst) {
    const int64_t token = item.token + block.begin - item.position, rows = block.end - block.begin;
    for (int64_t g = 0; g < shape.group; g++) loadQueries(token, rows, item.keyHead * shape.group + g, g);
    const int64_t lowest = shape.firstKey(block.begin) / kKeyChunk * kKeyChunk;
    const int64_t tiles = roundUp(rows, R);
    for (int64_t chunk = lowest; chunk < block.end; chunk += kKeyChunk) {
      const StripRange all = visibleStrips(shape, block.begin, tiles, chunk, keys.end);
      // Strips that begin inside the block: no block before this one saw them, and each has fewer queries than the last.
      const int64_t own = std::clamp((block.begin + kLanes - 1) / kLanes, all.begin, all.end);
      eachPiece<C>(own, all.end, [&](int64_t strip, auto count) {
        for (int64_t g = 0; g < shape.group; g++) scoresOfHead(block, {strip, strip + count}, chunk, g);
        for (int i = 0; i < count; i++) addKeyGradients<1>(block, strip + i, i, false);
      });
      eachPiece<C>(all.begin, own, [&](int64_t strip, auto count) {
        for (int64_t g = 0; g < shape.group; g++) scoresOfHead(block, {strip, strip + count}, chunk, g);
        addKeyGradients<decltype(count)::value>(block, strip, 0, !isFirst);
      });
      for (int64_t row = 0; row < tiles; row += R) {
        const StripRange strips = visibleStrips(shape, block.begin + row, R, chunk, keys.end);
        for (int64_t g = 0; g < shape.group; g++) {
          if (chunk == lowest) ahead.ask(row, R, g);
          addQueryGradient(g * kQueryBlock + row, chunk, strips, chunk > lowest);
          if (chunk + kKeyChunk < block.end) continue;
          for (int64_t i = row; i < rows && i < row + R; i++)
            writeRow(dQkv + (token + i) * shape.columns() + (item.keyHead * shape.group + g) * shape.headDim,
                     dQ + (g * kQueryBlock + i) * width, shape.scale);
        }
      }
    }
  }

  // Everything about the queries of one head that the block's chunks read.
  void loadQueries(int64_t token, int64_t rows, int64_t head, int64_t g) {
    const int64_t first = g * kQueryBlock, columns = shape.columns(), outputColumns = shape.queryHeads * shape.headDim;
    const Act *o = outputs + token * outputColumns + head * shape.headDim, *d = dOutputs + (o - outputs);
    copyRows(q + first * depth, qkv + token * columns + head * shape.headDim, columns, rows, kQueryBlock, shape.headDim, depth);
    copyRows(dO + first * depth, d, outputColumns, rows, kQueryBlock, shape.headDim, depth);
    transpose(qT + first, rowsOfGroup, Plain<C>{q + first * depth, depth}, 0, shape.headDim, kQueryBlock);
    transpose(dOT + first, rowsOfGroup, Plain<C>{dO + first * depth, depth}, 0, shape.headDim, kQueryBlock);
    // Rows past the end have q = dO = 0: any finite p does, as it is multiplied by them.
    for (int64_t i = 0; i < kQueryBlock; i++)
      lse2[first + i] = i < rows ? lse[(token + i) * shape.queryHeads + head] * kLog2E : 0.0f;
    for (int64_t i = 0; i < kQueryBlock; i += kLanes) {
      vf products[kLanes];
      for (int r = 0; r < kLanes; r++, o += outputColumns, d += outputColumns)
        products[r] = i + r < rows ? lanesOfProduct(d, o, shape.headDim) : vf{};
      store(deltas + first + i, sumsOfLanes(products));
    }
  }

  // Strip `i` of a piece, row `row` of the group's.
  C* stripAt(C* strips, int64_t i, int64_t row) const { return strips + (i * rowsOfGroup + row) * kLanes; }

  // P and dS of one head and one piece of keys.
  void scoresOfHead(QueryBlock block, StripRange piece, int64_t chunk, int64_t g) {
    const int64_t rows = roundUp(block.end - block.begin, R), first = g * kQueryBlock;
    for (int64_t row = 0; row < roundUp(rows, Tile::depth); row += R) {
      const int64_t position = block.begin + row;
      const StripRange all = visibleStrips(shape, position, R, chunk, keys.end);
      const int64_t begin = std::max(all.begin, piece.begin), end = std::min(all.end, piece.end);
      if (row >= rows || begin >= end) {
        clear(block, g, row, piece, piece);
        continue;
      }
      clear(block, g, row, {piece.begin, begin}, piece);
      switch (end - begin) {
        case 1: scoreTile<1>(first + row, position, begin, piece.begin, chunk); break;
        case 2: scoreTile<2>(first + row, position, begin, piece.begin, chunk); break;
        default: scoreTile<3>(first + row, position, begin, piece.begin, chunk);
      }
      clear(block, g, row, {end, piece.end}, piece);
    }
  }

  template <int V> void scoreTile(int64_t row, int64_t position, int64_t strip, int64_t pieceBegin, int64_t chunk) {
    const TileRight<C> right = keys.strip(strip);
    const int64_t units = depth / Tile::unit;
    multiplyTile<V>(TileLeft<C>{q + row * depth, depth}, right, units, 1, TileResult{scores, V * kLanes, kLanes});
    multiplyTile<V>(TileLeft<C>{dO + row * depth, depth},
                    TileRight<C>{valueStrips + (right.at - keys.keyStrips), right.unitStride, right.vectorStride}, units, 1,
                    TileResult{dP, V * kLanes, kLanes});
    const bool edge = crossesEdge(shape, position, R, strip * kLanes, (strip + V) * kLanes - 1);
    if (shape.capped.isCapped()) {
      shape.cap(scores, R * V);
      combine<V, true, true>(row, position, strip, pieceBegin, chunk);
    } else if (edge) {
      combine<V, true, false>(row, position, strip, pieceBegin, chunk);
    } else {
      combine<V, false, false>(row, position, strip, pieceBegin, chunk);
    }
  }

  template <int V, bool Edge, bool IsCapped>
  void combine(int64_t row, int64_t position, int64_t strip, int64_t pieceBegin, int64_t chunk) {
    // Locals, since what is stored could be the members for all that a compiler knows.
    const float *score = scores, *dProbability = dP, *rowLse = lse2 + row, *rowDelta = deltas + row;
    C *pRows = stripAt(p, strip - pieceBegin, row), *dSPairs = stripAt(dS, strip - pieceBegin, row);
    C* dSRow = dSRows + row * pStride + strip * kLanes - chunk;
    const int64_t stripSize = rowsOfGroup * kLanes, key = strip * kLanes;
    const vf scale = splat(scale2);
    const Capped capped = shape.capped;
    const VisibleRows visible[] = {{shape, position, key}, {shape, position, key + kLanes}, {shape, position, key + 2 * kLanes}};
    for (int i = 0; i < R; i += 2, dSRow += 2 * pStride) {
#pragma GCC unroll 3
      for (int j = 0; j < V; j++) {
        vf pair[2], dPair[2];
#pragma GCC unroll 2
        for (int u = 0; u < 2; u++) {
          const int at = ((i + u) * V + j) * kLanes;
          const vf s = load(score + at);
          pair[u] = exp2<C>(s * scale - splat(rowLse[i + u]));
          if (Edge) pair[u] = visible[j].valueOr(i + u, pair[u], 0.0f);
          dPair[u] = pair[u] * (load(dProbability + at) - splat(rowDelta[i + u]));
          if (IsCapped) dPair[u] *= capped.slope(s);
        }
        const int64_t to = j * stripSize + i * kLanes;
        storeRowPair(pRows + to, pair[0], pair[1]);
        C* rows = dSRow + j * kLanes;
        storeRowPair(dSPairs + to, rows, rows + pStride, dPair[0], dPair[1]);
      }
    }
  }

  // No query of this tile sees these strips of the piece, but addKeyGradients may read them.
  void clear(QueryBlock block, int64_t g, int64_t row, StripRange strips, StripRange piece) {
    for (int64_t strip = strips.begin; strip < strips.end && row >= firstRow(block, strip); strip++)
      for (int i = 0; i < R; i += 2) {
        storeRowPair(stripAt(p, strip - piece.begin, g * kQueryBlock + row + i), vf{}, vf{});
        storeRowPair(stripAt(dS, strip - piece.begin, g * kQueryBlock + row + i), vf{}, vf{});
      }
  }

  // dQ (+)= dS K for one tile of rows and the strips of one chunk.
  void addQueryGradient(int64_t row, int64_t chunk, StripRange strips, bool add) {
    C* rows = dSRows + row * pStride - chunk;
    const int64_t begin = strips.begin * kLanes, count = clearToDepth(rows, pStride, strips);
    eachPiece<C>(0, width / kLanes, [&](int64_t vector, auto n) {
      multiplyTile<decltype(n)::value>(TileLeft<C>{rows + begin, pStride}, keys.values(keyRows, begin, vector), count / Tile::unit,
                                       1, TileResult{dQ + row * width + vector * kLanes, width, kLanes, add});
    });
  }

  // Row of the block at which a strip's products over the queries begin: before the first that sees one of its keys.
  static int64_t firstRow(QueryBlock block, int64_t strip) {
    return std::max<int64_t>(0, strip * kLanes - block.begin) / R * R / Tile::depth * Tile::depth;
  }

  // dKᵀ (+)= qᵀ dS and dVᵀ (+)= dOᵀ P of V strips from `strip` on, the i-th of its piece.
  template <int V> void addKeyGradients(QueryBlock block, int64_t strip, int64_t i, bool add) {
    const int64_t rows = roundUp(block.end - block.begin, R), padded = roundUp(rows, Tile::depth);
    const int64_t from = firstRow(block, strip);
    const bool whole = from == 0 && padded == kQueryBlock;
    const int64_t units = (whole ? rowsOfGroup : padded - from) / Tile::unit;
    const int terms = whole ? 1 : (int)shape.group;
    const int64_t sumsAt = (strip - keys.begin / kLanes) * tall * kLanes;
    const auto product = [&](const C* left, C* right, float* to) {
      const TileRight<C> columns{stripAt(right, i, from), kLanes * Tile::unit, rowsOfGroup * kLanes, kQueryBlock * kLanes};
      for (int64_t d = 0; d < tall; d += R)
        multiplyTile<V>(TileLeft<C>{left + d * rowsOfGroup + from, rowsOfGroup, kQueryBlock}, columns, units, terms,
                        TileResult{to + sumsAt + d * kLanes, kLanes, tall * kLanes, add});
    };
    product(dOT, p, sums.dValues);
    product(qT, dS, sums.dKeys);
  }

  void writeRow(Act* to, const float* from, float factor) const {
    eachVector(shape.headDim, [&](int64_t d, auto n) {
      vf value = loadPart(from + d, n) * splat(factor);
      if (accumulate) value += loadPart(to + d, n);
      storePart(to + d, value, n);
    });
  }

  // dK and dV of the keys [key, key + kLanes) from their transposes [headDim][kLanes].
  void writeKeys(const AttentionItem<Act>& item, int64_t key, const float* dKeys, const float* dValues) const {
    const int64_t keyColumn = (shape.queryHeads + item.keyHead) * shape.headDim;
    writeStrip(item, key, dKeys, keyColumn, shape.scale);
    writeStrip(item, key, dValues, keyColumn + shape.keyHeads * shape.headDim, 1.0f);
  }
  void writeStrip(const AttentionItem<Act>& item, int64_t key, const float* from, int64_t column, float factor) const {
    const int rows = (int)std::min<int64_t>(kLanes, item.end() - key);
    Act* to = dQkv + (item.token + key - item.position) * shape.columns() + column;
    const int64_t stride = shape.columns();
    int64_t done = 0;
#if FETTLE_HAS_BF16
    // Two rows of the sums at a time, in pairs: half as much to transpose, and whole cache lines to write.
    if constexpr (sizeof(Act) == 2)
      for (; !accumulate && done + 2 * kLanes <= shape.headDim; done += 2 * kLanes) {
        vu pairs[kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) {
          const float* row = from + (done + 2 * i) * kLanes;
          pairs[i] = (vu)interleaveTwo(narrowTwo(load(row) * splat(factor), load(row + kLanes) * splat(factor)));
        }
        transposeUnits(pairs);
        for (int i = 0; i < rows; i++) storeUnits(to + i * stride + done, pairs[i]);
      }
#endif
    from += done * kLanes;
    to += done;
    eachVector(shape.headDim - done, [&](int64_t d, auto count) {
      vu lanes[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) lanes[i] = i < count ? (vu)(load(from + (d + i) * kLanes) * splat(factor)) : vu{};
      transposeUnits(lanes);
      Act* row = to + d;
      for (int i = 0; i < rows; i++, row += stride) {
        vf value = (vf)lanes[i];
        if (accumulate) value += loadPart(row, count);
        storePart(row, value, count);
      }
    });
  }
};

}  // namespace fettle::FETTLE_ISA

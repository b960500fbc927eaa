// What attention's vjp reads and writes after the block of queries that it computes: rows far apart, long out of the
// caches, so that memory is asked for them a few at a time. Of the kernel's time, 10 % were waiting (documents of 158
// tokens, cold).
#pragma once

#include <algorithm>
#include <cstdint>

#include "attention_tile.h"
#include "attention_work.h"

namespace fettle::FETTLE_ISA {

// The tensors with a row for each token; queries stand in qkv.
template <class Act> struct VjpRows {
  const Act *qkv, *outputs, *dOutputs;
  Act* dQkv;
};

template <class Act> struct VjpAhead {
  int64_t headDim = 0, columns = 0, outputColumns = 0;
  // First head of the group in the first row of the block that follows, and the next item's keys at this block's positions.
  const Act *q = nullptr, *o = nullptr, *dO = nullptr, *keys = nullptr, *values = nullptr;
  // Results: dQ beside q, and dK and dV of this item at this block's positions, which are written at its end.
  Act *dQ = nullptr, *dKeys = nullptr, *dValues = nullptr;
  int64_t rows = 0, keyRows = 0, resultRows = 0;

  VjpAhead() = default;
  VjpAhead(const AttentionWork<Act>& work, VjpRows<Act> from, size_t index, QueryBlock block)
      : headDim(work.shape.headDim), columns(work.shape.columns()), outputColumns(work.shape.queryHeads * headDim) {
    const AttentionItem<Act>& item = work.items[index];
    const AttentionItem<Act>* next = index + 1 < work.items.size() ? &work.items[index + 1] : nullptr;
    if (next && block.begin < next->end()) {
      keys = next->keys + block.begin * columns;
      values = next->values + block.begin * columns;
      keyRows = std::min(block.end, next->end()) - block.begin;
    }
    dKeys = from.dQkv + (item.token + block.begin - item.position) * columns + (work.shape.queryHeads + item.keyHead) * headDim;
    dValues = dKeys + work.shape.keyHeads * headDim;
    resultRows = block.end - block.begin;
    const bool last = block.end >= item.end();
    if (last && !next) return;
    const AttentionItem<Act>& with = last ? *next : item;
    const int64_t token = last ? next->token : item.token + block.end - item.position;
    const int64_t column = with.keyHead * work.shape.group * headDim;
    q = from.qkv + token * columns + column;
    o = from.outputs + token * outputColumns + column;
    dO = from.dOutputs + token * outputColumns + column;
    dQ = from.dQkv + (q - from.qkv);
    rows = std::min(kQueryBlock, with.token + with.queries - token);
  }

  // Asks for head g of the group in `count` of the rows, and with the first head for as many keys, values and their gradients.
  void ask(int64_t row, int64_t count, int64_t g) const {
    const int64_t more = std::min(count, rows - row), moreKeys = g == 0 ? std::min(count, keyRows - row) : 0;
    const int64_t moreResults = g == 0 ? std::min(count, resultRows - row) : 0;
    if (more > 0) {
      prefetchRows(q + row * columns + g * headDim, columns, more, headDim);
      prefetchRows(o + row * outputColumns + g * headDim, outputColumns, more, headDim);
      prefetchRows(dO + row * outputColumns + g * headDim, outputColumns, more, headDim);
      prefetchRows(dQ + row * columns + g * headDim, columns, more, headDim);
    }
    if (moreResults > 0) {
      prefetchRows(dKeys + row * columns, columns, moreResults, headDim);
      prefetchRows(dValues + row * columns, columns, moreResults, headDim);
    }
    if (moreKeys > 0) {
      prefetchRows(keys + row * columns, columns, moreKeys, headDim);
      prefetchRows(values + row * columns, columns, moreKeys, headDim);
    }
  }
};

}  // namespace fettle::FETTLE_ISA

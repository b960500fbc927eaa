// Token ids looked up in a table.
//   y[m] = scale · table[ids[m]]          dTable[v] += Σ over ids[m] = v of scale · dY[m]
#pragma once

#include <cstdint>

#include "ops.h"
#include "gather.h"

namespace fettle::FETTLE_ISA {

static void embeddingForward(const args::Embedding& op) {
  gatherRows(op.pool(), op.table(), op.ids().as<int32_t>(), op.y(), (float)op.scale());
}

// Threads divide the columns, so that a row met twice is added to in the order of the tokens, whatever their number.
static void embeddingVjp(const args::EmbeddingVjp& op) {
  if (!op.dTable()) return;
  const Tensor &dY = op.dY(), &dTable = *op.dTable();
  const int32_t* ids = op.ids().as<int32_t>();
  Pool& pool = op.pool();
  const int64_t rows = dTable.rows(), width = dTable.cols();
  withType(dY.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (!op.accumulatesTable()) pool.run([&](int thread) {
      const Range range = partOf(rows, thread, pool.threads());
      __builtin_memset(dTable.as<float>() + range.begin * width, 0, (range.end - range.begin) * width * sizeof(float));
    });
    pool.run([&](int thread) {
      const Range columns = partOf(width, thread, pool.threads());
      for (int64_t i = 0; i < dY.rows(); i++)
        addRow(dTable.as<float>() + ids[i] * width + columns.begin, dY.as<const T>() + i * width + columns.begin,
               columns.end - columns.begin, (float)op.scale());
    });
  });
}

}  // namespace fettle::FETTLE_ISA

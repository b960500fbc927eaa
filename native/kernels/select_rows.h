// The rows that the output head reads, or rows laid out otherwise: in any order, one several times.
//   y[i] = x[rows[i]]             dX[rows[i]] += dY[i], all other rows zero
// A row −1 is padding: y = 0, and nothing is added. All rows after it are padding too.
#pragma once

#include <cstdint>

#include "ops.h"
#include "gather.h"

namespace fettle::FETTLE_ISA {

static void selectRowsForward(const args::SelectRows& op) { gatherRows(op.pool(), op.x(), op.rows().as<int32_t>(), op.y()); }

// Each thread owns a run of dX's rows and takes what belongs to them, in the order of the list.
static void selectRowsVjp(const args::SelectRowsVjp& op) {
  if (!op.dX()) return;
  const Tensor &dX = *op.dX(), &dY = op.dY();
  const int32_t* rows = op.rows().as<int32_t>();
  Pool& pool = op.pool();
  const int64_t selected = rowsBeforePadding(rows, dY.rows()), width = dX.cols();
  withType(dX.dtype, [&](auto xZero) {
    withType(dY.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      pool.run([&](int thread) {
        const Range range = partOf(dX.rows(), thread, pool.threads());
        if (!op.accumulatesX())
          __builtin_memset(dX.as<X>() + range.begin * width, 0, (range.end - range.begin) * width * sizeof(X));
        for (int64_t i = 0; i < selected; i++)
          if (rows[i] >= range.begin && rows[i] < range.end)
            addRow(dX.as<X>() + rows[i] * width, dY.as<const Y>() + i * width, width);
      });
    });
  });
}

}  // namespace fettle::FETTLE_ISA

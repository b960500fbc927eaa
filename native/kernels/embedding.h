// Rows by index: `embedding` looks token ids up in a table, `selectRows` keeps the rows that the output head reads.
//   embedding   y[m] = table[ids[m]]          dTable[v] += Σ over ids[m] = v of dY[m]
//   selectRows  y[i] = x[rows[i]]             dX[rows[i]] += dY[i], all other rows zero
// A row −1 of selectRows is padding: y = 0, and nothing is added. All rows after it are padding too.

// to = from, converted.
template <class To, class From>
static void copyRow(To* to, const From* from, int64_t width) {
  eachVector(width, [&](int64_t i, auto count) { storePart(to + i, loadPart(from + i, count), count); });
}

// to += from.
template <class To, class From>
static void addRow(To* to, const From* from, int64_t width) {
  eachVector(width, [&](int64_t i, auto count) {
    storePart(to + i, loadPart(to + i, count) + loadPart(from + i, count), count);
  });
}

// y[i] = x[index[i]], or 0 where the index is −1
static void gatherRows(const Call& call, const Tensor& x, const int32_t* index, Tensor& y) {
  withType(x.dtype, [&](auto xZero) {
    withType(y.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      const int64_t width = x.cols();
      call.pool->run(y.size(), [&](int thread) {
        const Range range = partOf(y.rows(), thread, call.pool->threads());
        for (int64_t i = range.begin; i < range.end; i++) {
          Y* to = y.as<Y>() + i * width;
          if (index[i] < 0) __builtin_memset(to, 0, width * sizeof(Y));
          else copyRow(to, x.row<const X>(index[i]), width);
        }
      });
    });
  });
}

static void embeddingForward(const Call& call) { gatherRows(call, *call.in[1], call.in[0]->as<int32_t>(), *call.out[0]); }

// Threads divide the columns, so that a row met twice is added to in the order of the tokens, whatever their number.
static void embeddingVjp(const Call& call) {
  if (!call.out[0]) return;
  const Tensor& dY = *call.in[3];
  const int32_t* ids = call.in[0]->as<int32_t>();
  const Tensor& dTable = *call.out[0];
  const int64_t rows = dTable.rows(), width = dTable.cols();
  withType(dY.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (!call.accumulate[0]) call.pool->run([&](int thread) {
      const Range range = partOf(rows, thread, call.pool->threads());
      __builtin_memset(dTable.as<float>() + range.begin * width, 0, (range.end - range.begin) * width * sizeof(float));
    });
    call.pool->run([&](int thread) {
      const Range columns = partOf(width, thread, call.pool->threads());
      for (int64_t i = 0; i < dY.rows(); i++)
        addRow(dTable.as<float>() + ids[i] * width + columns.begin, dY.as<const T>() + i * width + columns.begin,
               columns.end - columns.begin);
    });
  });
}

static void selectRowsForward(const Call& call) { gatherRows(call, *call.in[0], call.in[1]->as<int32_t>(), *call.out[0]); }

// Each thread owns a run of dX's rows and finds its part of the ascending list of selected rows.
static void selectRowsVjp(const Call& call) {
  if (!call.out[0]) return;
  const Tensor& dX = *call.out[0];
  const Tensor& dY = *call.in[3];
  const int32_t* rows = call.in[1]->as<int32_t>();
  const int64_t selected = rowsBeforePadding(rows, dY.rows()), width = dX.cols();
  withType(dX.dtype, [&](auto xZero) {
    withType(dY.dtype, [&](auto yZero) {
      using X = decltype(xZero);
      using Y = decltype(yZero);
      call.pool->run([&](int thread) {
        const Range range = partOf(dX.rows(), thread, call.pool->threads());
        if (!call.accumulate[0])
          __builtin_memset(dX.as<X>() + range.begin * width, 0, (range.end - range.begin) * width * sizeof(X));
        int64_t i = 0;
        while (i < selected && rows[i] < range.begin) i++;
        for (; i < selected && rows[i] < range.end; i++)
          addRow(dX.as<X>() + rows[i] * width, dY.as<const Y>() + i * width, width);
      });
    });
  });
}

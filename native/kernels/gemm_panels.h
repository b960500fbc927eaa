// Products with many panels, on several threads.
//
// Threads divide panels x rows, so that each panel but those on a border is packed by one thread. While a panel of
// the forward product is multiplied, its thread asks for the weights of its next one, a few lines a block of rows: packing them
// then waits for no memory.
//
// Measured, Zen 5, SmolLM2's shapes, 1,024 rows, weights cold: asking ahead saves 1 to 2 % forward and costs 1 %
// backward, where a panel is a short piece of every row; packing several panels and
// running a few rows past all of them, so that rows are read once for all, costs 1 to 3 %.
#pragma once

// A panel and rows of one thread's share.
struct PanelShare {
  int64_t panel, rowBegin, rowEnd;
};

// Static division: thread t of n gets a contiguous piece in panel-major order.
template <class C> inline std::vector<PanelShare> dividePanels(int64_t panels, int64_t rows, int t, int n) {
  constexpr int step = Block<C>::rows;
  const int64_t blocks = (rows + step - 1) / step;
  const Range mine = partOf(panels * blocks, t, n);
  std::vector<PanelShare> shares;
  for (int64_t u = mine.begin; u < mine.end;) {
    const int64_t panel = u / blocks, last = std::min(mine.end - panel * blocks, blocks);
    shares.push_back({panel, u % blocks * step, std::min(last * step, rows)});
    u = panel * blocks + last;
  }
  return shares;
}

// A rectangle of a source that will be packed next, asked for in `steps` parts. Sources other than plain rows: nothing.
template <class Source> struct NextPanel {
  NextPanel() = default;
  NextPanel(const Source&, Range, Range, int64_t) {}
  void step() {}
};
template <class S> struct NextPanel<Stacked<S>> {
  static constexpr int64_t line = 64 / sizeof(S);
  const Stacked<S>* source = nullptr;
  Range rows{0, 0}, columns{0, 0};
  int64_t linesAStep = 0, column = 0;
  NextPanel() = default;
  NextPanel(const Stacked<S>& from, Range rows, Range columns, int64_t steps)
      : source(&from), rows(rows), columns(columns), column(columns.begin) {
    const int64_t lines = (rows.end - rows.begin) * ((columns.end - columns.begin + line - 1) / line);
    linesAStep = (lines + steps - 1) / steps;
  }
  void step() {
    for (int64_t i = 0; i < linesAStep && rows.begin < rows.end; i++) {
      __builtin_prefetch(source->row(rows.begin) + column, 0, 2);
      column += line;
      if (column >= columns.end) column = columns.begin, rows.begin++;
    }
  }
};

// Rows [begin, end) of a product, asking ahead on the way.
template <class C, class Out, class Source>
inline void multiplyAhead(const Term<C>* terms, int count, int64_t begin, int64_t end, int columns, const StoreTo<Out>& save,
                          NextPanel<Source> next) {
#if FETTLE_AMX
  constexpr int64_t step = sizeof(C) == 2 ? 256 : 64;  // tiles are configured once a call
#else
  constexpr int64_t step = Block<C>::rows;
#endif
  for (int64_t row = begin; row < end; row += step) {
    next.step();
    multiply(terms, count, row, std::min(row + step, end), columns, save);
  }
}

// Products with many panels, on several threads.
//
// Threads divide panels x rows, so that each panel but those on a border is packed by one thread. While a panel of
// the forward product is multiplied, its thread asks for the weights of its next one, a few lines a block of rows: packing them
// then waits for no memory.
//
// Measured, Zen 5, SmolLM2's shapes, 1,024 rows, weights cold: asking ahead saves 2 % forward and costs 1 % backward,
// where a panel is a short piece of every row. Packing several panels and running a few rows past all of them, so that rows
// are read once for all, costs 1 to 3 %; packing the next panel in pieces between blocks of rows costs 8 % forward and gains
// nothing backward; nor does packing two panels at once backward, or asking for the left operand's next rows. Asking from inside the
// kernel's loop, a line every four units of depth, costs 0.6 % in all; letting whoever is done first take over eighths of the others'
// panels gains nothing measurable on an idle machine. (Both by turns in one process, in both orders.)
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

// The rows of a panel that will be packed next, asked for in `steps` parts. Sources other than plain rows: nothing.
template <class Source> struct NextPanel {
  NextPanel() = default;
  NextPanel(const Source&, int64_t, int, int64_t) {}
  void step() {}
};
template <class S> struct NextPanel<Stacked<S>> {
  const char *at = nullptr, *end = nullptr;
  int64_t bytesAStep = 0;
  NextPanel() = default;
  NextPanel(const Stacked<S>& from, int64_t firstRow, int rows, int64_t steps) {
    const int64_t inOneRun = std::min<int64_t>(rows, from.runEnd(firstRow) - firstRow);
    at = (const char*)from.row(firstRow);
    end = at + inOneRun * from.stride * sizeof(S);
    bytesAStep = roundUp((end - at + steps - 1) / steps, 64);
  }
  void step() {
    for (const char* until = std::min(at + bytesAStep, end); at < until; at += 64) __builtin_prefetch(at, 0, 2);
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

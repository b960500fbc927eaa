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

#include <algorithm>
#include <cstdint>
#include <vector>

#include "pool.h"
#include "gemm.h"

namespace fettle::FETTLE_ISA {

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
  static constexpr bool asks = false;
};
template <class S> struct NextPanel<Stacked<S>> {
  const char *at = nullptr, *end = nullptr;
  int64_t bytesAStep = 0;
  static constexpr bool asks = true;
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

// Panels that a thread packs before it runs rows past all of them. AMX alone gains: one pass over the left operand a panel
// would need 32 bytes of it a cycle, three times what comes from the third-level cache, where 1,024 rows of a depth from 960 on
// lie. So up to half of a second-level cache (2 MB) is filled with panels.
constexpr int kMostPanels = 8;
template <class C> inline int panelsAtOnce(int64_t depth) {
#if FETTLE_AMX
  constexpr int64_t bytes = 1 << 20;
  const int64_t fit = bytes / (panelCells<C>(depth, kPanelColumns<C>) * sizeof(C));
  if (sizeof(C) == 2) return (int)std::clamp<int64_t>(fit, 1, kMostPanels);
#endif
  return 1;
}

// One panel of a product and where its sums go.
template <class C, class Out> struct PackedPanel {
  Term<C> terms[2];
  int count;  // of terms
  int columns;
  StoreTo<Out> save;
};

// A thread's shares of a product, `most` at once: pack(share, place) packs a share as panel `place` of a group, and next(i) asks
// for the shares from i on.
template <class C, class Out, class Pack, class Next>
inline void multiplyShares(const std::vector<PanelShare>& shares, int most, const Pack& pack, const Next& next) {
  const TileScope tiles;
  PackedPanel<C, Out> group[kMostPanels];
  for (size_t i = 0; i < shares.size();) {
    const int64_t begin = shares[i].rowBegin, end = shares[i].rowEnd;
    int count = 0;
    do group[count] = pack(shares[i++], count), count++;
    while (count < most && i < shares.size() && shares[i].rowBegin == begin && shares[i].rowEnd == end);
    auto ahead = next(i);
    // Nothing to ask for and one panel: all rows at once.
    const int64_t step = count == 1 && !ahead.asks ? end - begin : Block<C>::rows;
    for (int64_t row = begin; row < end; row += step) {
      ahead.step();
      for (int g = 0; g < count; g++)
        multiply(group[g].terms, group[g].count, row, std::min(row + step, end), group[g].columns, group[g].save);
    }
  }
}

}  // namespace fettle::FETTLE_ISA

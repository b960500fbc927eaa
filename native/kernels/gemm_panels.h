// Products with many panels, on several threads.
//
// Threads share panels x rows in panel-major order (shares.h), some rows of a panel at a time, so that each panel is packed by one
// thread, but for those on a border and those that are taken over when somebody is late. While a panel of the forward product is
// multiplied, its thread asks for the weights of its next one, a few lines a block of rows: packing them then waits for no memory.
//
// Measured, Zen 5, SmolLM2's shapes, 1,024 rows, weights cold: asking ahead saves 2 % forward and costs 1 % backward,
// where a panel is a short piece of every row. Packing several panels and running a few rows past all of them, so that rows
// are read once for all, costs 1 to 3 %; packing the next panel in pieces between blocks of rows costs 8 % forward and gains
// nothing backward; nor does packing two panels at once backward, or asking for the left operand's next rows. Asking from inside the
// kernel's loop, a line every four units of depth, costs 0.6 % in all. (Both by turns in one process, in both orders.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "shares.h"
#include "gemm.h"

namespace fettle::FETTLE_ISA {

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

// Panels x rows as threads share them. Units are some rows of a group of panels; the groups' sizes are even.
template <class C> class PanelShares {
 public:
  // `most` panels in a group.
  PanelShares(const Pool& pool, int64_t panels, int64_t rows, int64_t depth, int most = 1)
      : panels_(panels), rows_(rows), groups_(groupsOf(panels, most, pool.threads())), unitRows_(unitRows(pool, depth)),
        units_((rows + unitRows_ - 1) / unitRows_), shares_(pool, groups_ * units_, {1, units_}) {}

  int64_t rows() const { return rows_; }

  // Calls body(panels, rows, following) for pieces until nothing is left; `following` are the panels that the thread will probably
  // get next, of its own part only.
  template <class Body> void run(int part, const Body& body) {
    const int64_t ownEnd = (shares_.ofPart(part).end + units_ - 1) / units_;
    shares_.run(part, [&](Range units) {
      while (units.begin < units.end) {
        const int64_t group = units.begin / units_, first = group * units_, last = std::min(units.end, first + units_);
        const Range rows{(units.begin - first) * unitRows_, std::min((last - first) * unitRows_, rows_)};
        body(panelsOf(group), rows, group + 1 < ownEnd ? panelsOf(group + 1) : Range{panels_, panels_});
        units.begin = last;
      }
    });
  }

 private:
  // A whole number of groups for each thread.
  static int64_t groupsOf(int64_t panels, int64_t most, int64_t threads) {
    return most == 1 ? panels : std::min(panels, roundUp((panels + most - 1) / most, threads));
  }
  Range panelsOf(int64_t group) const { return {panels_ * group / groups_, panels_ * (group + 1) / groups_}; }
  // About 30 us of work on a thread (Zen 5), if that gives each of them eight units.
  int64_t unitRows(const Pool& pool, int64_t depth) const {
    constexpr int64_t step = Block<C>::rows, work = FETTLE_AMX ? 1 << 20 : 1 << 17, least = 32;
    const int64_t wanted = work * groups_ / std::max<int64_t>(1, depth * panels_), fair = rows_ * groups_ / (8 * pool.threads());
    const int64_t pieces = std::max<int64_t>(1, rows_ / std::max(least, std::min(wanted, fair)));
    return std::max<int64_t>(step, roundUp((rows_ + pieces - 1) / pieces, step));
  }

  int64_t panels_, rows_, groups_, unitRows_, units_;
  Shares shares_;
};

// One panel of a product and where its sums go.
template <class C, class Out> struct PackedPanel {
  Term<C> terms[2];
  int count;  // of terms
  int columns;
  StoreTo<Out> save;
};

// What the thread that does `part` gets of a product: pack(panel, place) packs a panel as number `place` of its group, and
// next(panels, steps) asks for panels, which may be none.
template <class C, class Out, class Pack, class Next>
inline void multiplyShared(PanelShares<C>& shares, int part, const Pack& pack, const Next& next) {
  const TileScope tiles;
  PackedPanel<C, Out> group[kMostPanels];
  Range packed{-1, -1};
  decltype(next(packed, 1)) ahead;
  shares.run(part, [&](Range panels, Range rows, Range following) {
    if (packed.begin != panels.begin) {
      packed = panels;
      for (int64_t p = panels.begin; p < panels.end; p++) group[p - panels.begin] = pack(p, int(p - panels.begin));
      ahead = next(following, shares.rows() / Block<C>::rows + 1);
    }
    // Nothing to ask for and one panel: all rows at once.
    const int64_t count = panels.end - panels.begin, step = count == 1 && !ahead.asks ? rows.end - rows.begin : Block<C>::rows;
    for (int64_t row = rows.begin; row < rows.end; row += step) {
      ahead.step();
      for (int g = 0; g < count; g++)
        multiply(group[g].terms, group[g].count, row, std::min(row + step, rows.end), group[g].columns, group[g].save);
    }
  });
}

}  // namespace fettle::FETTLE_ISA

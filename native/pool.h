// Fork and join for kernels: the caller is thread 0; the others spin for a while after each piece of work (0.1 us to wake),
// then sleep on a condition variable. Who waits long gives its core to a thread whose own is taken (seat.h). Work comes in as many parts as there are threads, which depend on their number only, so that
// the same number gives the same bits. Each thread begins with its own part, and does those of others that have not begun: a thread
// whose core is busy with something else is not waited for. Long parts are shared out further (shares.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "slowness.h"

namespace fettle {

// What a thread asks memory for while it waits for work. Only the thread itself reads and writes it.
struct alignas(64) Ahead {
  const char* from = nullptr;
  int64_t lines = 0;  // of 64 bytes, still to be asked for
  // Asks for some lines; false when none are left.
  bool ask() {
    if (lines <= 0) return false;
    for (int i = 0; i < 4; i++, from += 64, lines--) __builtin_prefetch(from, 0, 2);
    return true;
  }
};

// About 10 us of element-wise work on one thread.
constexpr int64_t kWorthForking = 32768;

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  int threads() const { return threads_; }

  // Calls work(part) once for each part, 0 to threads() − 1, and returns when all are done.
  template <class Work>
  void run(const Work& work) {
    run([](const void* context, int part) { (*static_cast<const Work*>(context))(part); }, &work);
  }

  // The same for a pass over so many elements: where waking threads would cost more than it saves (a single token's
  // norm), the calling thread does everybody's part, with the same result.
  template <class Work>
  void run(int64_t elements, const Work& work) {
    if (elements >= kWorthForking) return run(work);
    for (int part = 0; part < threads_; part++) work(part);
  }

  // Scratch of a part, 64-byte aligned, contents undefined, valid until the next scratch() of the same part and slot.
  // A kernel that needs several buffers uses several slots (0..8).
  void* scratch(int part, int slot, size_t bytes);

  // Of the thread that does this part, which asks.
  Ahead& ahead(int part);

  // Does a piece of work, as all pieces are done: on a thread that a test slows down, the rest of its time passes afterwards.
  template <class Work> auto timed(const Work& work) const {
    const Slowness::Piece piece(slowness_);
    return work();
  }

  // Waits until isReady(), which another thread that is at work brings about.
  template <class Ready> void await(const Ready& isReady) {
    for (Patience patience; !isReady();) pause(patience);
  }
  // A thread that has another's core gives it back: called where nobody waits for what it does.
  void settle();

 private:
  using Function = void (*)(const void*, int);
  void run(Function function, const void* context);
  // Of a waiting thread: how often it has looked, and since when it has spun, in nanoseconds.
  struct Patience {
    int rounds = 0;
    int64_t since = 0;
  };
  void pause(Patience& patience);
  struct State;
  friend struct HostThreads;  // wasm/pool.cc
  std::unique_ptr<State> state_;
  const Slowness* slowness_ = nullptr;
  int threads_;
};

// [begin, end) of part t of n, for static division.
struct Range {
  int64_t begin, end;
};
inline Range partOf(int64_t count, int t, int n) { return {count * t / n, count * (t + 1) / n}; }

}  // namespace fettle

// Fork and join for kernels: the caller is thread 0; the others spin for a while after each piece of work (0.1 us to wake),
// then sleep on a condition variable. Work is divided statically, so that the same thread count gives the same bits
// (streamed products share rows out as threads come free, but each row is summed by one thread in one order).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

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

  // Calls work(thread) once on every thread and returns when all are done.
  template <class Work>
  void run(const Work& work) {
    run([](const void* context, int thread) { (*static_cast<const Work*>(context))(thread); }, &work);
  }

  // The same for a pass over so many elements: where waking threads would cost more than it saves (a single token's
  // norm), the calling thread does everybody's part, with the same result.
  template <class Work>
  void run(int64_t elements, const Work& work) {
    if (elements >= kWorthForking) return run(work);
    for (int thread = 0; thread < threads_; thread++) work(thread);
  }

  // Thread-local scratch, 64-byte aligned, contents undefined, valid until the next scratch() of the same thread and slot.
  // A kernel that needs several buffers uses several slots (0..7).
  void* scratch(int thread, int slot, size_t bytes);

  Ahead& ahead(int thread);

 private:
  using Function = void (*)(const void*, int);
  void run(Function function, const void* context);
  struct State;
  friend struct HostThreads;  // wasm/pool.cc
  std::unique_ptr<State> state_;
  int threads_;
};

// [begin, end) of part t of n, for static division.
struct Range {
  int64_t begin, end;
};
inline Range partOf(int64_t count, int t, int n) { return {count * t / n, count * (t + 1) / n}; }

}  // namespace fettle

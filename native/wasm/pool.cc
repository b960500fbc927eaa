// The pool of pool.h where threads are the host's workers, each with an instance of the same module over the same memory: a worker
// calls work(), and stays there. Until all have come, and where there are none, the caller does everybody's part, with the same result.
#include "pool.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "out_of_memory.h"
#include "wasm/exceptions.h"
#include "wasm/threads.h"

namespace fettle {

namespace {
constexpr int kSlots = 9;
// About 50 us; whoever waits longer sleeps.
constexpr int kSpins = 1 << 14;

struct Buffer {
  void* data = nullptr;
  size_t size = 0;
};

void sleepWhile(std::atomic<uint32_t>& value, uint32_t expected, int64_t nanoseconds) {
  __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(&value), int(expected), nanoseconds);
}
void wake(std::atomic<uint32_t>& value) { __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&value), ~0u); }
}  // namespace

struct Pool::State {
  std::vector<Buffer> scratch;
  std::vector<Ahead> ahead;
  std::vector<uint32_t> seen;  // the generation that a thread worked on last
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<uint32_t> pending{0};
  std::atomic<int> ready{0}, sleeping{0}, failed{0};
  std::atomic<bool> callerSleeps{false};
  bool callerMaySleep = false;
  Function function = nullptr;
  const void* context = nullptr;

  void work(int thread) {
    for (;;) {
      for (int spins = 0; generation.load(std::memory_order_acquire) == seen[size_t(thread)];)
        if (++spins > kSpins) {
          sleeping.fetch_add(1);
          sleepWhile(generation, seen[size_t(thread)], -1);
          sleeping.fetch_sub(1);
        }
      seen[size_t(thread)]++;
      function(context, thread);
      done();
    }
  }
  void done() {
    if (pending.fetch_sub(1) == 1 && callerSleeps.load()) wake(pending);
  }
  void waitForOthers() {
    constexpr int64_t kMillisecond = 1000000;
    int spins = 0;
    while (const uint32_t left = pending.load(std::memory_order_acquire))
      if (callerMaySleep && ++spins > kSpins) {
        callerSleeps.store(true);
        sleepWhile(pending, left, kMillisecond);
        callerSleeps.store(false);
      }
  }
};

// The one pool of this memory.
struct HostThreads {
  static Pool::State* state;
};
Pool::State* HostThreads::state = nullptr;

Pool::Pool(int threads) : state_(new State), threads_(threads) {
  state_->scratch.resize(size_t(threads) * kSlots);
  state_->ahead.resize(size_t(threads));
  state_->seen.resize(size_t(threads));
  HostThreads::state = state_.get();
}

Pool::~Pool() = default;

void Pool::run(Function function, const void* context) {
  State& s = *state_;
  if (s.ready.load() < threads_ - 1 || threads_ == 1) {
    for (int thread = 0; thread < threads_; thread++) function(context, thread);
    return;
  }
  s.function = function;
  s.context = context;
  s.pending.store(uint32_t(threads_ - 1));
  s.generation.fetch_add(1);
  if (s.sleeping.load() > 0) wake(s.generation);
  function(context, 0);
  s.waitForOthers();
  if (s.failed.exchange(0)) throw std::runtime_error(lastFailure);
}

// The host's threads cannot be moved to other cores: who waits looks again.
void Pool::pause(Patience&) {}
void Pool::settle() {}

Ahead& Pool::ahead(int thread) { return state_->ahead[size_t(thread)]; }

void* Pool::scratch(int thread, int slot, size_t bytes) {
  Buffer& buffer = state_->scratch[size_t(thread) * kSlots + size_t(slot)];
  if (buffer.size < bytes) {
    std::free(std::exchange(buffer.data, nullptr));
    buffer.size = 0;
    buffer.data = std::malloc(bytes);
    if (!buffer.data) throw OutOfMemory(bytes, "a kernel");
    buffer.size = bytes;
  }
  return buffer.data;
}

void enterPool(int thread) {
  HostThreads::state->ready.fetch_add(1);
  HostThreads::state->work(thread);
}
void enterPoolAgain(int thread) {
  HostThreads::state->failed.store(1);
  HostThreads::state->done();
  HostThreads::state->work(thread);
}
void settlePool() {
  HostThreads::state->waitForOthers();
  HostThreads::state->failed.store(0);
}
void letCallerSleep(bool may) { HostThreads::state->callerMaySleep = may; }

}  // namespace fettle

#include "pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "out_of_memory.h"

namespace fettle {

namespace {
inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
// Waiting longer than this sleeps: a condition variable wakes in about 7 us, so little is lost.
constexpr auto kSpinTime = std::chrono::microseconds(50);
constexpr int kSlots = 9;

// Windows has no aligned_alloc, and its free() does not take what is aligned. Null where there is no memory.
void* allocateAligned(size_t bytes) { return ::operator new(bytes, std::align_val_t(64), std::nothrow); }
void freeAligned(void* data) { ::operator delete(data, std::align_val_t(64)); }

struct Buffer {
  void* data = nullptr;
  size_t size = 0;
};
}  // namespace

struct Pool::State {
  std::vector<std::thread> workers;
  std::vector<Buffer> scratch;
  std::vector<Ahead> ahead;
  std::mutex mutex;
  std::condition_variable wake;
  alignas(64) std::atomic<uint64_t> generation{0};
  alignas(64) std::atomic<int> pending{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};
  Function function = nullptr;
  const void* context = nullptr;
  // The first exception of a piece of work; it goes on to the caller when all threads are done.
  std::exception_ptr failure;

  void call(int thread) {
    try {
      function(context, thread);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  void work(int thread) {
    uint64_t seen = 0;
    for (;;) {
      const auto started = std::chrono::steady_clock::now();
      int rounds = 0;
      while (generation.load(std::memory_order_acquire) == seen && !stop.load(std::memory_order_relaxed)) {
        if (!ahead[thread].ask()) relax();
        if (++rounds % 64 == 0 && std::chrono::steady_clock::now() - started > kSpinTime) {
          std::unique_lock lock(mutex);
          sleeping.fetch_add(1);
          wake.wait(lock, [&] { return generation.load() != seen || stop.load(); });
          sleeping.fetch_sub(1);
        }
      }
      if (stop.load(std::memory_order_relaxed)) return;
      seen++;
      call(thread);
      pending.fetch_sub(1, std::memory_order_release);
    }
  }

  // Ends the threads that there are.
  void end() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (auto& worker : workers) worker.join();
    for (auto& buffer : scratch) freeAligned(buffer.data);
  }
};

Pool::Pool(int threads) : state_(new State), threads_(threads) {
  state_->scratch.resize(size_t(threads) * kSlots);
  state_->ahead.resize(threads);
  state_->workers.reserve(threads);
  try {
    for (int t = 1; t < threads; t++) state_->workers.emplace_back([this, t] { state_->work(t); });
  } catch (...) {
    state_->end();
    throw;
  }
}

Pool::~Pool() { state_->end(); }

void Pool::run(Function function, const void* context) {
  State& s = *state_;
  s.function = function;
  s.context = context;
  if (threads_ > 1) {
    s.pending.store(threads_ - 1, std::memory_order_relaxed);
    s.generation.fetch_add(1);
    if (s.sleeping.load() > 0) {
      std::lock_guard lock(s.mutex);
      s.wake.notify_all();
    }
  }
  s.call(0);
  // Another thread that was descheduled would otherwise be kept from running by this one.
  for (int rounds = 0; threads_ > 1 && s.pending.load(std::memory_order_acquire) > 0; rounds++) {
    if (!s.ahead[0].ask()) relax();
    if (rounds > 4096) std::this_thread::yield();
  }
  if (s.failure) std::rethrow_exception(std::exchange(s.failure, nullptr));
}

Ahead& Pool::ahead(int thread) { return state_->ahead[thread]; }

void* Pool::scratch(int thread, int slot, size_t bytes) {
  Buffer& buffer = state_->scratch[size_t(thread) * kSlots + slot];
  if (buffer.size < bytes) {
    freeAligned(std::exchange(buffer.data, nullptr));
    buffer.size = 0;
    const size_t rounded = bytes < SIZE_MAX - 4095 ? (bytes + 4095) / 4096 * 4096 : 0;
    if (rounded > 0) buffer.data = allocateAligned(rounded);
    if (!buffer.data) throw OutOfMemory(bytes, "a kernel");
    buffer.size = rounded;
  }
  return buffer.data;
}

}  // namespace fettle

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
#include "seat.h"

namespace fettle {

namespace {
inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
int64_t nanoseconds() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Waiting longer than this sleeps: a condition variable wakes in about 7 us, so little is lost.
constexpr auto kSpinTime = std::chrono::microseconds(50);
// As long a thread sleeps at most whose core another one has.
constexpr auto kLendTime = std::chrono::milliseconds(1);
constexpr int kSlots = 9;

// Windows has no aligned_alloc, and its free() does not take what is aligned. Null where there is no memory.
void* allocateAligned(size_t bytes) { return ::operator new(bytes, std::align_val_t(64), std::nothrow); }
void freeAligned(void* data) { ::operator delete(data, std::align_val_t(64)); }

struct Buffer {
  void* data = nullptr;
  size_t size = 0;
};

// The number of the calling thread in the pool for which it works.
thread_local int self = 0;
}  // namespace

struct Pool::State {
  // The piece of work, counted from 1, whose part was taken last; parts are taken once.
  struct alignas(64) Part {
    std::atomic<uint64_t> taken{0};
  };
  std::vector<std::thread> workers;
  std::vector<Buffer> scratch;
  std::vector<Ahead> ahead;
  std::vector<Part> parts;
  std::vector<Seat> seats;
  std::mutex mutex;
  std::condition_variable wake, returned;
  std::atomic<uint64_t> returns{0};  // of threads that had another's core
  alignas(64) std::atomic<uint64_t> generation{0};
  alignas(64) std::atomic<int> pending{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};
  Function function = nullptr;
  const void* context = nullptr;
  std::unique_ptr<const Slowness> slowness = Slowness::fromEnvironment();
  // The first exception of a piece of work; it goes on to the caller when all threads are done.
  std::exception_ptr failure;

  explicit State(int threads) : scratch(size_t(threads) * kSlots), ahead(threads), parts(threads), seats(threads) {}

  void call(int part) {
    try {
      const Slowness::Piece piece(slowness.get());
      function(context, part);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  // The thread's own part and those that nobody has begun. One that comes late to a piece of work that has ended finds none: then
  // all are taken, for this piece or for a later one.
  void work(int thread, uint64_t piece) {
    const int count = int(parts.size());
    for (int i = 0; i < count; i++) {
      const int part = (thread + i) % count;
      uint64_t before = piece - 1;
      if (!parts[part].taken.compare_exchange_strong(before, piece, std::memory_order_acq_rel)) continue;
      call(part);
      pending.fetch_sub(1, std::memory_order_release);
    }
  }

  // Returns the piece of work that came, or 0 for the end.
  uint64_t awaitWork(int thread, uint64_t seen) {
    const auto isThere = [&] { return generation.load(std::memory_order_acquire) != seen || stop.load(std::memory_order_relaxed); };
    const auto started = std::chrono::steady_clock::now();
    for (int rounds = 1; !isThere(); rounds++) {
      if (!ahead[thread].ask()) relax();
      if (rounds % 64 || std::chrono::steady_clock::now() - started < kSpinTime) continue;
      settle(thread);
      giveCore(thread);
      std::unique_lock lock(mutex);
      sleeping.fetch_add(1);
      wake.wait(lock, isThere);
      sleeping.fetch_sub(1);
    }
    return stop.load(std::memory_order_relaxed) ? 0 : generation.load(std::memory_order_acquire);
  }

  // A thread without work takes the place of one that waits for a core: of the caller first, which everybody waits for.
  void giveCore(int thread) {
    for (int other = 0; other < int(seats.size()); other++)
      if (other != thread && seats[other].give(seats[thread])) return;
  }
  // One that waits for others sleeps while one of them has its core. The caller keeps it.
  void lendCore(int thread) {
    const uint64_t before = returns.load();
    for (int other = 0; other < int(seats.size()); other++) {
      if (other == thread || !(other ? seats[other].lend() : seats[0].give(seats[thread]))) continue;
      if (other == 0) return;
      std::unique_lock lock(mutex);
      returned.wait_for(lock, kLendTime, [&] { return returns.load() != before; });
      return;
    }
  }
  void settle(int thread) {
    if (!seats[thread].isLent()) return;
    {
      std::lock_guard lock(mutex);
      returns.fetch_add(1);
    }
    returned.notify_all();
    seats[thread].goHome();
  }

  void serve(int thread) {
    self = thread;
    Slowness::iAm(thread);
    seats[thread].take();
    for (uint64_t piece = 0; (piece = awaitWork(thread, piece));) {
      seats[thread].isNeeded.store(true, std::memory_order_relaxed);
      work(thread, piece);
      seats[thread].isNeeded.store(false, std::memory_order_relaxed);
      settle(thread);
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

Pool::Pool(int threads) : state_(new State(threads)), slowness_(state_->slowness.get()), threads_(threads) {
  state_->workers.reserve(threads);
  try {
    for (int t = 1; t < threads; t++) state_->workers.emplace_back([this, t] { state_->serve(t); });
  } catch (...) {
    state_->end();
    throw;
  }
}

Pool::~Pool() { state_->end(); }

void Pool::run(Function function, const void* context) {
  State& s = *state_;
  self = 0;
  Slowness::iAm(0);
  s.seats[0].take();
  s.seats[0].isNeeded.store(true, std::memory_order_relaxed);
  s.function = function;
  s.context = context;
  s.pending.store(threads_, std::memory_order_relaxed);
  const uint64_t piece = s.generation.fetch_add(1) + 1;
  if (s.sleeping.load() > 0) {
    std::lock_guard lock(s.mutex);
    s.wake.notify_all();
  }
  s.work(0, piece);
  await([&] { return s.pending.load(std::memory_order_acquire) == 0; });
  s.seats[0].isNeeded.store(false, std::memory_order_relaxed);
  if (s.failure) std::rethrow_exception(std::exchange(s.failure, nullptr));
}
void Pool::pause(Patience& patience) {
  State& s = *state_;
  if (!s.ahead[size_t(self)].ask()) relax();
  if (++patience.rounds % 64) return;
  if (patience.rounds == 64) patience.since = nanoseconds();
  if (nanoseconds() - patience.since < std::chrono::nanoseconds(kSpinTime).count()) return;
  s.settle(self);
  s.lendCore(self);
  // A thread that was descheduled would otherwise be kept from running by this one.
  std::this_thread::yield();
  patience.since = nanoseconds();
}

void Pool::settle() { state_->settle(self); }

Ahead& Pool::ahead(int) { return state_->ahead[size_t(self)]; }

void* Pool::scratch(int part, int slot, size_t bytes) {
  Buffer& buffer = state_->scratch[size_t(part) * kSlots + slot];
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

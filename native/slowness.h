// Threads that are slower than others, as on a busy machine or on slow cores: tests ask for them with FETTLE_TEST_SLOWNESS.
//   third   every second thread works at a third of its speed
//   random  threads pause at random after pieces of work, 0.3 ms at most
#pragma once
#if !defined(__wasm__)
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#endif

namespace fettle {

#if defined(__wasm__)
class Slowness {
 public:
  struct Piece {
    explicit Piece(const Slowness*) {}
  };
};
#else
class Slowness {
  using Clock = std::chrono::steady_clock;

 public:
  // Null where the variable is not set.
  static std::unique_ptr<const Slowness> fromEnvironment() {
    const char* kind = std::getenv("FETTLE_TEST_SLOWNESS");
    if (!kind || !*kind) return nullptr;
    return std::unique_ptr<const Slowness>(new Slowness(std::strcmp(kind, "random") == 0));
  }

  // Lasts as long as a piece of work of this thread; its end is delayed. Pieces within pieces count once.
  class Piece {
   public:
    explicit Piece(const Slowness* slowness) : slowness_(slowness) {
      if (!slowness_) return;
      counted_ = self().counted;
      begun_ = Clock::now();
    }
    ~Piece() {
      if (!slowness_) return;
      Self& me = self();
      slowness_->delay(me, Clock::now() - begun_ - (me.counted - counted_));
      me.counted = counted_ + (Clock::now() - begun_);
    }
    Piece(const Piece&) = delete;

   private:
    const Slowness* slowness_;
    Clock::time_point begun_;
    Clock::duration counted_{0};
  };

  // The calling thread is number `thread` of its pool.
  static void iAm(int thread) { self().number = thread; }

 private:
  struct Self {
    int number = 0;
    uint32_t random = 0x9e3779b9;
    Clock::duration counted{0}, owed{0};  // time of pieces that have ended; that must still be waited
  };
  static Self& self() {
    static thread_local Self self;
    return self;
  }
  explicit Slowness(bool random) : random_(random) {}
  void delay(Self& me, Clock::duration worked) const {
    if (!random_) {
      if (me.number % 2 == 1) me.owed += 2 * worked;
    } else {
      me.random = me.random * 1664525 + 1013904223 + (uint32_t)me.number;
      if (me.random >> 29 == 0) me.owed += std::chrono::nanoseconds(me.random % 300000);
    }
    // Sleeping takes some 50 us longer than asked for.
    if (me.owed < std::chrono::microseconds(100)) return;
    const auto before = Clock::now();
    std::this_thread::sleep_for(me.owed);
    me.owed -= Clock::now() - before;
  }
  bool random_;
};
#endif

}  // namespace fettle

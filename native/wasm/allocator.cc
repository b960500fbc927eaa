// The C library's heap, for memory that threads share: theirs is written for one thread. Blocks are multiples of 64 bytes, begin
// at such, and carry 64 bytes before them: programs make few small ones. A free block joins its neighbours; free ones hang in lists by
// size. The lock only spins, since a page's main thread must not sleep, and nobody holds it for long.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "out_of_memory.h"

extern "C" char __heap_base;

namespace fettle {
namespace {

constexpr size_t kUnit = 64, kPage = 65536;
// Asked of the host at a time: each growth is told to all threads.
constexpr size_t kGrowth = 4 << 20;

struct Block {
  size_t bytes;   // with this header
  size_t before;  // bytes of the block that ends where this one begins; 0: none
  bool isFree;
  Block *next, *previous;  // of a list, while it is free
  Block* after() { return reinterpret_cast<Block*>(reinterpret_cast<char*>(this) + bytes); }
  Block* neighbourBefore() { return reinterpret_cast<Block*>(reinterpret_cast<char*>(this) - before); }
  void* payload() { return reinterpret_cast<char*>(this) + kUnit; }
  static Block* of(void* payload) { return reinterpret_cast<Block*>(static_cast<char*>(payload) - kUnit); }
};
static_assert(sizeof(Block) <= kUnit);

// Lists: one for each of the first sizes, then one for each power of two.
constexpr int kExact = 32, kLists = kExact + 32;
Block* lists[kLists];
char* end = nullptr;  // of what belongs to blocks
Block* last = nullptr;
std::atomic<int> locked{0};

struct Lock {
  Lock() {
    while (locked.exchange(1, std::memory_order_acquire)) {
    }
  }
  ~Lock() { locked.store(0, std::memory_order_release); }
};

int listOf(size_t bytes) {
  const size_t units = bytes / kUnit;
  return units < kExact ? int(units) : kExact + 31 - __builtin_clz(uint32_t(units));
}

void hang(Block* block) {
  Block*& first = lists[listOf(block->bytes)];
  block->isFree = true;
  block->previous = nullptr;
  block->next = first;
  if (first) first->previous = block;
  first = block;
}

void unhang(Block* block) {
  if (block->previous) block->previous->next = block->next;
  else lists[listOf(block->bytes)] = block->next;
  if (block->next) block->next->previous = block->previous;
  block->isFree = false;
}

void tellAfter(Block* block) {
  if (block == last) return;
  block->after()->before = block->bytes;
}

// A block at the end of the heap, of `bytes` at least; the last one grows where it is free. Null where the host has no more.
Block* grow(size_t bytes) {
  if (!end) end = reinterpret_cast<char*>((uintptr_t(&__heap_base) + kUnit - 1) / kUnit * kUnit);
  Block* const tail = last && last->isFree ? last : nullptr;
  char* const from = tail ? reinterpret_cast<char*>(tail) : end;
  const size_t limit = __builtin_wasm_memory_size(0);  // pages
  const uint64_t wanted = uint64_t(uintptr_t(from)) + bytes, there = uint64_t(limit) * kPage;
  if (wanted > there) {
    const uint64_t missing = wanted - there;
    const auto ask = [](uint64_t more) {
      return more <= uint64_t(1) << 32 && __builtin_wasm_memory_grow(0, size_t((more + kPage - 1) / kPage)) != SIZE_MAX;
    };
    if (!ask(missing + kGrowth) && !ask(missing)) return nullptr;
  }
  if (tail) unhang(tail);
  Block* const block = reinterpret_cast<Block*>(from);
  if (!tail) {
    block->before = last ? last->bytes : 0;
    last = block;
  }
  block->bytes = bytes;
  block->isFree = false;
  end = from + bytes;
  return block;
}

Block* find(size_t bytes) {
  for (int list = listOf(bytes); list < kLists; list++)
    for (Block* block = lists[list]; block; block = block->next)
      if (block->bytes >= bytes) return block;
  return nullptr;
}

void* allocate(size_t wanted) {
  if (wanted > SIZE_MAX - 2 * kUnit - kPage) return nullptr;
  const size_t bytes = (wanted + kUnit - 1) / kUnit * kUnit + kUnit;
  const Lock lock;
  Block* block = find(bytes);
  if (!block) {
    block = grow(bytes);
    return block ? block->payload() : nullptr;
  }
  unhang(block);
  if (block->bytes - bytes >= 2 * kUnit) {
    Block* const rest = reinterpret_cast<Block*>(reinterpret_cast<char*>(block) + bytes);
    rest->bytes = block->bytes - bytes;
    rest->before = bytes;
    if (last == block) last = rest;
    block->bytes = bytes;
    tellAfter(rest);
    hang(rest);
  }
  return block->payload();
}

void release(void* payload) {
  if (!payload) return;
  const Lock lock;
  Block* block = Block::of(payload);
  if (block != last && block->after()->isFree) {
    Block* const after = block->after();
    unhang(after);
    block->bytes += after->bytes;
    if (last == after) last = block;
  }
  if (block->before && block->neighbourBefore()->isFree) {
    Block* const before = block->neighbourBefore();
    unhang(before);
    before->bytes += block->bytes;
    if (last == block) last = before;
    block = before;
  }
  tellAfter(block);
  hang(block);
}

}  // namespace
}  // namespace fettle

extern "C" {
void* malloc(size_t bytes) { return fettle::allocate(bytes); }
void free(void* data) { fettle::release(data); }
void* calloc(size_t count, size_t each) {
  size_t bytes;
  if (__builtin_mul_overflow(count, each, &bytes)) return nullptr;
  void* data = fettle::allocate(bytes);
  if (data) memset(data, 0, bytes);
  return data;
}
void* realloc(void* data, size_t bytes) {
  void* moved = fettle::allocate(bytes);
  if (moved && data) {
    const size_t had = fettle::Block::of(data)->bytes - fettle::kUnit;
    memcpy(moved, data, had < bytes ? had : bytes);
    fettle::release(data);
  }
  return moved;
}
void* aligned_alloc(size_t alignment, size_t bytes) { return alignment <= fettle::kUnit ? fettle::allocate(bytes) : nullptr; }
int posix_memalign(void** to, size_t alignment, size_t bytes) {
  *to = aligned_alloc(alignment, bytes);
  return *to ? 0 : ENOMEM;
}
}

// Nothing that the standard library throws is caught here: see exceptions.cc.
static void* allocated(size_t bytes) {
  void* data = fettle::allocate(bytes);
  if (!data) throw fettle::OutOfMemory(bytes, "what describes programs");
  return data;
}
void* operator new(size_t bytes) { return allocated(bytes); }
void* operator new[](size_t bytes) { return allocated(bytes); }
void* operator new(size_t bytes, std::align_val_t) { return allocated(bytes); }
void* operator new[](size_t bytes, std::align_val_t) { return allocated(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return fettle::allocate(bytes); }
void* operator new(size_t bytes, std::align_val_t, const std::nothrow_t&) noexcept { return fettle::allocate(bytes); }
void operator delete(void* data) noexcept { free(data); }
void operator delete[](void* data) noexcept { free(data); }
void operator delete(void* data, size_t) noexcept { free(data); }
void operator delete[](void* data, size_t) noexcept { free(data); }
void operator delete(void* data, std::align_val_t) noexcept { free(data); }
void operator delete[](void* data, std::align_val_t) noexcept { free(data); }
void operator delete(void* data, size_t, std::align_val_t) noexcept { free(data); }
void operator delete[](void* data, size_t, std::align_val_t) noexcept { free(data); }

#include "runner.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "out_of_memory.h"

namespace fettle {

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path, std::string& error) {
  // Not to wait for somebody who writes to a pipe.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    error = file < 0 ? std::strerror(errno) : "no file";
    if (file >= 0) close(file);
    return nullptr;
  }
  auto mapped = std::make_shared<MappedFile>();
  mapped->size = status.st_size;
  void* data = mmap(nullptr, mapped->size, PROT_READ, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) {
    error = std::strerror(errno);
    mapped = nullptr;
  } else {
    mapped->data = static_cast<char*>(data);
  }
  close(file);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data) munmap(data, size);
}

void MappedFile::forget(const char* from, size_t bytes) {
  const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  // Pages that it shares with its neighbours stay.
  const uintptr_t begin = (uintptr_t(from) + page - 1) / page * page, end = (uintptr_t(from) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Memory::Memory(size_t bytes, const char* purpose) : size(bytes ? bytes : 1) {
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw OutOfMemory(bytes, purpose);
  data = static_cast<char*>(block);
}

Memory::~Memory() {
  if (data) munmap(data, size);
}

int64_t Runner::add(std::shared_ptr<Persistent> tensor) {
  static std::atomic<int64_t> next{1};
  tensor->tensor.blocks = tensor->blocks.data();
  tensor->tensor.blockCount = int(tensor->blocks.size());
  const int64_t handle = next++;
  tensors_[handle] = std::move(tensor);
  return handle;
}

std::shared_ptr<Persistent> Runner::persistent(int64_t handle) const {
  const auto found = tensors_.find(handle);
  return found == tensors_.end() ? nullptr : found->second;
}

void IntegerCheck::run(const char* op) const {
  const int32_t* values = tensor->as<const int32_t>();
  const int64_t count = std::max(tensor->size(), leastCount), least = from, end = below + (place ? place->shape[dimension] : 0);
  int64_t wrong = 0;
  for (int64_t i = 0; i < count; i++) wrong += values[i] < least || values[i] >= end;
  if (!wrong) return;
  int64_t i = 0;
  while (values[i] >= least && values[i] < end) i++;
  throw std::out_of_range(std::string(op) + ": " + name + "[" + std::to_string(i) + "] is " + std::to_string(values[i]) +
                          "; expected " + std::to_string(least) + " to " + std::to_string(end - 1));
}

bool Program::setRows(const std::vector<int64_t>& counts) {
  const auto countOf = [&](const ProgramTensor& entry) {
    return entry.symbol >= 0 && size_t(entry.symbol) < counts.size() ? counts[size_t(entry.symbol)] : 0;
  };
  for (const auto& entry : tensors) {
    const int64_t count = countOf(entry);
    if (count < 0 || count > entry.compiledRows / entry.rowsOfEach) return false;
  }
  for (auto& entry : tensors) {
    const int64_t count = countOf(entry);
    entry.tensor.shape[0] = count ? count * entry.rowsOfEach : entry.compiledRows;
  }
  return true;
}

bool Runner::run(Program& program, const std::atomic<bool>* stop) {
  turn_++;
  if (!arena_ || arena_->size < program.arenaBytes) {
    arena_ = nullptr;
    arena_ = std::make_unique<Memory>(program.arenaBytes, "activations");
  }
  if (program.arena != arena_->data) {
    program.arena = arena_->data;
    for (auto& entry : program.tensors) {
      if (entry.arenaOffset < 0) continue;
      entry.block = {0, arena_->data + entry.arenaOffset};
      entry.tensor.blocks = &entry.block;
      entry.tensor.blockCount = 1;
    }
  }
  if (!runCommands(program, 0, program.firstCommands, stop)) return false;
  program.turn = turn_;
  return true;
}

void Runner::finish(Program& program) {
  turn_++;
  runCommands(program, program.firstCommands, program.commands.size(), nullptr);
  program.finishTurn = turn_;
}

bool Runner::runCommands(Program& program, size_t begin, size_t end, const std::atomic<bool>* stop) {
  auto before = std::chrono::steady_clock::now();
  for (size_t i = begin; i < end; i++) {
    const ProgramCommand& command = program.commands[i];
    if (stop && stop->load(std::memory_order_relaxed)) return false;
    for (const IntegerCheck& integers : command.integers) integers.run(kOpNames[int(command.op)]);
    command.kernel(command.call);
    if (!command.mapped.empty()) forgetStreamed(command);
    const auto after = std::chrono::steady_clock::now();
    nanoseconds_[2 * int(command.op) + command.vjp] += std::chrono::duration<double, std::nano>(after - before).count();
    before = after;
  }
  return true;
}

void Runner::stream(const std::vector<std::shared_ptr<Persistent>>& weights) {
  for (auto& [handle, tensor] : tensors_) tensor->streamed = false;
  for (const auto& weight : weights) weight->streamed = true;
}

void Runner::forgetStreamed(const ProgramCommand& command) {
  for (const auto& weight : command.mapped) {
    if (!weight->streamed) continue;
    pool_.run([&](int thread) {
      for (const auto& [from, bytes] : weight->mapped) {
        const Range mine = partOf(int64_t(bytes), thread, pool_.threads());
        MappedFile::forget(from + mine.begin, size_t(mine.end - mine.begin));
      }
    });
  }
}

std::vector<double> Runner::takeProfile() {
  std::vector<double> taken(nanoseconds_, nanoseconds_ + 2 * kOpCount);
  std::memset(nanoseconds_, 0, sizeof nanoseconds_);
  return taken;
}

}  // namespace fettle

#include "runner.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace fettle {

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

#include "runner.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "idle_memory.h"

namespace fettle {

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path, std::string& error) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) {
    error = std::strerror(errno);
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

Memory::Memory(size_t bytes) : size(bytes ? bytes : 1) {
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  data = static_cast<char*>(block);
}

Memory::~Memory() {
  if (data) munmap(data, size);
}

int Runner::add(std::shared_ptr<Persistent> tensor) {
  tensor->tensor.blocks = tensor->blocks.data();
  tensor->tensor.blockCount = int(tensor->blocks.size());
  tensors_[nextHandle_] = std::move(tensor);
  return nextHandle_++;
}

namespace {
struct Reader {
  const double* at;
  const double* end;
  bool overrun = false;
  double next() {
    if (at >= end) {
      overrun = true;
      return 0;
    }
    return *at++;
  }
};
}  // namespace

std::shared_ptr<Program> Runner::decode(const double* code, size_t length, size_t arenaBytes, std::string& error) {
  auto program = std::make_shared<Program>();
  program->arenaBytes = arenaBytes;
  Reader reader{code, code + length};
  program->tensors.resize(size_t(reader.next()));
  for (auto& entry : program->tensors) {
    const bool transient = reader.next() != 0;
    const double place = reader.next();
    Tensor& tensor = entry.tensor;
    tensor.dtype = DType(int(reader.next()));
    tensor.rank = int(reader.next());
    for (int i = 0; i < 4; i++) tensor.shape[i] = int64_t(reader.next());
    entry.symbol = int(reader.next());
    entry.rowsOfEach = std::max(int64_t(1), int64_t(reader.next()));
    if (transient) {
      entry.arenaOffset = int64_t(place);
    } else {
      auto found = tensors_.find(int(place));
      if (found == tensors_.end()) {
        error = "a program names a tensor that was freed";
        return nullptr;
      }
      entry.persistent = found->second;
      tensor = found->second->tensor;
    }
    entry.compiledRows = tensor.shape[0];
  }
  program->commands.resize(size_t(reader.next()));
  program->firstCommands = std::min(size_t(reader.next()), program->commands.size());
  for (auto& command : program->commands) {
    const int op = int(reader.next());
    if (op < 0 || op >= kOpCount) {
      error = "unknown opcode " + std::to_string(op);
      return nullptr;
    }
    command.op = Op(op);
    command.vjp = reader.next() != 0;
    command.kernel = command.vjp ? kernels_->vjp[op] : kernels_->forward[op];
    if (!command.kernel) {
      error = std::string(kOpNames[op]) + " has no gradient";
      return nullptr;
    }
    Call& call = command.call;
    std::memset(&call, 0, sizeof call);
    auto tensorAt = [&](double index) -> Tensor* {
      if (index < 0 || size_t(index) >= program->tensors.size()) return nullptr;
      return &program->tensors[size_t(index)].tensor;
    };
    const int inputs = int(reader.next());
    for (int i = 0; i < inputs; i++) {
      const double index = reader.next();
      Tensor* tensor = tensorAt(index);
      if (i < kMaxArguments) call.in[i] = tensor;
      const auto& persistent = tensor ? program->tensors[size_t(index)].persistent : nullptr;
      if (persistent && !persistent->mapped.empty()) command.mapped.push_back(persistent);
    }
    const int outputs = int(reader.next());
    for (int i = 0; i < outputs; i++) {
      Tensor* tensor = tensorAt(reader.next());
      const bool accumulate = reader.next() != 0;
      if (i < kMaxArguments) call.out[i] = tensor, call.accumulate[i] = accumulate;
    }
    if (inputs > kMaxArguments || outputs > kMaxArguments) {
      error = "too many arguments";
      return nullptr;
    }
    command.attributes.resize(size_t(reader.next()));
    for (double& attribute : command.attributes) attribute = reader.next();
    call.attributes = command.attributes.data();
    call.pool = &pool_;
  }
  if (reader.overrun) {
    error = "a program ends early";
    return nullptr;
  }
  // Decoding runs the same program again and again: after the last layer comes the first.
  const Tensor* upcoming = nullptr;
  for (int round = 0; round < 2; round++)
    for (size_t i = program->commands.size(); i-- > 0;) {
      ProgramCommand& command = program->commands[i];
      command.call.upcoming = upcoming;
      if (command.op == Op::linear && !command.vjp) upcoming = &args::Linear(command.call).weight();
    }
  return program;
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
    // Loading a model and preparing data leave tens of MiB behind.
    arena_ = nullptr;
    returnIdleMemory();
    arena_ = std::make_unique<Memory>(program.arenaBytes);
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
}

bool Runner::runCommands(Program& program, size_t begin, size_t end, const std::atomic<bool>* stop) {
  auto before = std::chrono::steady_clock::now();
  for (size_t i = begin; i < end; i++) {
    const ProgramCommand& command = program.commands[i];
    if (stop && stop->load(std::memory_order_relaxed)) return false;
    command.kernel(command.call);
    if (!command.mapped.empty()) forgetStreamed(command);
    const auto after = std::chrono::steady_clock::now();
    nanoseconds_[2 * int(command.op) + command.vjp] += std::chrono::duration<double, std::nano>(after - before).count();
    before = after;
  }
  return true;
}

void Runner::stream(const std::vector<int>& handles) {
  for (auto& [handle, tensor] : tensors_) tensor->streamed = false;
  for (const int handle : handles) tensors_.at(handle)->streamed = true;
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

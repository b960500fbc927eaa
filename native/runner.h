// Holds persistent tensors and programs, and runs programs command by command. Knows nothing of JavaScript.
#pragma once
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels.h"

namespace fettle {

// A file mapped read-only; pages are read when first touched and shared with every other process that maps it.
class MappedFile {
 public:
  static std::shared_ptr<MappedFile> open(const std::string& path, std::string& error);
  ~MappedFile();
  // Takes a stretch that was read once out of the process's memory; touching it again maps it again.
  static void forget(const char* from, size_t bytes);
  char* data = nullptr;
  size_t size = 0;
};

// Zeroed memory straight from the operating system, so that pages cost nothing before they are touched.
class Memory {
 public:
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  char* data = nullptr;
  size_t size = 0;
};

struct Persistent {
  Tensor tensor;
  std::vector<RowBlock> blocks;
  std::vector<std::shared_ptr<void>> owners;  // what keeps the blocks' memory alive
  struct Stretch {
    const char* from;
    size_t bytes;
  };
  std::vector<Stretch> mapped;  // of files
  bool streamed = false;        // its stretches are forgotten after each command that reads them
};

struct ProgramTensor {
  Tensor tensor;
  RowBlock block{0, nullptr};
  int64_t arenaOffset = -1;  // -1: persistent
  int64_t compiledRows = 0;
  int symbol = -1;         // what the rows are counted in, -1: they are as compiled
  int64_t rowsOfEach = 1;  // of it
  std::shared_ptr<Persistent> persistent;
};

struct ProgramCommand {
  Op op;
  bool vjp;
  Kernel kernel;
  Call call;
  std::vector<double> attributes;
  std::vector<std::shared_ptr<Persistent>> mapped;  // inputs that are mapped from files
};

struct Program {
  std::vector<ProgramTensor> tensors;
  std::vector<ProgramCommand> commands;
  size_t firstCommands = 0;  // that run() runs; finish() runs the others
  uint64_t turn = 0;         // Runner's when it ran last
  size_t arenaBytes = 0;
  const char* arena = nullptr;  // for which base the tensors' pointers were set
  // Rows of the tensors that are counted in symbols, by the symbols' numbers; what is 0 or not there: as compiled. Returns false
  // where there is no room for so many.
  bool setRows(const std::vector<int64_t>& counts);
};

class Runner {
 public:
  Runner(const Kernels* kernels, int threads) : kernels_(kernels), pool_(threads) {}

  const Kernels* kernels() const { return kernels_; }
  int threads() const { return pool_.threads(); }
  Pool& pool() { return pool_; }

  int add(std::shared_ptr<Persistent> tensor);
  std::shared_ptr<Persistent> persistent(int handle) const { return tensors_.at(handle); }
  void drop(int handle) { tensors_.erase(handle); }
  // These weights, and no others, are forgotten after use, as far as they are mapped from files.
  void stream(const std::vector<int>& handles);

  // The encoding is that of src/engine/native/program-code.ts. Returns null with a message for what it can't decode.
  std::shared_ptr<Program> decode(const double* code, size_t length, size_t arenaBytes, std::string& error);
  // Returns false when `stop` became true before the end; an op that is under way is finished.
  bool run(Program& program, const std::atomic<bool>* stop = nullptr);
  // Whether the program ran last and was not finished: its memory is as run() left it.
  bool isUnfinished(const Program& program) const { return program.turn == turn_; }
  void finish(Program& program);

  // Gives the programs' memory back; the next run takes it anew.
  void release() { arena_ = nullptr, turn_++; }

  // Nanoseconds by opcode, forward at 2·op and vjp at 2·op + 1; reading starts anew.
  std::vector<double> takeProfile();

 private:
  const Kernels* kernels_;
  Pool pool_;
  std::map<int, std::shared_ptr<Persistent>> tensors_;
  int nextHandle_ = 1;
  std::unique_ptr<Memory> arena_;
  uint64_t turn_ = 1;
  bool runCommands(Program& program, size_t begin, size_t end, const std::atomic<bool>* stop);
  void forgetStreamed(const ProgramCommand& command);
  double nanoseconds_[2 * kOpCount] = {};
};

}  // namespace fettle

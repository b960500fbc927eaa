// Holds persistent tensors and programs, and runs programs command by command. Knows nothing of JavaScript.
#pragma once
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels.h"
#include "pages.h"

namespace fettle {

// Of numbers that are not quantised.
inline size_t bytesOf(DType dtype) { return dtype == DType::bf16 ? 2 : 4; }

struct Persistent {
  Tensor tensor;
  std::vector<RowBlock> blocks;
  std::vector<std::shared_ptr<void>> owners;  // what keeps the blocks' memory alive
  struct Stretch {
    const char* from;
    size_t bytes;
  };
  std::vector<Stretch> mapped;  // of files
  bool isReadOnly = false;      // some of it is, or a view of what is
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

// Integers that a kernel takes for places in a dimension: wrong ones would lead it out of a tensor, so they are looked at
// right before it runs. Takes less than a microsecond for 1,000 of them.
struct IntegerCheck {
  const Tensor* tensor;
  const char* name;
  int64_t from;         // at least; −1 from some row on is padding
  int64_t below;        // and below this, and the size of a dimension
  const Tensor* place;  // whose size it is; may be null
  int dimension;
  int64_t leastCount;   // of integers that are looked at, where the tensor has fewer rows than that now
  void run(const char* op) const;  // throws std::out_of_range
};

struct ProgramCommand {
  Op op;
  bool vjp;
  Kernel kernel;
  Call call;
  std::vector<double> attributes;
  std::vector<std::shared_ptr<Persistent>> mapped;  // inputs that are mapped from files
  std::vector<IntegerCheck> integers;
};

// What rows may be counted in.
constexpr int kMostSymbols = 64;

struct Program {
  std::vector<ProgramTensor> tensors;
  std::vector<ProgramCommand> commands;
  size_t firstCommands = 0;  // that run() runs; finish() runs the others
  uint64_t turn = 0;         // Runner's when it ran last
  uint64_t finishTurn = 0;   // and when it was finished
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

  // Returns a handle that no other tensor of this process has or had.
  int64_t add(std::shared_ptr<Persistent> tensor);
  // Null where there is none.
  std::shared_ptr<Persistent> persistent(int64_t handle) const;
  void drop(int64_t handle) { tensors_.erase(handle); }
  // These weights, and no others, are forgotten after use, as far as they are mapped from files.
  void stream(const std::vector<std::shared_ptr<Persistent>>& weights);

  // Reads the numbers of src/engine/native/program-code.ts (program_code.cc). Throws std::invalid_argument for what is no program,
  // or one that would leave its tensors.
  std::shared_ptr<Program> decode(const double* code, size_t length, size_t arenaBytes);
  // Returns false when `stop` became true before the end; an op that is under way is finished.
  bool run(Program& program, const std::atomic<bool>* stop = nullptr);
  // Whether the program ran last and was not finished: its memory is as run() left it.
  bool isUnfinished(const Program& program) const { return program.turn == turn_; }
  // Whether its outputs are there: nothing ran since.
  bool isReadable(const Program& program) const { return program.turn == turn_ || program.finishTurn == turn_; }
  void finish(Program& program);

  // Gives the programs' memory back; the next run takes it anew.
  void release() { arena_ = nullptr, turn_++; }

  // Nanoseconds by opcode, forward at 2·op and vjp at 2·op + 1; reading starts anew.
  std::vector<double> takeProfile();

 private:
  const Kernels* kernels_;
  Pool pool_;
  std::map<int64_t, std::shared_ptr<Persistent>> tensors_;
  std::unique_ptr<Memory> arena_;
  uint64_t turn_ = 1;
  bool runCommands(Program& program, size_t begin, size_t end, const std::atomic<bool>* stop);
  void forgetStreamed(const ProgramCommand& command);
  double nanoseconds_[2 * kOpCount] = {};
};

}  // namespace fettle

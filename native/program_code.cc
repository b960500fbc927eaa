// Programs as the numbers of src/engine/kernels/program-code.ts.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "program_checks.h"
#include "runner.h"

namespace fettle {

namespace {

// Where a tensor may begin in the memory that programs share.
constexpr int64_t kAlignment = 64;
// More elements than memory has bytes: products of sizes and of bytes stay within 64 bits.
constexpr int64_t kMostElements = int64_t(1) << 46;

class Reader {
 public:
  Reader(const double* code, size_t length) : at_(code), end_(code + length) {}

  double next() {
    if (at_ >= end_) throw std::invalid_argument("a program ends early");
    return *at_++;
  }
  // A whole number of [least, most].
  int64_t whole(const char* what, int64_t least, int64_t most) {
    const double value = next();
    if (!(value >= double(least) && value <= double(most)) || value != std::floor(value))
      throw std::invalid_argument(std::string("a program with ") + what + " " + std::to_string(value) + "; expected a whole number from " +
                                  std::to_string(least) + " to " + std::to_string(most));
    return int64_t(value);
  }
  // A number of things that take so many numbers each, at least.
  size_t count(const char* what, int64_t numbers) { return size_t(whole(what, 0, int64_t(end_ - at_ - 1) / numbers)); }
  bool isAtEnd() const { return at_ == end_; }

 private:
  const double* at_;
  const double* end_;
};

void readTransient(Reader& reader, ProgramTensor& entry, size_t arenaBytes) {
  Tensor& tensor = entry.tensor;
  entry.arenaOffset = reader.whole("a place", 0, int64_t(arenaBytes));
  tensor.dtype = DType(reader.whole("a type", 0, int(DType::i32)));
  tensor.rank = int(reader.whole("a rank", 1, 4));
  int64_t elements = 1;
  for (int d = 0; d < 4; d++) {
    tensor.shape[d] = reader.whole("a size", 0, kMostElements);
    if (d >= tensor.rank) continue;
    if (tensor.shape[d] < 1 || elements > kMostElements / tensor.shape[d]) throw std::invalid_argument("a program with a tensor of too many or no elements");
    elements *= tensor.shape[d];
  }
  if (entry.arenaOffset % kAlignment != 0) throw std::invalid_argument("a program with a tensor between two places");
  if (elements > (int64_t(arenaBytes) - entry.arenaOffset) / int64_t(bytesOf(tensor.dtype)))
    throw std::invalid_argument("a program with a tensor outside of its memory");
}

}  // namespace

std::shared_ptr<Program> Runner::decode(const double* code, size_t length, size_t arenaBytes) {
  auto program = std::make_shared<Program>();
  program->arenaBytes = arenaBytes;
  Reader reader(code, length);
  program->tensors.resize(reader.count("tensors", 10));
  for (auto& entry : program->tensors) {
    const bool transient = reader.whole("a kind", 0, 1) == 1;
    if (transient) {
      readTransient(reader, entry, arenaBytes);
    } else {
      entry.persistent = persistent(reader.whole("a handle", 1, int64_t(1) << 53));
      if (!entry.persistent) throw std::invalid_argument("a program names a tensor that was freed, or is another engine's");
      entry.tensor = entry.persistent->tensor;
      for (int i = 0; i < 6; i++) reader.next();  // type and shape, which are the tensor's own
    }
    entry.compiledRows = entry.tensor.shape[0];
    entry.symbol = int(reader.whole("a symbol", -1, kMostSymbols - 1));
    entry.rowsOfEach = reader.whole("rows", 1, kMostElements);
    if (entry.symbol >= 0 && entry.persistent && (entry.persistent->blocks.size() != 1 || isQuantised(entry.tensor.dtype)))
      throw std::invalid_argument("a program that changes the rows of a frozen weight");
  }
  program->commands.resize(reader.count("commands", 5));
  program->firstCommands = size_t(reader.whole("first commands", 0, int64_t(program->commands.size())));
  for (auto& command : program->commands) {
    const int op = int(reader.whole("an opcode", 0, kOpCount - 1));
    command.op = Op(op);
    command.vjp = reader.whole("a direction", 0, 1) == 1;
    command.kernel = command.vjp ? kernels_->vjp[op] : kernels_->forward[op];
    if (!command.kernel) throw std::invalid_argument(std::string(kOpNames[op]) + " has no gradient");
    Call& call = command.call;
    std::memset(&call, 0, sizeof call);
    CommandTensors tensors;
    const auto next = [&](std::vector<const ProgramTensor*>& list) -> ProgramTensor* {
      const int64_t index = reader.whole("an index", -1, int64_t(program->tensors.size()) - 1);
      ProgramTensor* tensor = index < 0 ? nullptr : &program->tensors[size_t(index)];
      list.push_back(tensor);
      return tensor;
    };
    const int64_t inputs = reader.whole("inputs", 0, kMaxArguments);
    for (int64_t i = 0; i < inputs; i++) {
      ProgramTensor* tensor = next(tensors.inputs);
      call.in[i] = tensor ? &tensor->tensor : nullptr;
      if (tensor && tensor->persistent && !tensor->persistent->mapped.empty()) command.mapped.push_back(tensor->persistent);
    }
    const int64_t outputs = reader.whole("outputs", 0, kMaxArguments);
    for (int64_t i = 0; i < outputs; i++) {
      ProgramTensor* tensor = next(tensors.outputs);
      call.out[i] = tensor ? &tensor->tensor : nullptr;
      call.accumulate[i] = reader.whole("a flag", 0, 1) == 1;
    }
    command.attributes.resize(reader.count("attributes", 1));
    for (double& attribute : command.attributes) attribute = reader.next();
    call.attributes = command.attributes.data();
    call.pool = &pool_;
    checkCommand(command, tensors);
  }
  if (!reader.isAtEnd()) throw std::invalid_argument("a program with numbers behind its end");
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

}  // namespace fettle

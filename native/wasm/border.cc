// What src/engine/wasm/border.ts calls: the runner of runner.h by functions of numbers. A module's memory holds one runner. Sizes,
// handles and counts are doubles, which are what JavaScript has; memory that goes in or out is taken and given by take() and give().
// Numbers of JavaScript were checked there (wasm-runner.ts); what only the runner knows is checked here. Throws: exceptions.cc.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "conversions.h"
#include "largest.h"
#include "out_of_memory.h"
#include "runner.h"
#include "wasm/threads.h"
#include "weights.h"

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace fettle {

const Kernels* kernelsSimd128();

namespace {

std::unique_ptr<Runner> runner;
std::map<const Program*, std::shared_ptr<Program>> programs;
std::atomic<bool> stopped{false};

// Of Engine.repeat: what the run that was asked for last goes round with.
struct Feedback {
  const Tensor* output;
  std::shared_ptr<Persistent> input, counted;
} feedback;

// What a call gives back besides a number.
struct Result {
  const void* data;
  uint32_t count, isInteger, isOwned;  // of 4 bytes each; owned: to be given back
} result;

std::shared_ptr<Persistent> persistent(double handle) {
  auto tensor = runner->persistent(int64_t(handle));
  if (!tensor) throw std::invalid_argument(std::to_string(int64_t(handle)) + " is no tensor of this engine: it was freed, or is another one's");
  return tensor;
}

// Lists are looked at by the thread that JavaScript calls from, which alone changes them; workers are given what was found there.
Program& known(Program* program) {
  if (!programs.count(program)) throw std::invalid_argument("a program of another engine");
  return *program;
}

// WebAssembly has 4 GiB; sizes are cut to 32 bits behind this.
void checkBytes(double bytes, const char* purpose) {
  if (!(bytes < 4294967296.0 - 65536)) throw OutOfMemory(SIZE_MAX, purpose);
}

void setShape(Tensor& tensor, int dtype, int rank, double a, double b, double c, double d) {
  tensor.dtype = DType(dtype);
  tensor.rank = rank;
  double elements = 1;
  const double sizes[] = {a, b, c, d};
  for (int i = 0; i < rank; i++) tensor.shape[i] = int64_t(sizes[i]), elements *= sizes[i];
  checkBytes(elements * 4, "a tensor");
}

// float32 or int32 of JavaScript into a tensor's memory.
void copyIn(const Tensor& tensor, const void* data, uint32_t count) {
  if (tensor.dtype == DType::bf16) convert(DType::bf16, tensor.as<char>(), 0, static_cast<const char*>(data), count);
  else std::memcpy(tensor.as<char>(), data, size_t(count) * 4);
}

const Result* copyOut(const Tensor& tensor) {
  const size_t count = size_t(tensor.size());
  if (tensor.blockCount == 1 && (tensor.dtype == DType::i32 || tensor.dtype == DType::f32)) {
    result = {tensor.as<char>(), uint32_t(count), tensor.dtype == DType::i32, 0};
    return &result;
  }
  checkBytes(double(tensor.size()) * 4, "a copy of a tensor");
  auto* floats = static_cast<float*>(std::malloc(count * 4));
  if (!floats) throw OutOfMemory(count * 4, "a copy of a tensor");
  copyFloats(tensor, runner->kernels()->quantiser, floats);
  result = {floats, uint32_t(count), 0, 1};
  return &result;
}

const Tensor& outputOf(Program* chosen, uint32_t index) {
  const Program& program = known(chosen);
  if (!runner->isReadable(program)) throw std::invalid_argument("the program is not the one that ran last");
  if (index >= program.tensors.size()) throw std::invalid_argument("no tensor of the program");
  return program.tensors[index].tensor;
}

}  // namespace

// --- memory and threads

EXPORT(start) void start(int threads) { runner = std::make_unique<Runner>(kernelsSimd128(), threads); }
EXPORT(take) void* take(double bytes) {
  checkBytes(bytes, "numbers");
  void* data = std::malloc(size_t(bytes));
  if (!data) throw OutOfMemory(size_t(bytes), "numbers");
  return data;
}
EXPORT(give) void give(void* data) { std::free(data); }
EXPORT(work) void work(int thread) { enterPool(thread); }
EXPORT(workAgain) void workAgain(int thread) { enterPoolAgain(thread); }
EXPORT(settle) void settle() { settlePool(); }
EXPORT(maySleep) void maySleep(int may) { letCallerSleep(may != 0); }

// --- tensors

EXPORT(tensor) double tensor(int dtype, int rank, double a, double b, double c, double d, const void* data, uint32_t count) {
  auto entry = std::make_shared<Persistent>();
  Tensor& made = entry->tensor;
  setShape(made, dtype, rank, a, b, c, d);
  addBlock(*entry, size_t(made.size()) * bytesOf(made.dtype), 0);
  const double handle = double(runner->add(std::move(entry)));
  if (count > 0) copyIn(persistent(handle)->tensor, data, count);
  return handle;
}

// parts: { rows, type, address } each; the numbers at an address, which take() gave, are given back when they are no longer needed.
EXPORT(weight) double weight(int dtype, double columns, const double* parts, int count) {
  std::vector<WeightPart> read;
  double rows = 0;
  for (int i = 0; i < count; i++, parts += 3) {
    auto* const data = reinterpret_cast<char*>(uintptr_t(parts[2]));
    read.push_back({{data, int(parts[1]), int64_t(parts[0]), int64_t(columns)}, std::shared_ptr<void>(data, std::free)});
    rows += parts[0];
  }
  if (!isBlocks(DType(dtype))) checkBytes(rows * columns * 4, "a weight");
  return double(runner->add(makeWeight(runner->pool(), runner->kernels()->quantiser, DType(dtype), read)));
}

EXPORT(quantised) double quantised(double handle, int dtype) {
  const auto matrix = persistent(handle);
  const Tensor& tensor = matrix->tensor;
  if (isQuantised(tensor.dtype) || tensor.dtype == DType::i32 || tensor.rank != 2) throw std::invalid_argument("no matrix of floats; expected one");
  return double(runner->add(makeWeight(runner->pool(), runner->kernels()->quantiser, DType(dtype), partsOf(*matrix))));
}

EXPORT(view) double view(double handle, double offset, int rank, double a, double b, double c, double d) {
  const auto base = persistent(handle);
  const Tensor& tensor = base->tensor;
  auto entry = std::make_shared<Persistent>();
  if (base->blocks.size() != 1 || isQuantised(tensor.dtype)) throw std::invalid_argument("a weight of parts or of fewer bits; expected a plain tensor");
  setShape(entry->tensor, int(tensor.dtype), rank, a, b, c, d);
  if (offset > double(tensor.size()) || double(entry->tensor.size()) > double(tensor.size()) - offset)
    throw std::invalid_argument("elements " + std::to_string(int64_t(offset)) + " to " + std::to_string(int64_t(offset) + entry->tensor.size()) +
                                "; expected " + std::to_string(tensor.size()) + " at most");
  entry->isReadOnly = base->isReadOnly;
  entry->blocks.push_back({0, tensor.as<char>() + int64_t(offset) * int64_t(bytesOf(tensor.dtype))});
  entry->owners.push_back(base);
  return double(runner->add(std::move(entry)));
}

EXPORT(write) void write(double handle, const void* data, int isInteger, uint32_t count) {
  const auto entry = persistent(handle);
  const Tensor& tensor = entry->tensor;
  if (tensor.blockCount != 1 || entry->isReadOnly || isQuantised(tensor.dtype)) throw std::invalid_argument("a frozen weight; expected a tensor to write to");
  if (int64_t(count) > tensor.size() || (tensor.dtype == DType::i32) != (isInteger != 0))
    throw std::invalid_argument("data of another type or longer than the tensor; expected numbers of the tensor");
  copyIn(tensor, data, count);
}

EXPORT(read) const Result* read(double handle) { return copyOut(persistent(handle)->tensor); }
EXPORT(readOutput) const Result* readOutput(Program* program, uint32_t index) { return copyOut(outputOf(program, index)); }

// How many rows; for each how many numbers; then for each row their places and the numbers.
EXPORT(readLargest) const Result* readLargest(Program* program, uint32_t index, double count) {
  const Tensor& tensor = outputOf(program, index);
  if (tensor.dtype != DType::f32 || tensor.blockCount != 1) throw std::invalid_argument("no floats; expected float32");
  const int64_t columns = tensor.cols();
  const size_t rows = size_t(tensor.rows());
  std::vector<std::vector<int32_t>> largest(rows);
  size_t words = 1 + rows;
  for (size_t row = 0; row < rows; row++) {
    appendLargest(tensor.as<const float>() + int64_t(row) * columns, columns, int64_t(count), largest[row]);
    words += 2 * largest[row].size();
  }
  auto* to = static_cast<int32_t*>(take(double(words) * 4));
  result = {to, uint32_t(words), 1, 1};
  *to++ = int32_t(rows);
  for (const auto& places : largest) *to++ = int32_t(places.size());
  for (size_t row = 0; row < rows; row++) {
    for (const int32_t place : largest[row]) *to++ = place;
    for (const int32_t place : largest[row]) std::memcpy(to++, tensor.as<const float>() + int64_t(row) * columns + place, 4);
  }
  return &result;
}

EXPORT(drop) void drop(double handle) {
  persistent(handle);
  runner->drop(int64_t(handle));
}

// --- programs

EXPORT(compile) Program* compile(const double* code, uint32_t length, double arenaBytes) {
  checkBytes(arenaBytes, "activations");
  auto program = runner->decode(code, length, size_t(arenaBytes));
  Program* const address = program.get();
  programs[address] = std::move(program);
  return address;
}
EXPORT(forget) void forget(Program* program) { programs.erase(program); }

EXPORT(setRows) int setRows(Program* program, const double* counts, int length) {
  return known(program).setRows(std::vector<int64_t>(counts, counts + length));
}
EXPORT(checkUnfinished) void checkUnfinished(Program* program) {
  if (!runner->isUnfinished(known(program))) throw std::invalid_argument("another program ran last, or this one is finished");
}
EXPORT(setFeedback) void setFeedback(Program* chosen, uint32_t output, double input, double counted) {
  Program& program = known(chosen);
  if (output >= program.tensors.size()) throw std::invalid_argument("no tensor of the program");
  program.setRows({});
  Feedback wanted{&program.tensors[output].tensor, persistent(input), persistent(counted)};
  const auto isIntegers = [](const Tensor& tensor) { return tensor.dtype == DType::i32; };
  if (!isIntegers(*wanted.output) || !isIntegers(wanted.input->tensor) || !isIntegers(wanted.counted->tensor) ||
      wanted.output->size() != wanted.input->tensor.size())
    throw std::invalid_argument("output, input and counted that are no integers, or output and input of different sizes; expected integers");
  feedback = std::move(wanted);
  stopped.store(false);
}

// By the worker that is thread 0, where there are workers.
EXPORT(run) void run(Program* program) { runner->run(*program); }
EXPORT(finish) void finish(Program* program) { runner->finish(*program); }
// One of the runs of Engine.repeat; null when stop() was called before its end.
EXPORT(repeat) const Result* repeat(Program* program) {
  if (!runner->run(*program, &stopped)) return nullptr;
  const Tensor& output = *feedback.output;
  std::memcpy(feedback.input->tensor.as<int32_t>(), output.as<int32_t>(), size_t(output.size()) * 4);
  const Tensor& counted = feedback.counted->tensor;
  for (int64_t n = 0; n < counted.size(); n++) counted.as<uint32_t>()[n]++;
  return copyOut(output);
}
EXPORT(stop) void stop() { stopped.store(true); }

EXPORT(release) void release() { runner->release(); }

// Two numbers an op.
EXPORT(profile) const Result* profile() {
  const auto taken = runner->takeProfile();
  auto* to = take(double(taken.size()) * 8);
  std::memcpy(to, taken.data(), taken.size() * 8);
  result = {to, uint32_t(taken.size() * 2), 0, 1};
  return &result;
}

// --- what the module was built from

EXPORT(tableHash) const char* tableHashOf() { return kTableHash; }
EXPORT(sources) const char* sourcesOf() { return FETTLE_SOURCES; }

}  // namespace fettle

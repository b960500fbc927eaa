// Every method reads and checks what it was given, then looks whether it may run now, and only then touches memory (given.h).
// What it throws becomes a JavaScript error: node-addon-api catches all exceptions (NODE_ADDON_API_CPP_EXCEPTIONS_ALL).
#include "runner_object.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpu.h"
#include "largest.h"
#include "numbers.h"
#include "runner.h"
#include "weights.h"
#include "workers.h"

namespace fettle {

const Kernels& kernelsOf(const Given& given, size_t i) {
  if (!given[i].IsString()) given.refuse("no name of an instruction set", "a string");
  const std::string isa = given[i].As<Napi::String>();
  for (const Kernels* kernels : availableKernels())
    if (isa == kernels->isa) return *kernels;
  given.refuse("no kernels for " + isa, "an instruction set of this machine");
}

namespace {

// What a Runner is marked with, so that its methods refuse every other object.
constexpr napi_type_tag kRunnerTag = {0x9c3a6f6e25b04d0b, 0xa1d2b8e57c914f36};

// Programs of a runner by their address, which is what JavaScript holds. The runner may be closed before JavaScript lets go of them.
using Programs = std::map<const Program*, std::shared_ptr<Program>>;

class RunnerObject : public Napi::ObjectWrap<RunnerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    const Napi::Function constructor = DefineClass(env, "Runner", {});
    Napi::Object prototype = constructor.Get("prototype").As<Napi::Object>();
    add<&RunnerObject::tensor>(prototype, "tensor");
    add<&RunnerObject::weight>(prototype, "weight");
    add<&RunnerObject::quantised>(prototype, "quantised");
    add<&RunnerObject::stream>(prototype, "stream");
    add<&RunnerObject::view>(prototype, "view");
    add<&RunnerObject::write>(prototype, "write");
    add<&RunnerObject::read>(prototype, "read");
    add<&RunnerObject::readOutput>(prototype, "readOutput");
    add<&RunnerObject::readLargest>(prototype, "readLargest");
    add<&RunnerObject::compile>(prototype, "compile");
    add<&RunnerObject::run>(prototype, "run");
    add<&RunnerObject::finish>(prototype, "finish");
    add<&RunnerObject::repeat>(prototype, "repeat");
    add<&RunnerObject::free>(prototype, "free");
    add<&RunnerObject::release>(prototype, "release");
    add<&RunnerObject::close>(prototype, "close");
    add<&RunnerObject::profile>(prototype, "profile");
    return constructor;
  }

  // new Runner(isa: string, threads: number)
  explicit RunnerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Given given(info, "Runner");
    const Kernels& kernels = kernelsOf(given, 0);
    runner_ = std::make_unique<Runner>(&kernels, int(given.whole(1, "threads", 1, kMostThreads)));
    info.This().As<Napi::Object>().TypeTag(&kRunnerTag);
  }

 private:
  using Method = Napi::Value (RunnerObject::*)(const Napi::CallbackInfo&);

  template <Method method> static void add(Napi::Object& prototype, const char* name) {
    prototype.Set(name, Napi::Function::New<&RunnerObject::call<method>>(prototype.Env(), name));
  }
  template <Method method> static Napi::Value call(const Napi::CallbackInfo& info) {
    const Napi::Value self = info.This();
    if (!self.IsObject() || !self.As<Napi::Object>().CheckTypeTag(&kRunnerTag))
      throw Napi::TypeError::New(info.Env(), "this is a method of Runner");
    return (Unwrap(self.As<Napi::Object>())->*method)(info);
  }

  // --- what may be done now

  Runner& opened(const Given& given) const {
    if (!runner_) given.fail("the engine was closed");
    return *runner_;
  }
  Runner& idle(const Given& given) const {
    Runner& runner = opened(given);
    if (busy_) given.fail("a program is running");
    return runner;
  }
  std::shared_ptr<Persistent> persistent(const Given& given, int64_t handle) const {
    auto tensor = opened(given).persistent(handle);
    if (!tensor) given.fail(std::to_string(handle) + " is no tensor of this engine: it was freed, or is another one's");
    return tensor;
  }
  std::shared_ptr<Program> program(const Given& given) const {
    const Napi::Value value = given[0];
    if (!value.IsExternal()) given.refuse("no program", "what compile returned");
    opened(given);
    const auto found = programs_->find(value.As<Napi::External<Program>>().Data());
    if (found == programs_->end()) given.fail("a program of another engine");
    return found->second;
  }
  // A tensor of a program whose outputs are there.
  const Tensor& outputOf(const Given& given, const Program& program, int64_t index) const {
    if (!idle(given).isReadable(program)) given.fail("the program is not the one that ran last");
    if (index >= int64_t(program.tensors.size())) given.refuse("index " + std::to_string(index), "a tensor of the program");
    return program.tensors[size_t(index)].tensor;
  }
  static int64_t handleOf(const Given& given, const Napi::Value& value) { return given.whole(value, "a handle", 1, kMostInteger); }
  static int64_t handleOf(const Given& given, size_t i) { return handleOf(given, given[i]); }

  // --- the methods

  // tensor(dtype, shape, data | null): handle
  Napi::Value tensor(const Napi::CallbackInfo& info) {
    const Given given(info, "tensor");
    auto entry = std::make_shared<Persistent>();
    Tensor& tensor = entry->tensor;
    tensor.dtype = DType(given.whole(0, "dtype", 0, int(DType::i32)));
    given.shape(1, tensor);
    const bool isFilled = !given[2].IsNull() && !given[2].IsUndefined();
    const Numbers numbers = isFilled ? given.numbers(given[2], "data") : Numbers{};
    Runner& runner = opened(given);
    char* to = addBlock(*entry, size_t(tensor.size()) * bytesOf(tensor.dtype), 0);
    if (isFilled && !copyIn(tensor.dtype, to, size_t(tensor.size()), numbers))
      given.refuse("data of another type or longer than the shape", "numbers of the tensor");
    return Napi::Number::New(info.Env(), double(runner.add(std::move(entry))));
  }

  // quantised(handle, dtype): handle of a copy in fewer bits
  Napi::Value quantised(const Napi::CallbackInfo& info) {
    const Given given(info, "quantised");
    const int64_t handle = handleOf(given, size_t(0));
    const DType dtype = DType(given.whole(1, "dtype", int(DType::int8), int(DType::bf12)));
    idle(given);
    const auto matrix = persistent(given, handle);
    const Tensor& tensor = matrix->tensor;
    if (isQuantised(tensor.dtype) || tensor.dtype == DType::i32 || tensor.rank != 2) given.refuse("no matrix of floats", "one");
    checkColumns(given, dtype, tensor.cols());
    return addWeight(given, dtype, partsOf(*matrix));
  }

  // weight(dtype, columns, parts: { rows, dtype: 0 F32 | 1 BF16 | 2 F16 | 3 and more: a format of blocks, path?, offset?, data? }[]): handle
  Napi::Value weight(const Napi::CallbackInfo& info) {
    const Given given(info, "weight");
    const DType dtype = DType(given.whole(0, "dtype", 0, int(DType::blocks)));
    if (dtype == DType::i32) given.refuse("a weight of integers", "floats, or fewer bits");
    const int64_t columns = given.whole(1, "columns", 1, kMostBytes / 4);
    checkColumns(given, dtype, columns);
    const Napi::Array list = given.array(given[2], "parts");
    if (list.Length() == 0) given.refuse("no parts", "one at least");
    struct Part {
      NumberRows rows;
      std::string path;
      int64_t offset;
      Napi::Value data;
    };
    std::vector<Part> read;
    int64_t rows = 0;
    for (uint32_t i = 0; i < list.Length(); i++) {
      const Napi::Value value = list.Get(i);
      const std::string place = "part " + std::to_string(i);
      if (!value.IsObject()) given.refuse(place + " is none", "an object");
      const auto object = value.As<Napi::Object>();
      Part part{{nullptr, int(given.whole(object.Get("dtype"), place + ": dtype", isBlocks(dtype) ? kNumberTypes : 0,
                                         isBlocks(dtype) ? kNumberTypes + kBlockFormats - 1 : kNumberTypes - 1)), 0, columns}, "", 0, object.Get("data")};
      part.rows.rows = given.whole(object.Get("rows"), place + ": rows", 1, kMostBytes / 4 / columns - rows);
      rows += part.rows.rows;
      if (isBlocks(dtype) && columns % shapeOf(formatOf(part.rows.type)).depth != 0)
        given.refuse(place + ": " + std::to_string(columns) + " columns", "whole blocks");
      const Napi::Value path = object.Get("path");
      if (path.IsString()) {
        part.path = path.As<Napi::String>();
        part.offset = given.whole(object.Get("offset"), place + ": offset", 0, kMostInteger);
      }
      read.push_back(std::move(part));
    }
    idle(given);
    std::vector<WeightPart> parts;
    for (Part& part : read) {
      const size_t bytes = bytesOfRows(part.rows.type, part.rows.rows, columns);
      std::shared_ptr<MappedFile> file;
      if (part.path.empty()) {
        const Numbers numbers = given.numbers(part.data, "data");
        if (numbers.bytesOfElement() != (isBlocks(dtype) ? 1 : part.rows.type == 0 ? 4 : 2)) given.refuse("data of another type", "numbers of the part's");
        if (numbers.bytes() < bytes) given.refuse("data shorter than its rows", std::to_string(bytes) + " bytes");
        part.rows.data = numbers.data;
      } else {
        file = map(given, part.path);
        if (size_t(part.offset) > file->size || bytes > file->size - size_t(part.offset))
          given.fail(part.path + ": the file is shorter than its header says");
        part.rows.data = file->data + part.offset;
      }
      parts.push_back({part.rows, file});
    }
    return addWeight(given, dtype, parts);
  }

  // stream(handles: number[])
  Napi::Value stream(const Napi::CallbackInfo& info) {
    const Given given(info, "stream");
    const Napi::Array list = given.array(given[0], "handles");
    std::vector<int64_t> handles;
    for (uint32_t i = 0; i < list.Length(); i++) handles.push_back(handleOf(given, list.Get(i)));
    Runner& runner = idle(given);
    std::vector<std::shared_ptr<Persistent>> chosen;
    for (const int64_t handle : handles) chosen.push_back(persistent(given, handle));
    runner.stream(chosen);
    return info.Env().Undefined();
  }

  // view(handle, offset in elements, shape): handle
  Napi::Value view(const Napi::CallbackInfo& info) {
    const Given given(info, "view");
    const int64_t handle = handleOf(given, size_t(0));
    const int64_t offset = given.whole(1, "offset", 0, kMostBytes);
    auto entry = std::make_shared<Persistent>();
    given.shape(2, entry->tensor);
    const auto base = persistent(given, handle);
    const Tensor& tensor = base->tensor;
    if (base->blocks.size() != 1 || isQuantised(tensor.dtype)) given.refuse("a weight of parts or of fewer bits", "a plain tensor");
    if (offset > tensor.size() || entry->tensor.size() > tensor.size() - offset)
      given.refuse("elements " + std::to_string(offset) + " to " + std::to_string(offset + entry->tensor.size()),
                   std::to_string(tensor.size()) + " at most");
    entry->tensor.dtype = tensor.dtype;
    entry->isReadOnly = base->isReadOnly;
    entry->blocks.push_back({0, tensor.as<char>() + offset * int64_t(bytesOf(tensor.dtype))});
    entry->owners.push_back(base);
    return Napi::Number::New(info.Env(), double(opened(given).add(std::move(entry))));
  }

  // write(handle, data)
  Napi::Value write(const Napi::CallbackInfo& info) {
    const Given given(info, "write");
    const int64_t handle = handleOf(given, size_t(0));
    const Numbers numbers = given.numbers(given[1], "data");
    idle(given);
    const auto entry = persistent(given, handle);
    const Tensor& tensor = entry->tensor;
    if (tensor.blockCount != 1 || entry->isReadOnly || isQuantised(tensor.dtype)) given.refuse("a frozen weight", "a tensor to write to");
    if (!copyIn(tensor.dtype, tensor.as<char>(), size_t(tensor.size()), numbers))
      given.refuse("data of another type or longer than the tensor", "numbers of the tensor");
    return info.Env().Undefined();
  }

  // read(handle): typed array
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Given given(info, "read");
    const int64_t handle = handleOf(given, size_t(0));
    Runner& runner = idle(given);
    const auto entry = persistent(given, handle);
    return copyOut(info.Env(), entry->tensor, runner.kernels()->quantiser);
  }

  // readOutput(program, index of the program's tensor): typed array
  Napi::Value readOutput(const Napi::CallbackInfo& info) {
    const Given given(info, "readOutput");
    const int64_t index = given.whole(1, "index", 0, kMostInteger);
    const auto from = program(given);
    return copyOut(info.Env(), outputOf(given, *from, index), runner_->kernels()->quantiser);
  }

  // readLargest(program, index of the program's tensor, count): of each row { ids, values } of the largest numbers
  Napi::Value readLargest(const Napi::CallbackInfo& info) {
    const Given given(info, "readLargest");
    const int64_t index = given.whole(1, "index", 0, kMostInteger), count = given.whole(2, "count", 1, INT32_MAX);
    const auto from = program(given);
    const Tensor& tensor = outputOf(given, *from, index);
    if (tensor.dtype != DType::f32 || tensor.blockCount != 1) given.refuse("no floats", "float32");
    const int64_t columns = tensor.cols();
    std::vector<std::vector<int32_t>> largest(size_t(tensor.rows()));
    Pool& pool = runner_->pool();
    pool.run(tensor.rows() > 1 ? kWorthForking : 0, [&](int thread) {
      const Range mine = partOf(tensor.rows(), thread, pool.threads());
      for (int64_t row = mine.begin; row < mine.end; row++)
        appendLargest(tensor.as<const float>() + row * columns, columns, count, largest[size_t(row)]);
    });
    auto rows = Napi::Array::New(info.Env(), largest.size());
    for (size_t row = 0; row < largest.size(); row++) {
      const auto& places = largest[row];
      auto ids = newInt32Array(info.Env(), places.size());
      auto values = newFloat32Array(info.Env(), places.size());
      int32_t* toIds = ids.Data();
      float* toValues = values.Data();
      for (size_t i = 0; i < places.size(); i++) {
        toIds[i] = places[i];
        toValues[i] = tensor.as<const float>()[int64_t(row) * columns + places[i]];
      }
      auto entry = Napi::Object::New(info.Env());
      entry.Set("ids", ids);
      entry.Set("values", values);
      rows.Set(uint32_t(row), entry);
    }
    return rows;
  }

  // compile(code: Float64Array, arenaBytes): External
  Napi::Value compile(const Napi::CallbackInfo& info) {
    const Given given(info, "compile");
    const int64_t arenaBytes = given.whole(1, "arenaBytes", 0, kMostBytes);
    const Numbers code = given.numbers(given[0], "code");
    if (code.type != napi_float64_array) given.refuse("code of another type", "a Float64Array");
    auto program = opened(given).decode(reinterpret_cast<const double*>(code.data), code.length, size_t(arenaBytes));
    Program* address = program.get();
    using Hint = std::weak_ptr<Programs>;
    auto external = Napi::External<Program>::New(
        info.Env(), address,
        [](Napi::Env, Program* address, Hint* programs) {
          if (const auto held = programs->lock()) held->erase(address);
          delete programs;
        },
        new Hint(programs_));
    (*programs_)[address] = std::move(program);
    return external;
  }

  // run(program, counts: how many there are of each symbol that rows are counted in; 0: as compiled): promise
  Napi::Value run(const Napi::CallbackInfo& info) {
    const Given given(info, "run");
    const Napi::Array numbers = given.array(given[1], "counts");
    std::vector<int64_t> counts(std::min(numbers.Length(), uint32_t(kMostSymbols)));
    for (uint32_t i = 0; i < counts.size(); i++) counts[i] = given.whole(numbers.Get(i), "count " + std::to_string(i), 0, kMostInteger);
    const auto chosen = program(given);
    Runner& runner = idle(given);
    if (!chosen->setRows(counts)) given.refuse("more rows than the program was compiled for", "as many at most");
    return (new RunWorker(info.Env(), runner, chosen, info.This().As<Napi::Object>(), busy_))->start();
  }

  // finish(program): promise
  Napi::Value finish(const Napi::CallbackInfo& info) {
    const Given given(info, "finish");
    const auto chosen = program(given);
    Runner& runner = idle(given);
    if (!runner.isUnfinished(*chosen)) given.fail("another program ran last, or this one is finished");
    return (new FinishWorker(info.Env(), runner, chosen, info.This().As<Napi::Object>(), busy_))->start();
  }

  // repeat(program, times, index of the output, input handle, counted handle, onRun): promise
  Napi::Value repeat(const Napi::CallbackInfo& info) {
    const Given given(info, "repeat");
    const int64_t times = given.whole(1, "times", 0, kMostInteger), index = given.whole(2, "index", 0, kMostInteger);
    const int64_t input = handleOf(given, size_t(3)), counted = handleOf(given, size_t(4));
    if (!given[5].IsFunction()) given.refuse("no onRun", "a function");
    const auto chosen = program(given);
    Runner& runner = idle(given);
    if (index >= int64_t(chosen->tensors.size())) given.refuse("index " + std::to_string(index), "a tensor of the program");
    RepeatWorker::Feedback feedback{times, &chosen->tensors[size_t(index)].tensor, persistent(given, input), persistent(given, counted)};
    chosen->setRows({});
    const auto isIntegers = [](const Tensor& tensor) { return tensor.dtype == DType::i32; };
    if (!isIntegers(*feedback.output) || !isIntegers(feedback.input->tensor) || !isIntegers(feedback.counted->tensor) ||
        feedback.output->size() != feedback.input->tensor.size())
      given.refuse("output, input and counted that are no integers, or output and input of different sizes", "integers");
    return (new RepeatWorker(info.Env(), runner, chosen, info.This().As<Napi::Object>(), busy_, std::move(feedback),
                             given[5].As<Napi::Function>()))->start();
  }

  // free(handle): a program that names the tensor keeps it.
  Napi::Value free(const Napi::CallbackInfo& info) {
    const Given given(info, "free");
    const int64_t handle = handleOf(given, size_t(0));
    persistent(given, handle);
    runner_->drop(handle);
    return info.Env().Undefined();
  }

  // release()
  Napi::Value release(const Napi::CallbackInfo& info) {
    idle(Given(info, "release")).release();
    return info.Env().Undefined();
  }

  // close(): gives back everything. Afterwards every method fails.
  Napi::Value close(const Napi::CallbackInfo& info) {
    idle(Given(info, "close"));
    programs_->clear();
    runner_ = nullptr;
    return info.Env().Undefined();
  }

  // profile(): Float64Array
  Napi::Value profile(const Napi::CallbackInfo& info) {
    const auto taken = idle(Given(info, "profile")).takeProfile();
    auto array = Napi::Float64Array::New(info.Env(), taken.size());
    std::memcpy(array.Data(), taken.data(), taken.size() * sizeof(double));
    return array;
  }

  // --- weights

  static void checkColumns(const Given& given, DType dtype, int64_t columns) {
    if (QuantisedLayout::isFourBits(dtype) && columns % kFourBitBlock != 0)
      given.refuse(std::to_string(columns) + " columns in 4 bits", "whole blocks of " + std::to_string(kFourBitBlock));
  }

  Napi::Value addWeight(const Given& given, DType dtype, const std::vector<WeightPart>& parts) {
    auto weight = makeWeight(runner_->pool(), runner_->kernels()->quantiser, dtype, parts);
    return Napi::Number::New(given.env(), double(runner_->add(std::move(weight))));
  }

  std::shared_ptr<MappedFile> map(const Given& given, const std::string& path) {
    if (auto file = mapped_[path].lock()) return file;
    std::string error;
    auto file = MappedFile::open(path, error);
    if (!file) given.fail(path + ": " + error);
    mapped_[path] = file;
    return file;
  }

  std::unique_ptr<Runner> runner_;
  const std::shared_ptr<Programs> programs_ = std::make_shared<Programs>();
  std::map<std::string, std::weak_ptr<MappedFile>> mapped_;
  bool busy_ = false;
};

}  // namespace

Napi::Function defineRunner(Napi::Env env) { return RunnerObject::define(env); }

}  // namespace fettle

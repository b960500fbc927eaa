// The Node-API binding: a `Runner` class whose methods mirror src/engine/native/binding.ts.
#include <napi.h>

#include "cpu.h"
#include "idle_memory.h"
#include "largest.h"
#include "numbers.h"
#include "peaks.h"
#include "runner.h"
#include "weights.h"
#include "workers.h"

namespace fettle {
namespace {

void readShape(Tensor& tensor, const Napi::Array& shape) {
  tensor.rank = int(shape.Length());
  for (int i = 0; i < tensor.rank && i < 4; i++) tensor.shape[i] = shape.Get(i).ToNumber().Int64Value();
}

// The kernels of an instruction set; throws where this machine has none.
const Kernels* kernelsOf(const Napi::CallbackInfo& info, const std::string& isa) {
  for (const Kernels* kernels : availableKernels())
    if (isa == kernels->isa) return kernels;
  Napi::Error::New(info.Env(), "no kernels for " + isa).ThrowAsJavaScriptException();
  return nullptr;
}

class RunnerObject : public Napi::ObjectWrap<RunnerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Runner",
                       {InstanceMethod<&RunnerObject::tensor>("tensor"), InstanceMethod<&RunnerObject::weight>("weight"),
                        InstanceMethod<&RunnerObject::stream>("stream"),
                        InstanceMethod<&RunnerObject::quantised>("quantised"),
                        InstanceMethod<&RunnerObject::view>("view"), InstanceMethod<&RunnerObject::write>("write"),
                        InstanceMethod<&RunnerObject::read>("read"), InstanceMethod<&RunnerObject::readOutput>("readOutput"),
                        InstanceMethod<&RunnerObject::readLargest>("readLargest"),
                        InstanceMethod<&RunnerObject::compile>("compile"), InstanceMethod<&RunnerObject::run>("run"),
                        InstanceMethod<&RunnerObject::finish>("finish"),
                        InstanceMethod<&RunnerObject::repeat>("repeat"), InstanceMethod<&RunnerObject::free>("free"),
                        InstanceMethod<&RunnerObject::release>("release"),
                        InstanceMethod<&RunnerObject::close>("close"), InstanceMethod<&RunnerObject::profile>("profile")});
  }

  // new Runner(isa: string, threads: number)
  explicit RunnerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    returnIdleMemory();  // reading the tokenizer leaves tens of MiB behind, and weights follow
    if (const Kernels* kernels = kernelsOf(info, info[0].ToString()))
      runner_ = std::make_unique<Runner>(kernels, std::max(1, info[1].ToNumber().Int32Value()));
  }

 private:
  // tensor(dtype, shape, data | null): handle
  Napi::Value tensor(const Napi::CallbackInfo& info) {
    auto entry = std::make_shared<Persistent>();
    Tensor& tensor = entry->tensor;
    tensor.dtype = DType(info[0].ToNumber().Int32Value());
    readShape(tensor, info[1].As<Napi::Array>());
    try {
      char* data = addBlock(*entry, size_t(tensor.size()) * bytesOf(tensor.dtype), 0);
      if (info[2].IsTypedArray() && !copyIn(tensor.dtype, data, tensor.size(), info[2].As<Napi::TypedArray>()))
        return fail(info.Env(), "tensor: data of another type or longer than the shape");
    } catch (const OutOfMemory& error) {
      return fail(info.Env(), error.what());
    }
    return Napi::Number::New(info.Env(), runner_->add(std::move(entry)));
  }

  // quantised(handle, dtype): handle of a copy in fewer bits
  Napi::Value quantised(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "quantised: a program is running");
    const auto matrix = runner_->persistent(info[0].ToNumber().Int32Value());
    if (isQuantised(matrix->tensor.dtype)) return fail(info.Env(), "quantised: the matrix is so already");
    return addWeight(info, DType(info[1].ToNumber().Int32Value()), partsOf(*matrix));
  }

  // weight(dtype, columns, parts: { rows, dtype: 0 F32 | 1 BF16 | 2 F16, path?, offset?, data? }[]): handle
  Napi::Value weight(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int64_t columns = info[1].ToNumber().Int64Value();
    const auto given = info[2].As<Napi::Array>();
    std::vector<WeightPart> parts;
    for (uint32_t i = 0; i < given.Length(); i++) {
      const auto part = given.Get(i).As<Napi::Object>();
      NumberRows numbers{nullptr, part.Get("dtype").ToNumber().Int32Value(), part.Get("rows").ToNumber().Int64Value(), columns};
      const size_t bytes = size_t(numbers.rows) * columns * (numbers.type == 0 ? 4 : 2);
      std::shared_ptr<MappedFile> file;
      if (part.Get("path").IsString()) {
        const std::string path = part.Get("path").ToString();
        std::string error;
        file = map(path, error);
        if (!file) return fail(env, path + ": " + error);
        const size_t offset = size_t(part.Get("offset").ToNumber().Int64Value());
        if (offset + bytes > file->size) return fail(env, path + ": the file is shorter than its header says");
        numbers.data = file->data + offset;
      } else {
        const auto data = part.Get("data").As<Napi::TypedArray>();
        if (data.ByteLength() < bytes) return fail(env, "weight: data shorter than its rows");
        numbers.data = static_cast<const char*>(data.ArrayBuffer().Data()) + data.ByteOffset();
      }
      parts.push_back({numbers, file});
    }
    return addWeight(info, DType(info[0].ToNumber().Int32Value()), parts);
  }

  // stream(handles: number[])
  Napi::Value stream(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "stream: a program is running");
    auto handles = info[0].As<Napi::Array>();
    std::vector<int> chosen;
    for (uint32_t i = 0; i < handles.Length(); i++) chosen.push_back(handles.Get(i).ToNumber().Int32Value());
    runner_->stream(chosen);
    return info.Env().Undefined();
  }

  // view(handle, offset in elements, shape): handle
  Napi::Value view(const Napi::CallbackInfo& info) {
    auto base = runner_->persistent(info[0].ToNumber().Int32Value());
    auto entry = std::make_shared<Persistent>();
    entry->tensor.dtype = base->tensor.dtype;
    readShape(entry->tensor, info[2].As<Napi::Array>());
    const int64_t offset = info[1].ToNumber().Int64Value();
    if (base->blocks.size() != 1 || offset + entry->tensor.size() > base->tensor.size())
      return fail(info.Env(), "view: outside of its tensor");
    entry->blocks.push_back({0, base->tensor.as<char>() + offset * bytesOf(base->tensor.dtype)});
    entry->owners.push_back(base);
    return Napi::Number::New(info.Env(), runner_->add(std::move(entry)));
  }

  Napi::Value write(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "write: a program is running");
    const Tensor& tensor = runner_->persistent(info[0].ToNumber().Int32Value())->tensor;
    if (tensor.blockCount != 1 || !copyIn(tensor.dtype, tensor.as<char>(), tensor.size(), info[1].As<Napi::TypedArray>()))
      return fail(info.Env(), "write: data of another type or longer than the tensor");
    return info.Env().Undefined();
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    return copyOut(info.Env(), runner_->persistent(info[0].ToNumber().Int32Value())->tensor, runner_->kernels()->quantiser);
  }

  // readOutput(program, index of the program's tensor): typed array
  Napi::Value readOutput(const Napi::CallbackInfo& info) {
    auto& program = *info[0].As<Napi::External<std::shared_ptr<Program>>>().Data();
    return copyOut(info.Env(), program->tensors.at(info[1].ToNumber().Uint32Value()).tensor, runner_->kernels()->quantiser);
  }

  // readLargest(program, index of the program's tensor, count): of each row { ids, values } of the largest numbers
  Napi::Value readLargest(const Napi::CallbackInfo& info) {
    auto& program = *info[0].As<Napi::External<std::shared_ptr<Program>>>().Data();
    const Tensor& tensor = program->tensors.at(info[1].ToNumber().Uint32Value()).tensor;
    if (busy_ || tensor.dtype != DType::f32) return fail(info.Env(), "readLargest: a program is running, or no floats");
    const int64_t count = info[2].ToNumber().Int64Value(), columns = tensor.cols();
    std::vector<std::vector<int32_t>> largest(tensor.rows());
    Pool& pool = runner_->pool();
    pool.run(tensor.rows() > 1 ? kWorthForking : 0, [&](int thread) {
      const Range mine = partOf(tensor.rows(), thread, pool.threads());
      for (int64_t row = mine.begin; row < mine.end; row++)
        appendLargest(tensor.as<const float>() + row * columns, columns, count, largest[row]);
    });
    auto rows = Napi::Array::New(info.Env(), largest.size());
    for (size_t row = 0; row < largest.size(); row++) {
      const auto& from = largest[row];
      auto ids = Napi::Int32Array::New(info.Env(), from.size());
      auto values = Napi::Float32Array::New(info.Env(), from.size());
      for (size_t i = 0; i < from.size(); i++) {
        ids[i] = from[i];
        values[i] = tensor.as<const float>()[int64_t(row) * columns + from[i]];
      }
      auto entry = Napi::Object::New(info.Env());
      entry.Set("ids", ids);
      entry.Set("values", values);
      rows[uint32_t(row)] = entry;
    }
    return rows;
  }

  // compile(code: Float64Array, arenaBytes): External
  Napi::Value compile(const Napi::CallbackInfo& info) {
    auto code = info[0].As<Napi::Float64Array>();
    std::string error;
    auto program = runner_->decode(code.Data(), code.ElementLength(), size_t(info[1].ToNumber().Int64Value()), error);
    if (!program) return fail(info.Env(), error);
    return Napi::External<std::shared_ptr<Program>>::New(
        info.Env(), new std::shared_ptr<Program>(std::move(program)),
        [](Napi::Env, std::shared_ptr<Program>* held) { delete held; });
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "run: another program is running");
    auto& program = *info[0].As<Napi::External<std::shared_ptr<Program>>>().Data();
    const auto given = info[1].As<Napi::Array>();
    std::vector<int64_t> counts;
    for (uint32_t i = 0; i < given.Length(); i++) counts.push_back(given.Get(i).ToNumber().Int64Value());
    if (!program->setRows(counts)) return fail(info.Env(), "run: more rows than the program was compiled for");
    return start(new RunWorker(info.Env(), *runner_, program, info.This().As<Napi::Object>(), busy_));
  }

  // finish(program): promise
  Napi::Value finish(const Napi::CallbackInfo& info) {
    auto& program = *info[0].As<Napi::External<std::shared_ptr<Program>>>().Data();
    if (busy_ || !runner_->isUnfinished(*program))
      return fail(info.Env(), "finish: another program is running or ran last, or this one is finished");
    return start(new FinishWorker(info.Env(), *runner_, program, info.This().As<Napi::Object>(), busy_));
  }

  // repeat(program, times, index of the output, input handle, counted handle, onRun): promise
  Napi::Value repeat(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "repeat: another program is running");
    auto& program = *info[0].As<Napi::External<std::shared_ptr<Program>>>().Data();
    RepeatWorker::Feedback feedback{info[1].ToNumber().Int64Value(),
                                    &program->tensors.at(info[2].ToNumber().Uint32Value()).tensor,
                                    runner_->persistent(info[3].ToNumber().Int32Value()),
                                    runner_->persistent(info[4].ToNumber().Int32Value())};
    const auto isIntegers = [](const Tensor& tensor) { return tensor.dtype == DType::i32 && tensor.blockCount <= 1; };
    if (!isIntegers(*feedback.output) || !isIntegers(feedback.input->tensor) || !isIntegers(feedback.counted->tensor) ||
        feedback.output->size() != feedback.input->tensor.size())
      return fail(info.Env(), "repeat: output, input and counted are not integers, or output and input differ in size");
    program->setRows({});
    return start(new RepeatWorker(info.Env(), *runner_, program, info.This().As<Napi::Object>(), busy_, std::move(feedback),
                                  info[5].As<Napi::Function>()));
  }

  Napi::Value free(const Napi::CallbackInfo& info) {
    runner_->drop(info[0].ToNumber().Int32Value());
    return info.Env().Undefined();
  }

  Napi::Value release(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "release: a program is running");
    runner_->release();
    return info.Env().Undefined();
  }

  // Afterwards every method fails.
  Napi::Value close(const Napi::CallbackInfo& info) {
    if (busy_) return fail(info.Env(), "close: a program is running");
    runner_ = nullptr;
    return info.Env().Undefined();
  }

  Napi::Value profile(const Napi::CallbackInfo& info) {
    auto taken = runner_->takeProfile();
    auto array = Napi::Float64Array::New(info.Env(), taken.size());
    std::memcpy(array.Data(), taken.data(), taken.size() * 8);
    return array;
  }

  template <class Worker> static Napi::Value start(Worker* worker) {
    auto promise = worker->promise();
    worker->Queue();
    return promise;
  }

  static Napi::Value fail(Napi::Env env, const std::string& message) {
    Napi::Error::New(env, message).ThrowAsJavaScriptException();
    return env.Undefined();
  }

  Napi::Value addWeight(const Napi::CallbackInfo& info, DType dtype, const std::vector<WeightPart>& parts) {
    try {
      auto weight = makeWeight(runner_->pool(), runner_->kernels()->quantiser, dtype, parts);
      return Napi::Number::New(info.Env(), runner_->add(std::move(weight)));
    } catch (const OutOfMemory& error) {
      return fail(info.Env(), error.what());
    }
  }

  std::shared_ptr<MappedFile> map(const std::string& path, std::string& error) {
    if (auto file = mapped_[path].lock()) return file;
    auto file = MappedFile::open(path, error);
    if (file) mapped_[path] = file;
    return file;
  }

  std::unique_ptr<Runner> runner_;
  std::map<std::string, std::weak_ptr<MappedFile>> mapped_;
  bool busy_ = false;
};

// readPeak(isa, threads, bytes to read): bytes a second; takes about 0.1 s, during which JavaScript waits.
Napi::Value measureReading(const Napi::CallbackInfo& info) {
  const Kernels* kernels = kernelsOf(info, info[0].ToString());
  if (!kernels) return info.Env().Undefined();
  Pool pool(std::max(1, info[1].ToNumber().Int32Value()));
  return Napi::Number::New(info.Env(), readPeak(pool, kernels->peaks.read, size_t(info[2].ToNumber().Int64Value())));
}

// peaks(isa, threads, bytes to read, seconds): { float32, bfloat16, int8 } in operations a second, each the best of some
// runs of so many seconds, and { read } in bytes a second (no bytes: 0). JavaScript waits: nothing else should run.
Napi::Value measure(const Napi::CallbackInfo& info) {
  if (const Kernels* kernels = kernelsOf(info, info[0].ToString())) {
    const MeasuredPeaks peaks = measurePeaks(*kernels, std::max(1, info[1].ToNumber().Int32Value()),
                                             size_t(info[2].ToNumber().Int64Value()), info[3].ToNumber().DoubleValue());
    auto result = Napi::Object::New(info.Env());
    result.Set("float32", peaks.float32);
    result.Set("bfloat16", peaks.bfloat16);
    result.Set("int8", peaks.int8);
    result.Set("read", peaks.read);
    return result;
  }
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("Runner", RunnerObject::define(env));
  exports.Set("peaks", Napi::Function::New<measure>(env));
  exports.Set("readPeak", Napi::Function::New<measureReading>(env));
  auto isas = Napi::Array::New(env);
  for (const Kernels* kernels : availableKernels()) isas.Set(isas.Length(), kernels->isa);
  exports.Set("isas", isas);
  const auto list = [&](const char* key, const auto& names) {
    auto array = Napi::Array::New(env);
    for (const char* name : names) array.Set(array.Length(), name);
    exports.Set(key, array);
  };
  exports.Set("tableHash", kTableHash);
  list("typeNames", kDTypeNames);
  return exports;
}

NODE_API_MODULE(fettle, initialise)

}  // namespace
}  // namespace fettle

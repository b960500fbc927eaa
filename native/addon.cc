// The Node-API module: what src/engine/native/binding.ts finds in it.
#include <napi.h>

#include "cpu.h"
#include "idle_memory.h"
#include "numbers.h"
#include "peaks.h"
#include "runner_object.h"

namespace fettle {
namespace {

// Bytes that are read to measure, at most: they are all written to.
constexpr int64_t kMostReadBytes = int64_t(4) << 30;

// readPeak(isa, threads, bytes to read): bytes a second; takes about 0.1 s, during which JavaScript waits.
Napi::Value measureReading(const Napi::CallbackInfo& info) {
  const Given given(info, "readPeak");
  const Kernels& kernels = kernelsOf(given, 0);
  Pool pool(int(given.whole(1, "threads", 1, kMostThreads)));
  return Napi::Number::New(info.Env(), readPeak(pool, kernels.peaks.read, size_t(given.whole(2, "bytes", 0, kMostReadBytes))));
}

// peaks(isa, threads, bytes to read, seconds): { float32, bfloat16, int8 } in operations a second, each the best of some
// runs of so many seconds, and { read } in bytes a second (no bytes: 0). JavaScript waits: nothing else should run.
Napi::Value measure(const Napi::CallbackInfo& info) {
  const Given given(info, "peaks");
  const Kernels& kernels = kernelsOf(given, 0);
  const int threads = int(given.whole(1, "threads", 1, kMostThreads));
  const size_t bytes = size_t(given.whole(2, "bytes", 0, kMostReadBytes));
  const double seconds = info[3].IsNumber() ? info[3].As<Napi::Number>().DoubleValue() : -1;
  if (!(seconds > 0 && seconds <= 10)) given.refuse("no seconds", "more than 0 and at most 10");
  const MeasuredPeaks peaks = measurePeaks(kernels, threads, bytes, seconds);
  auto result = Napi::Object::New(info.Env());
  result.Set("float32", peaks.float32);
  result.Set("bfloat16", peaks.bfloat16);
  result.Set("int8", peaks.int8);
  result.Set("read", peaks.read);
  return result;
}

// On a thread of libuv's pool: pages of programs that JavaScript touches on its way to idleness are let go of, too.
class IdleMemoryWorker : public Napi::AsyncWorker {
 public:
  explicit IdleMemoryWorker(Napi::Env env) : AsyncWorker(env), deferred_(env) {}
  Napi::Promise start() {
    Queue();
    return deferred_.Promise();
  }

 protected:
  void Execute() override { returnIdleMemory(); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
};

// returnIdleMemory(): promise
Napi::Value giveBackIdleMemory(const Napi::CallbackInfo& info) { return (new IdleMemoryWorker(info.Env()))->start(); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  TypedArrays::keep(env);
  exports.Set("Runner", defineRunner(env));
  exports.Set("peaks", Napi::Function::New<measure>(env));
  exports.Set("readPeak", Napi::Function::New<measureReading>(env));
  exports.Set("returnIdleMemory", Napi::Function::New<giveBackIdleMemory>(env));
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
  list("builtIsas", builtInstructionSets());
  return exports;
}

NODE_API_MODULE(fettle, initialise)

}  // namespace
}  // namespace fettle

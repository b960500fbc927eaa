// Programs on a thread of libuv's pool, which becomes thread 0 of the kernels, as promises of JavaScript.
#pragma once
#include <napi.h>

#include <atomic>
#include <cstring>
#include <new>
#include <string>

#include "runner.h"

namespace fettle {

inline std::string outOfMemory(const Program& program) {
  return "out of memory: a step needs " + std::to_string(program.arenaBytes >> 20) + " MiB for activations";
}

class RunWorker : public Napi::AsyncWorker {
 public:
  RunWorker(Napi::Env env, Runner& runner, std::shared_ptr<Program> program, Napi::Object keep, bool& busy)
      : AsyncWorker(env), deferred_(env), runner_(runner), program_(std::move(program)), busy_(busy) {
    keep_ = Napi::Persistent(keep);
  }
  Napi::Promise promise() { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      runner_.run(*program_);
    } catch (const std::bad_alloc&) {
      SetError(outOfMemory(*program_));
    }
  }
  void OnOK() override {
    busy_ = false;
    deferred_.Resolve(Env().Undefined());
  }
  void OnError(const Napi::Error& error) override {
    busy_ = false;
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  Runner& runner_;
  std::shared_ptr<Program> program_;
  bool& busy_;
  Napi::ObjectReference keep_;
};

// Engine.repeat: the output of a run is the input of the next, which begins while JavaScript still looks at the output.
class RepeatWorker : public Napi::AsyncProgressQueueWorker<int32_t> {
 public:
  struct Feedback {
    int64_t times;
    const Tensor* output;
    std::shared_ptr<Persistent> input, counted;
  };
  RepeatWorker(Napi::Env env, Runner& runner, std::shared_ptr<Program> program, Feedback feedback, Napi::Function onRun,
               Napi::Object keep, bool& busy)
      : AsyncProgressQueueWorker(env), deferred_(env), runner_(runner), program_(std::move(program)),
        feedback_(std::move(feedback)), busy_(busy) {
    onRun_ = Napi::Persistent(onRun);
    keep_ = Napi::Persistent(keep);
  }
  Napi::Promise promise() { return deferred_.Promise(); }

 protected:
  void Execute(const ExecutionProgress& progress) override {
    try {
      const int64_t count = feedback_.output->size();
      const Tensor& counted = feedback_.counted->tensor;
      for (int64_t i = 0; i < feedback_.times && runner_.run(*program_, &stopped_); i++) {
        const int32_t* values = feedback_.output->as<const int32_t>();
        std::memcpy(feedback_.input->tensor.as<int32_t>(), values, count * sizeof(int32_t));
        for (int64_t n = 0; n < counted.size(); n++) counted.as<int32_t>()[n]++;
        progress.Send(values, size_t(count));
      }
    } catch (const std::bad_alloc&) {
      SetError(outOfMemory(*program_));
    }
  }
  void OnProgress(const int32_t* values, size_t count) override {
    if (stopped_) return;
    Napi::HandleScope scope(Env());
    auto array = Napi::Int32Array::New(Env(), count);
    std::memcpy(array.Data(), values, count * sizeof(int32_t));
    const Napi::Value goesOn = onRun_.Call({array});
    if (goesOn.IsEmpty() || !goesOn.ToBoolean().Value()) stopped_ = true;
  }
  void OnOK() override {
    busy_ = false;
    deferred_.Resolve(Env().Undefined());
  }
  void OnError(const Napi::Error& error) override {
    busy_ = false;
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  Runner& runner_;
  std::shared_ptr<Program> program_;
  Feedback feedback_;
  std::atomic<bool> stopped_{false};
  bool& busy_;
  Napi::FunctionReference onRun_;
  Napi::ObjectReference keep_;
};

}  // namespace fettle

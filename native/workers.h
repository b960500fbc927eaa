// Programs on a thread of libuv's pool, which becomes thread 0 of the kernels, as promises of JavaScript.
#pragma once
#include <napi.h>

#include <atomic>
#include <cstring>
#include <new>
#include <string>

#include "runner.h"

namespace fettle {

// A worker of node-addon-api that settles a promise; `busy` is true until it has.
template <class Worker> class PromiseWorker : public Worker {
 public:
  PromiseWorker(Napi::Env env, Runner& runner, std::shared_ptr<Program> program, Napi::Object keep, bool& busy)
      : Worker(env), runner_(runner), program_(std::move(program)), deferred_(env), busy_(busy) {
    keep_ = Napi::Persistent(keep);
    busy_ = true;
  }
  Napi::Promise promise() { return deferred_.Promise(); }

 protected:
  template <class Body> void reportingMemory(const Body& body) {
    try {
      body();
    } catch (const std::bad_alloc&) {
      this->SetError("out of memory: a step needs " + std::to_string(program_->arenaBytes >> 20) + " MiB for activations");
    }
  }
  void OnOK() override {
    busy_ = false;
    deferred_.Resolve(this->Env().Undefined());
  }
  void OnError(const Napi::Error& error) override {
    busy_ = false;
    deferred_.Reject(error.Value());
  }

  Runner& runner_;
  std::shared_ptr<Program> program_;

 private:
  Napi::Promise::Deferred deferred_;
  bool& busy_;
  Napi::ObjectReference keep_;
};

class RunWorker : public PromiseWorker<Napi::AsyncWorker> {
 public:
  using PromiseWorker::PromiseWorker;

 protected:
  void Execute() override {
    reportingMemory([&] { runner_.run(*program_); });
  }
};

class FinishWorker : public PromiseWorker<Napi::AsyncWorker> {
 public:
  using PromiseWorker::PromiseWorker;

 protected:
  void Execute() override {
    reportingMemory([&] { runner_.finish(*program_); });
  }
};

// Engine.repeat: the output of a run is the input of the next, which begins while JavaScript still looks at the output.
class RepeatWorker : public PromiseWorker<Napi::AsyncProgressQueueWorker<int32_t>> {
 public:
  struct Feedback {
    int64_t times;
    const Tensor* output;
    std::shared_ptr<Persistent> input, counted;
  };
  RepeatWorker(Napi::Env env, Runner& runner, std::shared_ptr<Program> program, Napi::Object keep, bool& busy,
               Feedback feedback, Napi::Function onRun)
      : PromiseWorker(env, runner, std::move(program), keep, busy), feedback_(std::move(feedback)) {
    onRun_ = Napi::Persistent(onRun);
  }

 protected:
  void Execute(const ExecutionProgress& progress) override {
    reportingMemory([&] {
      const int64_t count = feedback_.output->size();
      const Tensor& counted = feedback_.counted->tensor;
      for (int64_t i = 0; i < feedback_.times && runner_.run(*program_, &stopped_); i++) {
        const int32_t* values = feedback_.output->as<const int32_t>();
        std::memcpy(feedback_.input->tensor.as<int32_t>(), values, count * sizeof(int32_t));
        for (int64_t n = 0; n < counted.size(); n++) counted.as<int32_t>()[n]++;
        progress.Send(values, size_t(count));
      }
    });
  }
  void OnProgress(const int32_t* values, size_t count) override {
    if (stopped_) return;
    Napi::HandleScope scope(Env());
    auto array = Napi::Int32Array::New(Env(), count);
    std::memcpy(array.Data(), values, count * sizeof(int32_t));
    const Napi::Value goesOn = onRun_.Call({array});
    if (goesOn.IsEmpty() || !goesOn.ToBoolean().Value()) stopped_ = true;
  }

 private:
  Feedback feedback_;
  std::atomic<bool> stopped_{false};
  Napi::FunctionReference onRun_;
};

}  // namespace fettle

// Programs on a thread of libuv's pool, which becomes thread 0 of the kernels, as promises of JavaScript.
#pragma once
#include <napi.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "numbers.h"
#include "runner.h"

namespace fettle {

// A worker of node-addon-api that settles a promise; `busy` is true until it has.
template <class Worker> class PromiseWorker : public Worker {
 public:
  PromiseWorker(Napi::Env env, Runner& runner, std::shared_ptr<Program> program, Napi::Object keep, bool& busy)
      : Worker(env), runner_(runner), program_(std::move(program)), deferred_(env), busy_(busy) {
    keep_ = Napi::Persistent(keep);
  }
  // Starts the work.
  Napi::Promise start() {
    this->Queue();
    busy_ = true;
    return deferred_.Promise();
  }

 protected:
  // What a body throws becomes the promise's error.
  template <class Body> void reporting(const Body& body) {
    try {
      body();
    } catch (const std::bad_alloc&) {
      this->SetError("out of memory");
    } catch (const std::exception& error) {
      this->SetError(error.what());
    } catch (...) {
      this->SetError("a kernel failed");
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
  Napi::Promise::Deferred deferred_;
  bool& busy_;

 private:
  Napi::ObjectReference keep_;
};

class RunWorker : public PromiseWorker<Napi::AsyncWorker> {
 public:
  using PromiseWorker::PromiseWorker;

 protected:
  void Execute() override {
    reporting([&] { runner_.run(*program_); });
  }
};

class FinishWorker : public PromiseWorker<Napi::AsyncWorker> {
 public:
  using PromiseWorker::PromiseWorker;

 protected:
  void Execute() override {
    reporting([&] { runner_.finish(*program_); });
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
    reporting([&] {
      const int64_t count = feedback_.output->size();
      const Tensor& counted = feedback_.counted->tensor;
      for (int64_t i = 0; i < feedback_.times && runner_.run(*program_, &stopped_); i++) {
        const int32_t* values = feedback_.output->as<const int32_t>();
        std::memcpy(feedback_.input->tensor.as<int32_t>(), values, count * sizeof(int32_t));
        for (int64_t n = 0; n < counted.size(); n++) counted.as<uint32_t>()[n]++;
        progress.Send(values, size_t(count));
      }
    });
  }
  // Is called by libuv, which knows no exceptions: what onRun throws is kept for the promise.
  void OnProgress(const int32_t* values, size_t count) override {
    if (stopped_) return;
    try {
      Napi::HandleScope scope(Env());
      auto array = newInt32Array(Env(), count);
      std::memcpy(array.Data(), values, count * sizeof(int32_t));
      if (!onRun_.Call({array}).ToBoolean().Value()) stopped_ = true;
    } catch (const Napi::Error& error) {
      failure_ = std::make_unique<Napi::Error>(error);
      stopped_ = true;
    } catch (const std::exception& error) {
      failure_ = std::make_unique<Napi::Error>(Napi::Error::New(Env(), error.what()));
      stopped_ = true;
    }
  }
  void OnOK() override {
    if (failure_) return OnError(*failure_);
    PromiseWorker::OnOK();
  }

 private:
  Feedback feedback_;
  std::atomic<bool> stopped_{false};
  std::unique_ptr<Napi::Error> failure_;
  Napi::FunctionReference onRun_;
};

}  // namespace fettle

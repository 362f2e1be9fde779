#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "core/call_control.h"
#include "node/process_end.h"

namespace trtn {

// The way from any thread to the JavaScript thread of one environment. Shared by the environment and
// by every thread that works for it; the environment closes it when it is torn down, after which Post
// does nothing. The mutex makes that safe: a thread never touches the thread-safe function while, or
// after, Node frees it.
class JsChannel {
 public:
  using Task = std::function<void(Napi::Env)>;

  explicit JsChannel(Napi::Env env);
  JsChannel(const JsChannel&) = delete;
  JsChannel& operator=(const JsChannel&) = delete;

  // Runs `task` on the JavaScript thread. False, and `task` is dropped, when the environment is gone.
  // Tasks must hold no N-API references: a dropped task is destroyed on the calling thread.
  bool Post(Task task);

  // JavaScript thread only: whether the event loop waits for this channel.
  void Ref(Napi::Env env);
  void Unref(Napi::Env env);
  // JavaScript thread only: no Post succeeds from here on.
  void Close();

 private:
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
};

// State of one environment: its channel and the calls that have not settled. Everything that holds an
// N-API reference lives here and so dies on the JavaScript thread; threads know calls by number only.
// Owned by Node's instance data. A cleanup hook cancels what is still running before the environment
// goes.
class JsEnvironment {
 public:
  explicit JsEnvironment(Napi::Env env);
  ~JsEnvironment();
  JsEnvironment(const JsEnvironment&) = delete;
  JsEnvironment& operator=(const JsEnvironment&) = delete;

  static JsEnvironment& Of(Napi::Env env) { return *env.GetInstanceData<JsEnvironment>(); }

  // A new call: its number, with a promise that Settle resolves. While it is open the process does
  // not end by itself, unless the call has been cancelled.
  uint64_t Open(Napi::Env env, std::shared_ptr<CallControl> control, Napi::Function on_progress);
  Napi::Promise PromiseOf(uint64_t call) const;
  // Does the work of an open call, as ProcessEnd::Start does. Where no thread can be had, forgets the call
  // and throws a JavaScript Error.
  void Start(Napi::Env env, uint64_t call, ProcessEnd::Stopping stopping, std::function<void()> work);
  void Report(Napi::Env env, uint64_t call, const PhaseReport& report);
  // What a calibrated build tells of its batches goes to `on_event`; nothing more after Cancel.
  void ListenCalibrator(uint64_t call, Napi::Function on_event);
  void NotifyCalibrator(Napi::Env env, uint64_t call, const char* event, Napi::Value payload);
  // Keeps what a batch lies in until the next one, or the end of the call.
  void HoldBatch(uint64_t call, Napi::Object batch);
  void Settle(Napi::Env env, uint64_t call, Napi::Value outcome);
  void Cancel(Napi::Env env, uint64_t call);

  std::shared_ptr<JsChannel> channel() const { return channel_; }

 private:
  struct Call {
    std::shared_ptr<CallControl> control;
    Napi::Promise::Deferred deferred;
    Napi::FunctionReference on_progress;
    bool keeps_alive = true;
    Napi::FunctionReference on_calibrator_event;
    Napi::ObjectReference batch;

    // Stops the work; it reads no memory of JavaScript's from here on.
    void Cancel() {
      control->Cancel();
      batch.Reset();
    }
  };

  static void OnTeardown(void* self);
  void Release(Napi::Env env, Call& call);

  napi_env env_;
  std::shared_ptr<JsChannel> channel_;
  std::map<uint64_t, Call> calls_;
  uint64_t next_call_ = 1;
  size_t keeping_alive_ = 0;
};

}  // namespace trtn

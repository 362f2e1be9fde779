#include "node/js_thread.h"

#include <initializer_list>
#include <string>
#include <system_error>
#include <utility>

namespace trtn {
namespace {

void RunTask(napi_env env, napi_value /*callback*/, void* /*context*/, void* data) {
  const std::unique_ptr<JsChannel::Task> task(static_cast<JsChannel::Task*>(data));
  if (env == nullptr) return;  // queued, and the environment went first
  try {
    const Napi::HandleScope scope(env);
    (*task)(env);
  } catch (const Napi::Error& error) {
    // Only a terminating environment gets here: tasks hand JavaScript's own errors over themselves.
    (void)error;
  }
}

// Not FunctionReference::Call: when the worker is terminated while the function runs, the exception is no
// object, and node-addon-api ends the process over it. Listeners hand their own errors over themselves.
void CallListener(napi_env env, const Napi::FunctionReference& listener,
                  std::initializer_list<napi_value> arguments) {
  napi_value receiver = nullptr;
  napi_value result = nullptr;
  napi_get_undefined(env, &receiver);
  if (napi_call_function(env, receiver, listener.Value(), arguments.size(), arguments.begin(),
                         &result) == napi_ok) {
    return;
  }
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
    napi_get_and_clear_last_exception(env, &result);
  }
}

}  // namespace

JsChannel::JsChannel(Napi::Env env) {
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "tensorrt-node"), 0, 1, nullptr, nullptr,
      nullptr, RunTask, &function_);
  if (status != napi_ok) {
    throw Napi::Error::New(env, "Node did not create a thread-safe function");
  }
  napi_unref_threadsafe_function(env, function_);
}

bool JsChannel::Post(Task task) {
  auto data = std::make_unique<Task>(std::move(task));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return false;
  // The queue has no bound, so this never waits and the lock is held for a moment only.
  if (napi_call_threadsafe_function(function_, data.get(), napi_tsfn_nonblocking) != napi_ok) {
    function_ = nullptr;
    return false;
  }
  data.release();
  return true;
}

void JsChannel::Ref(Napi::Env env) {
  if (function_ != nullptr) napi_ref_threadsafe_function(env, function_);
}

void JsChannel::Unref(Napi::Env env) {
  if (function_ != nullptr) napi_unref_threadsafe_function(env, function_);
}

void JsChannel::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Node frees the function itself with the environment.
  function_ = nullptr;
}

JsEnvironment::JsEnvironment(Napi::Env env)
    : env_(env), channel_(std::make_shared<JsChannel>(env)) {
  // Added after the channel's function, so that it runs before Node frees that.
  napi_add_env_cleanup_hook(env_, OnTeardown, this);
}

JsEnvironment::~JsEnvironment() {
  // Instance data goes after the hooks have run; removing a hook that has run does nothing.
  channel_->Close();
}

void JsEnvironment::OnTeardown(void* self) {
  auto* environment = static_cast<JsEnvironment*>(self);
  environment->channel_->Close();
  for (auto& [number, call] : environment->calls_) {
    call.Cancel();
    call.on_progress.Reset();
    call.on_calibrator_event.Reset();
  }
  ProcessEnd::OnEnvironmentTeardown();
}

uint64_t JsEnvironment::Open(Napi::Env env, std::shared_ptr<CallControl> control,
                             Napi::Function on_progress) {
  const uint64_t number = next_call_++;
  Call call{std::move(control), Napi::Promise::Deferred::New(env), {}, true, {}, {}};
  if (!on_progress.IsEmpty()) call.on_progress = Napi::Persistent(on_progress);
  calls_.emplace(number, std::move(call));
  if (keeping_alive_++ == 0) channel_->Ref(env);
  return number;
}

Napi::Promise JsEnvironment::PromiseOf(uint64_t call) const {
  return calls_.at(call).deferred.Promise();
}

void JsEnvironment::Start(Napi::Env env, uint64_t call, ProcessEnd::Stopping stopping,
                          std::function<void()> work) {
  const auto found = calls_.find(call);
  try {
    ProcessEnd::Start(found->second.control, stopping, std::move(work));
  } catch (const std::system_error& error) {
    Release(env, found->second);
    calls_.erase(found);
    throw Napi::Error::New(env, std::string("Cannot start a thread: ") + error.what());
  }
}

void JsEnvironment::Report(Napi::Env env, uint64_t call, const PhaseReport& report) {
  const auto found = calls_.find(call);
  if (found == calls_.end() || found->second.on_progress.IsEmpty()) return;
  Napi::Object object = Napi::Object::New(env);
  object.Set("phase", report.phase);
  object.Set("step", report.step);
  object.Set("steps", report.steps);
  object.Set("elapsedMs", report.elapsed_ms);
  CallListener(env, found->second.on_progress, {object});
}

void JsEnvironment::ListenCalibrator(uint64_t call, Napi::Function on_event) {
  calls_.at(call).on_calibrator_event = Napi::Persistent(on_event);
}

void JsEnvironment::NotifyCalibrator(Napi::Env env, uint64_t call, const char* event,
                                     Napi::Value payload) {
  const auto found = calls_.find(call);
  if (found == calls_.end() || found->second.control->cancelled.load()) return;
  CallListener(env, found->second.on_calibrator_event, {Napi::String::New(env, event), payload});
}

void JsEnvironment::HoldBatch(uint64_t call, Napi::Object batch) {
  const auto found = calls_.find(call);
  if (found != calls_.end()) found->second.batch = Napi::Persistent(batch);
}

void JsEnvironment::Settle(Napi::Env env, uint64_t call, Napi::Value outcome) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  Release(env, found->second);
  found->second.deferred.Resolve(outcome);
  calls_.erase(found);
}

void JsEnvironment::Cancel(Napi::Env env, uint64_t call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  found->second.Cancel();
  // Nobody waits for a cancelled call, so a process with nothing else to do may end.
  Release(env, found->second);
}

void JsEnvironment::Release(Napi::Env env, Call& call) {
  if (!std::exchange(call.keeps_alive, false)) return;
  if (--keeping_alive_ == 0) channel_->Unref(env);
}

}  // namespace trtn

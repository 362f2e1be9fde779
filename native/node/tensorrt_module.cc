// The module of one TensorRT family; lib/runtime/binding.ts types what it exports.

#include <napi.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/builder.h"
#include "core/session/free_memory.h"
#include "node/calibrator_call.h"
#include "node/convert.h"
#include "node/js_thread.h"
#include "node/process_end.h"
#include "node/session_module.h"

namespace trtn {
namespace {

#if TRTN_HAS_PROGRESS_MONITOR
constexpr auto kBuildStops = ProcessEnd::Stopping::kSoon;
#else
constexpr auto kBuildStops = ProcessEnd::Stopping::kNever;
#endif

// Starts `work` on its own thread and returns {promise, cancel}. The promise resolves with the outcome,
// failures included; it never rejects. The result moves to the JavaScript thread, which copies the
// plan and frees the library's memory.
Napi::Value StartCall(const Napi::CallbackInfo& info, ProcessEnd::Stopping stopping,
                      BuildResult (*work)(const BuildOptions&, CallControl&)) {
  const Napi::Env env = info.Env();
  JsEnvironment& environment = JsEnvironment::Of(env);
  auto options = std::make_shared<BuildOptions>(BuildOptionsFrom(info[0].As<Napi::Object>()));
  auto control = std::make_shared<CallControl>();
  const bool reports = info.Length() > 1 && info[1].IsFunction();
  const uint64_t call = environment.Open(
      env, control, reports ? info[1].As<Napi::Function>() : Napi::Function());
  const std::shared_ptr<JsChannel> channel = environment.channel();
  if (reports) {
    control->on_phase = [channel, call](const PhaseReport& report) {
      channel->Post([call, report](Napi::Env js) { JsEnvironment::Of(js).Report(js, call, report); });
    };
  }

  Napi::Object handle = Napi::Object::New(env);
  handle.Set("promise", environment.PromiseOf(call));
  handle.Set("cancel", Napi::Function::New(env, [call](const Napi::CallbackInfo& cancel) {
               JsEnvironment::Of(cancel.Env()).Cancel(cancel.Env(), call);
             }));

  options->calibrator = ConnectCalibrator(info[0].As<Napi::Object>(), handle, call, *control);
  environment.Start(env, call, stopping, [channel, call, options, control, work] {
    // std::function wants tasks that can be copied, and a plan has one owner.
    auto result = std::make_shared<BuildResult>(work(*options, *control));
    std::vector<uint8_t>().swap(options->model.bytes);
    ReturnFreeMemory();
    channel->Post([call, result = std::move(result)](Napi::Env js) {
      JsEnvironment::Of(js).Settle(js, call, OutcomeOf(js, *result));
    });
  });
  return handle;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new JsEnvironment(env));
  exports.Set("family", kFamily);
  exports.Set("headersVersion", std::to_string(NV_TENSORRT_MAJOR) + "." +
                                    std::to_string(NV_TENSORRT_MINOR) + "." +
                                    std::to_string(NV_TENSORRT_PATCH));
  exports.Set("build", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return StartCall(info, kBuildStops, Build);
              }));
  exports.Set("combineTimings", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return StartCall(info, ProcessEnd::Stopping::kSoon, CombineTimings);
              }));
  exports.Set("describe", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return StartCall(info, ProcessEnd::Stopping::kSoon, Describe);
              }));
  exports.Set("announceExit", Napi::Function::New(env, [](const Napi::CallbackInfo&) {
                ProcessEnd::Announce();
              }));
  RegisterSessions(env, exports);
  return exports;
}

}  // namespace
}  // namespace trtn

static Napi::Object InitTensorRt(Napi::Env env, Napi::Object exports) {
  return trtn::Init(env, exports);
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, InitTensorRt)

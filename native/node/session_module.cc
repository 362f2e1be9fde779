#include "node/session_module.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "core/session/free_memory.h"
#include "core/session/shared_memory.h"
#include "node/process_end.h"
#include "node/session_convert.h"
#include "node/session_object.h"

namespace trtn {
namespace {

using HostPointer = std::shared_ptr<SessionHost>;

struct Opened {
  std::shared_ptr<Session> session;
  std::shared_ptr<SessionWaker> waker;
  std::optional<Failure> failure;
};

// On a thread of its own: a large plan takes seconds.
void OpenHere(OpenOptions& options, Opened& opened) {
  CallLog log;
  std::shared_ptr<Engine> engine;
  try {
    engine = Engine::Load(std::move(options.source), log);
    if (options.session.profile >= engine->profiles()) {
      throw Error("PROFILE_INVALID",
                  "There is no optimization profile " + std::to_string(options.session.profile) +
                      ": the engine has " + std::to_string(engine->profiles()),
                  "Choose a profile from 0, or leave it out: each run then takes the first that "
                  "fits.");
    }
    opened.session = std::make_shared<Session>(
        engine, options.session, [waker = opened.waker](Wake wake) { waker->Post(wake); });
    ProcessEnd::Close(opened.session);
  } catch (const Error& error) {
    opened.failure = Failure{error, engine == nullptr ? log.TakeLines() : engine->TakeLog()};
  } catch (const std::exception& error) {
    opened.failure = Failure{Error("INFERENCE_FAILED", error.what()), log.TakeLines()};
  }
}

// Returns {promise, cancel}; the promise resolves with {failure} or {session, engine}.
Napi::Value OpenSession(const Napi::CallbackInfo& info, const HostPointer& host) {
  const Napi::Env env = info.Env();
  auto options = std::make_shared<OpenOptions>(OpenOptionsFrom(info[0].As<Napi::Object>()));
  JsEnvironment& environment = JsEnvironment::Of(env);
  const uint64_t call =
      environment.Open(env, std::make_shared<CallControl>(), Napi::Function());
  const Napi::Promise promise = environment.PromiseOf(call);
  auto opened = std::make_shared<Opened>();
  opened->waker = std::make_shared<SessionWaker>();
  opened->waker->channel = host->channel();
  const auto open = [=, channel = environment.channel()]() mutable {
    OpenHere(*options, *opened);
    options.reset();
    ReturnFreeMemory();
    channel->Post([call, host, opened](Napi::Env js) {
      Napi::Object outcome = Napi::Object::New(js);
      if (opened->failure) {
        outcome.Set("failure", FailureObject(js, *opened->failure));
      } else {
        outcome.Set("engine", EngineObject(js, *opened->session));
        outcome.Set("session", SessionObject::Create(js, host, std::move(opened->session),
                                                     opened->waker));
      }
      JsEnvironment::Of(js).Settle(js, call, outcome);
    });
  };
  environment.Start(env, call, ProcessEnd::Stopping::kSoon, open);
  return promise;
}

// (deviceId, bytes) → handle
Napi::Value AllocateDevice(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  try {
    auto block = std::make_shared<DeviceBlock>(
        info[0].As<Napi::Number>().Int32Value(),
        static_cast<size_t>(info[1].As<Napi::Number>().Int64Value()));
    return Napi::External<DeviceHandleBox>::New(
        env, new DeviceHandleBox(std::move(block)),
        [](Napi::Env /*env*/, DeviceHandleBox* box) { delete box; });
  } catch (const Error& error) {
    ThrowFailure(env, {error, {}});
  }
}

void FreeDevice(const Napi::CallbackInfo& info) {
  // A run in flight holds its own reference.
  info[0].As<Napi::External<DeviceHandleBox>>().Data()->reset();
}

// (handle, typed array, upload): blocks.
void CopyDevice(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const DeviceHandleBox block = *info[0].As<Napi::External<DeviceHandleBox>>().Data();
  const auto array = info[1].As<Napi::TypedArray>();
  if (block == nullptr || array.ByteLength() > block->bytes()) {
    throw Napi::TypeError::New(env, "Expected a live GPU buffer at least as large as the array");
  }
  auto* data = static_cast<unsigned char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  try {
    if (info[2].ToBoolean()) {
      block->Upload(data, array.ByteLength());
    } else {
      block->Download(data, array.ByteLength());
    }
  } catch (const Error& error) {
    ThrowFailure(env, {error, {}});
  }
}

// (deviceId, ArrayBuffer, bytes) → [offset of the first page inside, its address]. Whole pages are
// locked, so the caller brings an ArrayBuffer of two pages more than it needs.
constexpr uintptr_t kPage = 4096;

uintptr_t FirstPage(const void* data) {
  return (reinterpret_cast<uintptr_t>(data) + kPage - 1) & ~(kPage - 1);
}

Napi::Value Pin(const Napi::CallbackInfo& info, const HostPointer& host) {
  const Napi::Env env = info.Env();
  auto buffer = info[1].As<Napi::ArrayBuffer>();
  const auto bytes = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  const size_t rounded = (bytes + kPage - 1) & ~(kPage - 1);
  const uintptr_t first = FirstPage(buffer.Data());
  const size_t offset = first - reinterpret_cast<uintptr_t>(buffer.Data());
  if (rounded == 0 || offset + rounded > buffer.ByteLength()) {
    throw Napi::TypeError::New(env, "Expected an ArrayBuffer of two pages more than is pinned");
  }
  auto* pointer = reinterpret_cast<void*>(first);
  try {
    PinnedMemory::Get().Add(info[0].As<Napi::Number>().Int32Value(), pointer, rounded);
  } catch (const Error& error) {
    ThrowFailure(env, {error, {}});
  }
  host->AddPinned(pointer);
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0U, static_cast<double>(offset));
  result.Set(1U, static_cast<double>(first));
  return result;
}

// (address): by address, because a buffer that was transferred has none any more. Runs in flight keep
// the memory locked until they end.
void Unpin(const Napi::CallbackInfo& info, const HostPointer& host) {
  const auto address = static_cast<uintptr_t>(info[0].As<Napi::Number>().Int64Value());
  host->RemovePinned(reinterpret_cast<void*>(address));
}

}  // namespace

void RegisterSessions(Napi::Env env, Napi::Object exports) {
  const HostPointer host = SessionHost::Create(env);
  exports.Set("openSession", Napi::Function::New(env, [host](const Napi::CallbackInfo& info) {
                return OpenSession(info, host);
              }));
  exports.Set("allocateDevice", Napi::Function::New(env, AllocateDevice));
  exports.Set("freeDevice", Napi::Function::New(env, FreeDevice));
  exports.Set("copyDevice", Napi::Function::New(env, CopyDevice));
  exports.Set("pin", Napi::Function::New(
                         env, [host](const Napi::CallbackInfo& info) { return Pin(info, host); }));
  exports.Set("unpin", Napi::Function::New(env, [host](const Napi::CallbackInfo& info) {
                Unpin(info, host);
              }));
}

}  // namespace trtn

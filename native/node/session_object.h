#pragma once

#include <napi.h>

#include <memory>

#include "core/session/session.h"
#include "node/session_host.h"

namespace trtn {

// What a worker needs to make the JavaScript thread collect results. Made before the session object,
// which is filled in before the first piece of work.
struct SessionWaker {
  std::shared_ptr<JsChannel> channel;
  std::weak_ptr<SessionObject> object;
  void Post(Wake wake) const;
};

// The JavaScript side of one session: lives and dies on the JavaScript thread, and holds the only N-API
// reference of the session, its callback. The callback holds the TypeScript object with the arrays of
// pending runs, so it is strong only while something is pending: an abandoned session can be collected.
class SessionObject : public std::enable_shared_from_this<SessionObject> {
 public:
  // The object with the session's methods; lib/session/tensorrt/binding.ts types it.
  static Napi::Object Create(Napi::Env env, std::shared_ptr<SessionHost> host,
                             std::shared_ptr<Session> session,
                             const std::shared_ptr<SessionWaker>& waker);
  SessionObject(std::shared_ptr<SessionHost> host, std::shared_ptr<Session> session);
  ~SessionObject();
  SessionObject(const SessionObject&) = delete;
  SessionObject& operator=(const SessionObject&) = delete;

  // Hands completed work to the callback.
  void Drain(Napi::Env env);
  // Tells the callback that a run is about to be done.
  void Soon(Napi::Env env);
  // The environment goes: drops what is queued, waits for what runs and frees the session.
  void Abandon();

 private:
  void OnDone(const Napi::CallbackInfo& info);
  void Run(const Napi::CallbackInfo& info);
  void RunSync(const Napi::CallbackInfo& info);
  void Ping(const Napi::CallbackInfo& info);
  void Poll(const Napi::CallbackInfo& info);
  void Prepare(const Napi::CallbackInfo& info);
  Napi::Value PrepareSync(const Napi::CallbackInfo& info);
  void Loop(const Napi::CallbackInfo& info);
  void Profile(const Napi::CallbackInfo& info);
  Napi::Value LayerInformation(const Napi::CallbackInfo& info);
  Napi::Value LastTimes(const Napi::CallbackInfo& info);
  Napi::Value Cancel(const Napi::CallbackInfo& info);
  Napi::Value Memory(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  Session& Open(Napi::Env env) const;
  void Submit(Napi::Env env, Work work);
  void Pending(Napi::Env env);
  void Settled(Napi::Env env);

  std::shared_ptr<SessionHost> host_;
  std::shared_ptr<Session> session_;
  Napi::FunctionReference on_done_;
  size_t pending_ = 0;
  // Of the completion that was handed over last, in milliseconds of the steady clock.
  double taken_ms_ = 0;
  double done_ms_ = 0;
};

}  // namespace trtn

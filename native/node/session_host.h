#pragma once

#include <napi.h>

#include <memory>
#include <set>

#include "node/js_thread.h"

namespace trtn {

class SessionObject;

// What the sessions of one environment share: the way to its JavaScript thread, and the list of those
// that are open. JavaScript thread only. A cleanup hook closes every session, and so waits for runs in
// flight, before V8 frees the memory that they read and write.
class SessionHost : public std::enable_shared_from_this<SessionHost> {
 public:
  static std::shared_ptr<SessionHost> Create(Napi::Env env);
  ~SessionHost();
  SessionHost(const SessionHost&) = delete;
  SessionHost& operator=(const SessionHost&) = delete;

  void Add(SessionObject* session) { open_.insert(session); }
  void Remove(SessionObject* session) { open_.erase(session); }
  std::shared_ptr<JsChannel> channel() const { return channel_; }

  // While a session has runs pending, the process does not end by itself.
  void KeepAlive(Napi::Env env);
  void LetGo(Napi::Env env);

  // Pinned memory of this environment, to be unlocked before V8 frees it.
  void AddPinned(void* pointer) { pinned_.insert(pointer); }
  void RemovePinned(void* pointer);

 private:
  explicit SessionHost(Napi::Env env);
  static void OnTeardown(void* self);

  std::shared_ptr<JsChannel> channel_;
  std::set<SessionObject*> open_;
  std::set<void*> pinned_;
  size_t keeping_alive_ = 0;
};

}  // namespace trtn

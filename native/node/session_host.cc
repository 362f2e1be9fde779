#include "node/session_host.h"

#include "core/session/shared_memory.h"
#include "node/session_object.h"

namespace trtn {

SessionHost::SessionHost(Napi::Env env) : channel_(std::make_shared<JsChannel>(env)) {}

SessionHost::~SessionHost() = default;

std::shared_ptr<SessionHost> SessionHost::Create(Napi::Env env) {
  const std::shared_ptr<SessionHost> host(new SessionHost(env));
  // Added after the channel's function, so that it runs before Node frees that. The hook owns a
  // reference, because objects are finalised after it.
  napi_add_env_cleanup_hook(env, OnTeardown, new std::shared_ptr<SessionHost>(host));
  return host;
}

void SessionHost::OnTeardown(void* self) {
  const std::unique_ptr<std::shared_ptr<SessionHost>> owner(
      static_cast<std::shared_ptr<SessionHost>*>(self));
  SessionHost& host = **owner;
  const std::set<SessionObject*> open = host.open_;
  for (SessionObject* session : open) session->Abandon();
  for (void* pointer : host.pinned_) PinnedMemory::Get().Remove(pointer);
  host.pinned_.clear();
  host.channel_->Close();
}

void SessionHost::KeepAlive(Napi::Env env) {
  if (keeping_alive_++ == 0) channel_->Ref(env);
}

void SessionHost::LetGo(Napi::Env env) {
  if (--keeping_alive_ == 0) channel_->Unref(env);
}

void SessionHost::RemovePinned(void* pointer) {
  if (pinned_.erase(pointer) != 0) PinnedMemory::Get().Remove(pointer);
}

}  // namespace trtn

#include "node/session_exit.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace trtn {
namespace {

// A GPU that hangs must not keep the process from ending.
constexpr std::chrono::seconds kPatience{10};

struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<Session>> open;
  std::set<int> registered;  // library versions whose first session has registered the handler

  // Never destroyed: it is used while the process ends.
  static Registry& Get() {
    static auto* const registry = new Registry();
    return *registry;
  }
};

std::vector<std::shared_ptr<Session>> OpenSessions() {
  Registry& registry = Registry::Get();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  std::vector<std::shared_ptr<Session>> sessions;
  for (const std::weak_ptr<Session>& entry : registry.open) {
    if (auto session = entry.lock()) sessions.push_back(std::move(session));
  }
  return sessions;
}

struct Closing {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
};

void OnExit(int status, void* /*unused*/) {
  auto sessions = std::make_shared<std::vector<std::shared_ptr<Session>>>(OpenSessions());
  if (sessions->empty()) return;
  auto closing = std::make_shared<Closing>();
  std::thread([sessions, closing] {
    for (auto& session : *sessions) session->Close(true);
    const std::lock_guard<std::mutex> lock(closing->mutex);
    closing->done = true;
    closing->changed.notify_all();
  }).detach();
  std::unique_lock<std::mutex> lock(closing->mutex);
  if (!closing->changed.wait_for(lock, kPatience, [&] { return closing->done; })) _exit(status);
}

}  // namespace

void CloseAtExit(const std::shared_ptr<Session>& session) {
  Registry& registry = Registry::Get();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  auto& open = registry.open;
  open.erase(std::remove_if(open.begin(), open.end(),
                            [](const std::weak_ptr<Session>& entry) { return entry.expired(); }),
             open.end());
  open.push_back(session);
  if (registry.registered.insert(session->engine().library_version()).second) {
    on_exit(OnExit, nullptr);
  }
}

}  // namespace trtn

#include "node/process_end.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace trtn {
namespace {

using Clock = std::chrono::steady_clock;
using Stopping = ProcessEnd::Stopping;

// How long the process waits for what can stop. Builds with a progress monitor and runs in flight take
// some 100 ms; a GPU that hangs must not keep the process from ending.
constexpr std::chrono::seconds kPatience{2};

void OnExit(int status, void* unused);

class State {
 public:
  // Never destroyed: threads report here until the very end.
  static State& Get() {
    static auto* const state = new State();
    return *state;
  }

  void Start(const std::shared_ptr<CallControl>& control, Stopping stopping,
             std::function<void()> work) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      running_.emplace(control, stopping);
      // For an exit() of native code, which no event of JavaScript announces.
      if (!std::exchange(armed_, true)) on_exit(OnExit, nullptr);
    }
    try {
      std::thread([this, control, work = std::move(work)]() mutable {
        work();
        // What the work held goes before the call counts as ended: it may be TensorRT's.
        work = nullptr;
        Ended(control);
      }).detach();
    } catch (const std::system_error&) {
      Ended(control);
      throw;
    }
  }

  void Add(const std::shared_ptr<Session>& session) {
    const std::lock_guard<std::mutex> lock(mutex_);
    sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(),
                                   [](const auto& entry) { return entry.expired(); }),
                    sessions_.end());
    sessions_.push_back(session);
    // The driver and TensorRT register their handlers when they are first used, so before this.
    if (versions_.insert(session->engine().library_version()).second) on_exit(OnExit, nullptr);
  }

  void CancelAll() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [control, stopping] : running_) control->Cancel();
  }

  bool Calls() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !running_.empty();
  }

  // False when something goes on.
  bool End() {
    const Clock::time_point until = Clock::now() + kPatience;
    CancelAll();
    if (!Await(until)) return false;
    // Only now: a session that was being opened is among them.
    std::vector<std::shared_ptr<Session>> open = OpenSessions();
    if (open.empty()) return true;
    try {
      Start(std::make_shared<CallControl>(), Stopping::kSoon, [open = std::move(open)] {
        for (const auto& session : open) session->Close(true);
      });
    } catch (const std::system_error&) {
      return false;
    }
    return Await(until);
  }

 private:
  void Ended(const std::shared_ptr<CallControl>& control) {
    const std::lock_guard<std::mutex> lock(mutex_);
    running_.erase(control);
    changed_.notify_all();
  }

  bool Await(Clock::time_point until) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (const auto& [control, stopping] : running_) {
      if (stopping == Stopping::kNever) return false;
    }
    return changed_.wait_until(lock, until, [this] { return running_.empty(); });
  }

  std::vector<std::shared_ptr<Session>> OpenSessions() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::shared_ptr<Session>> open;
    for (const auto& entry : std::exchange(sessions_, {})) {
      if (auto session = entry.lock()) open.push_back(std::move(session));
    }
    return open;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::shared_ptr<CallControl>, Stopping> running_;
  std::vector<std::weak_ptr<Session>> sessions_;
  std::set<int> versions_;  // of the libraries that had a session
  bool armed_ = false;
};

void OnExit(int status, void* /*unused*/) {
  if (State::Get().End()) return;
  std::fflush(nullptr);
  _exit(status);
}

}  // namespace

void ProcessEnd::Start(std::shared_ptr<CallControl> control, Stopping stopping,
                       std::function<void()> work) {
  State::Get().Start(control, stopping, std::move(work));
}

void ProcessEnd::Close(const std::shared_ptr<Session>& session) { State::Get().Add(session); }

void ProcessEnd::Announce() {
  State::Get().CancelAll();
  on_exit(OnExit, nullptr);
}

void ProcessEnd::OnEnvironmentTeardown() {
  // Of the main thread this is the last moment before the exit handlers; of a worker it may be, because
  // process.exit() ends the workers first, and the main thread need not know of this module.
  if (State::Get().Calls()) on_exit(OnExit, nullptr);
}

}  // namespace trtn

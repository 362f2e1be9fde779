#include "node/running_calls.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace trtn {
namespace {

// How long the end of the process waits for builds that were told to stop. One that cannot stop in
// time is cut off together with the process, without exit handlers.
constexpr std::chrono::seconds kPatience{10};

struct State {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::shared_ptr<CallControl>> running;
  bool exit_handler = false;
  bool gave_up = false;

  // Never destroyed: threads report here until the very end.
  static State& Get() {
    static auto* const state = new State();
    return *state;
  }

  // True when no call is left.
  bool Drain() {
    std::unique_lock<std::mutex> lock(mutex);
    for (const auto& control : running) control->Cancel();
    // Patience is had once, however many ways of ending the process ask.
    const auto patience = gave_up ? std::chrono::seconds(0) : kPatience;
    gave_up = !changed.wait_for(lock, patience, [this] { return running.empty(); });
    return !gave_up;
  }
};

void OnExit(int status, void* /*unused*/) {
  if (!State::Get().Drain()) _exit(status);
}

bool IsMainThread() { return syscall(SYS_gettid) == getpid(); }

}  // namespace

void RunningCalls::Start(std::shared_ptr<CallControl> control, std::function<void()> work) {
  State& state = State::Get();
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.running.insert(control);
    if (!std::exchange(state.exit_handler, true)) on_exit(OnExit, nullptr);
  }
  try {
    std::thread([control, work = std::move(work), &state]() mutable {
      work();
      // What the work held goes before the call counts as ended: it may be TensorRT's.
      work = nullptr;
      const std::lock_guard<std::mutex> lock(state.mutex);
      state.running.erase(control);
      state.changed.notify_all();
    }).detach();
  } catch (const std::system_error&) {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.running.erase(control);
    throw;
  }
}

void RunningCalls::Finish() { State::Get().Drain(); }

void RunningCalls::OnEnvironmentTeardown() {
  if (IsMainThread()) State::Get().Drain();
}

}  // namespace trtn

#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "core/error.h"

namespace trtn {

// One report of a build: TensorRT's own phases, and steps where it counts them.
struct PhaseReport {
  std::string phase;
  int step = 0;
  int steps = 0;
  double elapsed_ms = 0.0;
};

// What the thread that started a call shares with the thread that runs it. Shared by both, so that
// either may end first.
struct CallControl {
  std::atomic<bool> cancelled{false};
  // All that the call is for is there: TensorRT may stop, and that it has then no plan is no failure.
  std::atomic<bool> fulfilled{false};
  // Called on threads of TensorRT; set before the call starts.
  std::function<void(const PhaseReport&)> on_phase;
  // Wakes a thread that waits for something other than TensorRT; called on any thread, and again.
  std::function<void()> on_cancel;

  void Cancel() {
    cancelled.store(true);
    if (on_cancel) on_cancel();
  }
  void ThrowIfCancelled() const {
    if (cancelled.load()) throw Error("CANCELLED", "The call was cancelled");
  }
};

}  // namespace trtn

#pragma once

#include <functional>
#include <memory>

#include "core/call_control.h"

namespace trtn {

// The threads of this process that are inside TensorRT, over all environments. They are detached: a
// worker's teardown must not wait for a builder that takes minutes. The process itself must, because
// the exit handlers of TensorRT and of the driver pull the ground from under a running build.
class RunningCalls {
 public:
  // Runs `work` on a thread of its own. `work` must not throw.
  static void Start(std::shared_ptr<CallControl> control, std::function<void()> work);

  // Stops all calls and waits for their threads. JavaScript calls it when the process is about to end:
  // `process.exit()` runs no cleanup hooks, and TensorRT registers exit handlers while it builds, which
  // run before any of ours that was registered earlier.
  static void Finish();

  // Called when an environment goes, after its calls were cancelled: waits for all threads when that
  // was the main thread's environment, that is, when the process is about to end.
  static void OnEnvironmentTeardown();
};

}  // namespace trtn

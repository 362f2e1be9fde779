#pragma once

#include <functional>
#include <memory>

#include "core/call_control.h"
#include "core/session/session.h"

namespace trtn {

// The end of the process, over all environments. The exit handlers of TensorRT and of the driver pull
// the ground from under threads that are still inside those libraries. So an exit handler of ours, which
// runs before them, ends the calls and closes the sessions; while one goes on, it ends the process there
// and then, with its exit status and without any further handler.
//
// Exit handlers run in the reverse order of their registration, and TensorRT registers some while it
// builds. Ours is therefore registered when the end of the process is in sight.
class ProcessEnd {
 public:
  // What a call does once it is cancelled.
  enum class Stopping {
    kSoon,   // it stops, or would have been short anyway: worth a moment's patience
    kNever,  // TensorRT 8.6 finishes its build, whatever it is told: nobody waits for that
  };

  // Runs `work` on a thread of its own, which is detached: a worker's teardown must not wait for a
  // builder that takes minutes. `work` must not throw.
  static void Start(std::shared_ptr<CallControl> control, Stopping stopping,
                    std::function<void()> work);

  // Has the session closed at the end of the process if it is still open then.
  static void Close(const std::shared_ptr<Session>& session);

  // JavaScript's event 'exit' of the main thread: cancels every call. Sessions work on until the exit
  // handlers run, because listeners of that event may still use them.
  static void Announce();

  // Called when an environment goes, after its calls were cancelled.
  static void OnEnvironmentTeardown();
};

}  // namespace trtn

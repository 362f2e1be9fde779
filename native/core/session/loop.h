#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/session/slot.h"

namespace trtn {

// The benchmark's loop: no JavaScript between iterations.
struct LoopOptions {
  enum class Transfers {
    kNone,    // the data stays on the device
    kPinned,  // from and to pinned memory
    kMemory,  // from and to the tensors of the job, as `run` does
  };
  Transfers transfers = Transfers::kMemory;
  bool graph = true;
  bool spin = false;
  bool events = false;    // time the stages on the device; costs a few microseconds an iteration
  int64_t iterations = 1;  // at least
  double seconds = 0;      // at least
  double warm_up_seconds = 0;
  // Ends this loop early when it becomes true; may be null.
  std::shared_ptr<std::atomic<bool>> stop;
};

// Milliseconds, one entry an iteration; the stages are empty without events.
struct LoopResult {
  std::vector<double> host;     // from the first call to the end of the wait
  std::vector<double> enqueue;  // of the launch alone, on the host
  // Where the launch began on the host, and where the upload began on the device: since the first
  // iteration that counts. The second is empty without events.
  std::vector<double> enqueue_start;
  std::vector<double> upload_start;
  std::vector<double> upload;
  std::vector<double> compute;
  std::vector<double> download;
  double begin_ms = 0;  // on the machine's steady clock, without the warm-up
  double end_ms = 0;
  bool graph = false;  // whether every iteration was a graph launch
};

// Runs the job over and over on the slot; ends early, too, when `stop` becomes true. Throws Error.
LoopResult RunLoop(Slot& slot, const Job& job, const LoopOptions& options,
                   const std::atomic<bool>& stop);

}  // namespace trtn

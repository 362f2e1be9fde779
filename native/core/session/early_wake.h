#pragma once

#include <chrono>
#include <functional>

#include "core/cuda/owners.h"

namespace trtn {

// A thread that sleeps for as long as a run takes wakes slowly: tens of microseconds on machines whose
// idle cores halt, a tenth of the run itself. So whoever will take the result is woken shortly before
// it is expected, and may poll for it.
struct EarlyWake {
  std::chrono::microseconds ahead{0};  // 0: never
  std::function<void()> wake;          // called at most once a run, on the worker's thread
};

// How long the worker waits for runs of one kind, learned from those before.
class WaitEstimate {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;

  // Calls `early.wake` when the wait that began at `start` has about `early.ahead` to go. Returns at
  // once when nothing is known, or when the wait is so long that waking slowly does not matter.
  void WakeBeforeEnd(Clock::time_point start, const cuda::Stream& stream,
                     const EarlyWake& early) const;
  // Follows a faster run at once and slower ones slowly: a single slow run is no rule.
  void Learn(Duration took);

  Duration expected() const { return expected_; }

 private:
  Duration expected_{0};
};

}  // namespace trtn

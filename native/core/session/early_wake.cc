#include "core/session/early_wake.h"

#include "core/cuda/pause.h"

namespace trtn {
namespace {

// Above this, waking slowly is a few hundredths of the run, and waiting by the clock is waste.
constexpr std::chrono::milliseconds kLongest{2};
// How often a wait by the clock looks whether the run is over before its time.
constexpr std::chrono::microseconds kLook{10};

}  // namespace

void WaitEstimate::WakeBeforeEnd(Clock::time_point start, const cuda::Stream& stream,
                                 const EarlyWake& early) const {
  if (early.ahead.count() == 0 || expected_.count() == 0 || expected_ > kLongest) return;
  const Clock::time_point end = start + expected_ - early.ahead;
  Clock::time_point look = start + kLook;
  for (Clock::time_point now = start; now < end; now = Clock::now()) {
    if (now >= look) {
      if (stream.Done()) return;
      look = now + kLook;
    }
    CpuPause();
  }
  early.wake();
}

void WaitEstimate::Learn(Duration took) {
  if (expected_.count() == 0 || took < expected_) {
    expected_ = took;
  } else {
    expected_ += (took - expected_) / 8;
  }
}

}  // namespace trtn

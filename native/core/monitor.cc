#include "core/monitor.h"

#if TRTN_HAS_PROGRESS_MONITOR

#include "core/text.h"

namespace trtn {

BuildMonitor::BuildMonitor(CallControl& control) : control_(control), start_(Clock::now()) {}

void BuildMonitor::phaseStart(const char* phase, const char* /*parent*/, int32_t steps) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    steps_[phase] = steps;
  } catch (const std::bad_alloc&) {
    return;
  }
  Report(phase, 0, true);
}

bool BuildMonitor::stepComplete(const char* phase, int32_t step) noexcept {
  Report(phase, step + 1, false);
  return !control_.cancelled.load() && !control_.fulfilled.load();
}

void BuildMonitor::phaseFinish(const char* phase) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  steps_.erase(phase);
}

// TensorRT completes hundreds of steps within a millisecond; each report costs a hop to the JavaScript
// thread, so only new phases and one step in fifty milliseconds are passed on.
void BuildMonitor::Report(const char* phase, int32_t step, bool always) noexcept {
  if (!control_.on_phase || control_.cancelled.load()) return;
  try {
    PhaseReport report;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const Clock::time_point now = Clock::now();
      if (!always && now - last_report_ < std::chrono::milliseconds(50)) return;
      last_report_ = now;
      report.phase = ValidUtf8(phase);
      report.step = step;
      const auto steps = steps_.find(phase);
      report.steps = steps == steps_.end() ? 0 : steps->second;
      report.elapsed_ms = std::chrono::duration<double, std::milli>(now - start_).count();
    }
    control_.on_phase(report);
  } catch (const std::exception&) {
    // A lost report must not end a build, and nothing may be thrown into TensorRT.
  }
}

}  // namespace trtn

#endif  // TRTN_HAS_PROGRESS_MONITOR

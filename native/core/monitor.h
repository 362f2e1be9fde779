#pragma once

#include "core/call_control.h"
#include "core/tensorrt.h"

#if TRTN_HAS_PROGRESS_MONITOR

#include <chrono>
#include <map>
#include <mutex>

namespace trtn {

// Passes TensorRT's phases on and stops a build that was cancelled or is not needed further. TensorRT
// keeps its address in the builder config: declare it before the config. `control` must outlive it.
class BuildMonitor final : public nvinfer1::IProgressMonitor {
 public:
  explicit BuildMonitor(CallControl& control);

  void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept override;
  bool stepComplete(const char* phase, int32_t step) noexcept override;
  void phaseFinish(const char* phase) noexcept override;

 private:
  void Report(const char* phase, int32_t step, bool always) noexcept;

  using Clock = std::chrono::steady_clock;
  CallControl& control_;
  const Clock::time_point start_;
  std::mutex mutex_;
  Clock::time_point last_report_;
  std::map<std::string, int32_t> steps_;
};

}  // namespace trtn

#endif  // TRTN_HAS_PROGRESS_MONITOR

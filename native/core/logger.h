#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensorrt.h"

namespace trtn {

enum class Severity { kInternalError, kError, kWarning, kInfo, kVerbose };

struct LogLine {
  Severity severity;
  std::string text;
};

// What one call's library said: warnings and errors, and the layer report of a build. TensorRT logs
// from several threads at once.
class CallLog {
 public:
  void Add(Severity severity, std::string_view text);

  // Oldest first.
  std::vector<LogLine> Lines() const;
  // The same, and forgets them: for a log that outlives many calls.
  std::vector<LogLine> TakeLines();
  // The text of the builder's "Layers:" message, empty when there was none.
  std::string LayerReport() const;
  // All errors and warnings that contain `part`.
  bool Says(std::string_view part) const;
  // The first error, empty when there was none.
  std::string FirstError() const;

 private:
  mutable std::mutex mutex_;
  std::vector<LogLine> lines_;
  std::string layer_report_;
  bool error_seen_ = false;
};

// RTX follows every error with "[checkMacros.cpp::catchCudaError::250] … error 35" when there is no GPU,
// as a message of its own or as further lines of the same one. `text` without those lines.
std::string WithoutCudaFollowUp(std::string_view text);

class CallLogger;

// Lends a logger that writes into `log` for as long as the lease lives. TensorRT keeps the address of
// the first logger it is given in process-wide state and may use it after the builder is gone, so
// loggers themselves live for ever and are lent out again; a logger without a lease drops what it is
// told. `log` must outlive the lease; the lease must outlive the TensorRT objects made with it.
class LoggerLease {
 public:
  explicit LoggerLease(CallLog& log);
  ~LoggerLease();
  LoggerLease(const LoggerLease&) = delete;
  LoggerLease& operator=(const LoggerLease&) = delete;

  nvinfer1::ILogger& logger() const;

 private:
  CallLogger* logger_;
};

}  // namespace trtn

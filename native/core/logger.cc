#include "core/logger.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "core/text.h"

namespace trtn {
namespace {

// Enough for every message of a failed parse, and a bound on what a broken model can make us hold.
constexpr size_t kMaxLines = 1000;
constexpr size_t kMaxLineLength = 8192;

bool IsLayerReport(std::string_view text) {
  return StartsWith(text, "Layers:") || Contains(text, "Engine Layer Information:");
}

// About the loggers themselves, which CallLogger takes care of.
bool IsNoise(std::string_view text) { return Contains(text, "logger passed into createInfer"); }

}  // namespace

std::string WithoutCudaFollowUp(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!(Contains(line, "catchCudaError") && Contains(line, "rror 35"))) {
      result.append(line);
      result.push_back('\n');
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return std::string(Trim(result));
}

void CallLog::Add(Severity severity, std::string_view text) {
  if (severity == Severity::kVerbose) {
    if (!IsLayerReport(text)) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    layer_report_ = ValidUtf8(text);
    return;
  }
  if (severity == Severity::kInfo || IsNoise(text)) return;

  std::string clean = WithoutCudaFollowUp(text);
  const std::lock_guard<std::mutex> lock(mutex_);
  // A CUDA error that follows nothing is the error itself.
  if (clean.empty() && !error_seen_) clean = std::string(Trim(text));
  if (clean.empty() || lines_.size() >= kMaxLines) return;
  if (severity != Severity::kWarning) error_seen_ = true;
  lines_.push_back({severity, ValidUtf8(clean.substr(0, kMaxLineLength))});
}

std::vector<LogLine> CallLog::Lines() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lines_;
}

std::vector<LogLine> CallLog::TakeLines() {
  const std::lock_guard<std::mutex> lock(mutex_);
  error_seen_ = false;
  return std::exchange(lines_, {});
}

std::string CallLog::LayerReport() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return layer_report_;
}

bool CallLog::Says(std::string_view part) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const LogLine& line : lines_) {
    if (Contains(line.text, part)) return true;
  }
  return false;
}

std::string CallLog::FirstError() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const LogLine& line : lines_) {
    if (line.severity != Severity::kWarning) return line.text;
  }
  return {};
}

class CallLogger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* text) noexcept override {
    if (text == nullptr) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (log_ == nullptr) return;
    try {
      // The header counts from kINTERNAL_ERROR = 0 to kVERBOSE = 4, as trtn::Severity does.
      log_->Add(static_cast<trtn::Severity>(severity), text);
    } catch (const std::bad_alloc&) {
      // A message is worth less than the build that it is about.
    }
  }

  void Attach(CallLog* log) {
    const std::lock_guard<std::mutex> lock(mutex_);
    log_ = log;
  }

 private:
  std::mutex mutex_;
  CallLog* log_ = nullptr;
};

namespace {

// Never destroyed: threads of TensorRT may log while the process ends.
struct LoggerPool {
  std::mutex mutex;
  std::vector<CallLogger*> idle;

  static LoggerPool& Get() {
    static auto* const pool = new LoggerPool();
    return *pool;
  }
};

CallLogger* TakeLogger() {
  LoggerPool& pool = LoggerPool::Get();
  const std::lock_guard<std::mutex> lock(pool.mutex);
  if (pool.idle.empty()) return new CallLogger();
  CallLogger* logger = pool.idle.back();
  pool.idle.pop_back();
  return logger;
}

}  // namespace

LoggerLease::LoggerLease(CallLog& log) : logger_(TakeLogger()) { logger_->Attach(&log); }

LoggerLease::~LoggerLease() {
  logger_->Attach(nullptr);
  LoggerPool& pool = LoggerPool::Get();
  const std::lock_guard<std::mutex> lock(pool.mutex);
  pool.idle.push_back(logger_);
}

nvinfer1::ILogger& LoggerLease::logger() const { return *logger_; }

}  // namespace trtn

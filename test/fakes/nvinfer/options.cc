// Environment switches, logging and small conversions.
#include <chrono>
#include <mutex>

#include "../include/fake_options.h"
#include "fake_nvinfer.h"

namespace fake {
namespace {

struct Switches {
  std::mutex mutex;
  std::string text = "\x01";
  std::map<std::string, std::string> values;
  std::map<std::string, long long> calls;
};

Switches& Current() {
  static Switches* instance = new Switches;
  return *instance;
}

}  // namespace

// Read where an object of the API is created, never in enqueue: getenv may not race with setenv.
void ReloadOptions() {
  Switches& s = Current();
  std::lock_guard<std::mutex> lock(s.mutex);
  const char* variable = std::getenv("TENSORRT_NODE_FAKE_TENSORRT");
  const std::string text = variable == nullptr ? "" : variable;
  if (text == s.text) return;
  s.text = text;
  s.values = ParseOptions(text);
  s.calls.clear();
}

long long Option(const char* name, long long fallback) {
  Switches& s = Current();
  std::lock_guard<std::mutex> lock(s.mutex);
  return Number(s.values, name, fallback);
}

std::string OptionText(const char* name, const std::string& fallback) {
  Switches& s = Current();
  std::lock_guard<std::mutex> lock(s.mutex);
  return Text(s.values, name, fallback);
}

bool FailsNow(const char* name) {
  Switches& s = Current();
  std::lock_guard<std::mutex> lock(s.mutex);
  const auto found = s.values.find(name);
  if (found == s.values.end()) return false;
  const long long wanted = std::strtoll(found->second.c_str(), nullptr, 10);
  const bool onwards = found->second.find('+') != std::string::npos;
  const long long call = ++s.calls[name];
  return call == wanted || (onwards && call > wanted);
}

int LibraryVersion() {
#if NV_TENSORRT_MAJOR >= 10
  constexpr int kOwn = NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH;
#else
  constexpr int kOwn = NV_TENSORRT_MAJOR * 1000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH;
#endif
  return static_cast<int>(Option("version", kOwn));
}

void Log(ILogger* logger, ILogger::Severity severity, const std::string& message) {
  if (logger != nullptr) logger->log(severity, message.c_str());
}

void LogError(ILogger* logger, const std::string& message) {
  Log(logger, ILogger::Severity::kERROR, message);
}

Shape FromDims(const Dims& dims) {
  Shape shape;
  for (int32_t i = 0; i < dims.nbDims; ++i) shape.push_back(dims.d[i]);
  return shape;
}

Dims ToDims(const Shape& shape) {
  Dims dims{};
  dims.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size() && i < static_cast<size_t>(Dims::MAX_DIMS); ++i) {
    dims.d[i] = static_cast<std::remove_reference_t<decltype(dims.d[0])>>(shape[i]);
  }
  return dims;
}

std::string ShapeText(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  }
  return text + "]";
}

size_t ElementBytes(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
    case DataType::kINT32: return 4;
    case DataType::kHALF: return 2;
#if NV_TENSORRT_MAJOR >= 10
    case DataType::kBF16: return 2;
    case DataType::kINT64: return 8;
#endif
    default: return 1;
  }
}

const char* TypeName(DataType type) {
  switch (type) {
    case DataType::kFLOAT: return "FP32";
    case DataType::kHALF: return "FP16";
    case DataType::kINT8: return "Int8";
    case DataType::kINT32: return "Int32";
    case DataType::kBOOL: return "Bool";
    case DataType::kUINT8: return "UInt8";
#if NV_TENSORRT_MAJOR >= 10
    case DataType::kBF16: return "BF16";
    case DataType::kINT64: return "Int64";
#endif
    default: return "Unknown";
  }
}

}  // namespace fake

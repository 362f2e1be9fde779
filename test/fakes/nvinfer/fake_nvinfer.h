// What all parts of the fake libnvinfer share. One source for the headers of 8.6, 10 and 11: methods
// that not every version has are written without `override`, and are then simply never called.
#pragma once

#include <NvInfer.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "stubs.h"

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))

#if NV_TENSORRT_MAJOR >= 10
#define FAKE_HAS_MONITOR 1
#else
#define FAKE_HAS_MONITOR 0
#endif
#if NV_TENSORRT_MAJOR <= 10
#define FAKE_HAS_CALIBRATOR 1
#else
#define FAKE_HAS_CALIBRATOR 0
#endif

namespace fake {

using namespace nvinfer1;

#if NV_TENSORRT_MAJOR >= 10
using DimsArgument = const Dims&;
#else
using DimsArgument = Dims;
#endif

using Shape = std::vector<int64_t>;

Shape FromDims(const Dims& dims);
Dims ToDims(const Shape& shape);
std::string ShapeText(const Shape& shape);
size_t ElementBytes(DataType type);
const char* TypeName(DataType type);

// options.cc
void ReloadOptions();
int LibraryVersion();
long long Option(const char* name, long long fallback);
std::string OptionText(const char* name, const std::string& fallback);
// True when the option "name=n" asks for the failure of the call that this is (counted from 1).
bool FailsNow(const char* name);
void Log(ILogger* logger, ILogger::Severity severity, const std::string& message);
void LogError(ILogger* logger, const std::string& message);

// cuda.cc: the fake driver, found as the real library finds the real one.
struct Cuda {
  int (*enqueue)(void*, int (*)(void*), void*, void (*)(void*)) = nullptr;
  void* (*bytes)(uint64_t, size_t) = nullptr;
  int (*alloc)(unsigned long long*, size_t) = nullptr;
  int (*release)(unsigned long long) = nullptr;
  int (*copyToHost)(void*, unsigned long long, size_t) = nullptr;
  int (*synchronize)(void*) = nullptr;
  int (*recordEvent)(void*, void*) = nullptr;
  int (*getCurrent)(void**) = nullptr;
  int (*setCurrent)(void*) = nullptr;
  int (*retain)(void**, int) = nullptr;
  int (*getDevice)(int*) = nullptr;
  std::string deviceName;
  int major = 0, minor = 0;
  // Makes the primary context of device 0 current if none is, as the CUDA runtime does.
  bool Ensure() const;
  int CurrentDevice() const;
};
// Null and an error in the log when there is no device, as createInferBuilder of the real library.
const Cuda* FindCuda(ILogger* logger);

// Device memory that TensorRT itself takes: weights and activations.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  ~DeviceMemory();
  bool Allocate(const Cuda& cuda, size_t bytes, ILogger* logger);
  unsigned long long pointer() const { return pointer_; }

 private:
  const Cuda* cuda_ = nullptr;
  unsigned long long pointer_ = 0;
};

class HostMemory : public IHostMemory, public VHostMemoryStub {
 public:
  explicit HostMemory(std::string bytes) : bytes_(std::move(bytes)) { mImpl = this; }
  void* data() const noexcept override { return const_cast<char*>(bytes_.data()); }
  size_t size() const noexcept override { return bytes_.size(); }
  DataType type() const noexcept override { return DataType::kINT8; }

 private:
  std::string bytes_;
};

}  // namespace fake

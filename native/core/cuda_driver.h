#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/shared_library.h"

namespace trtn {

// One GPU as the driver describes it.
struct Device {
  int index = 0;
  std::string name;
  int compute_major = 0;
  int compute_minor = 0;
  int multiprocessors = 0;
  uint64_t memory_bytes = 0;
  std::string uuid;    // "GPU-xxxxxxxx-xxxx-…", as nvidia-smi prints it
  std::string pci_id;  // "0000:3b:00.0"
};

// The driver's own API, opened at run time: the CUDA toolkit is needed neither to build nor to run.
// Holds the library for the life of the process, because the driver cannot be unloaded.
class CudaDriver {
 public:
  // Throws Error DEVICE_NOT_FOUND when there is no driver, or when it does not start.
  explicit CudaDriver(const std::string& path = kLibrary);

  // 12040 for CUDA 12.4.
  int Version() const;
  std::vector<Device> Devices() const;

  static constexpr const char* kLibrary = "libcuda.so.1";

 private:
  void Check(int result, const char* what) const;
  Device Describe(int index) const;

  SharedLibrary library_;
};

}  // namespace trtn

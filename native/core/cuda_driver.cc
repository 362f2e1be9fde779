#include "core/cuda_driver.h"

#include <array>
#include <cstddef>
#include <cstdio>

namespace trtn {
namespace {

// The driver's types and numbers that are used here, from its public documentation.
using CuResult = int;
using CuDevice = int;
struct CuUuid {
  std::array<unsigned char, 16> bytes;
};
constexpr CuResult kSuccess = 0;
constexpr int kMultiprocessorCount = 16;
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
constexpr const char* kRemedy =
    "Install an NVIDIA driver and check it with nvidia-smi; what needs no GPU works without one.";

SharedLibrary Open(const std::string& path) {
  try {
    return SharedLibrary(path, SharedLibrary::Lifetime::kProcess);
  } catch (const Error& error) {
    throw Error("DEVICE_NOT_FOUND", std::string("No NVIDIA driver: ") + error.what(), kRemedy);
  }
}

std::string UuidText(const CuUuid& uuid) {
  std::string text = "GPU-";
  for (size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", uuid.bytes[i]);
    text += hex;
  }
  return text;
}

}  // namespace

CudaDriver::CudaDriver(const std::string& path) : library_(Open(path)) {
  Check(library_.Get<CuResult(unsigned)>("cuInit")(0), "cuInit");
}

void CudaDriver::Check(int result, const char* what) const {
  if (result == kSuccess) return;
  const char* text = nullptr;
  if (auto* describe = library_.Find<CuResult(CuResult, const char**)>("cuGetErrorString")) {
    describe(result, &text);
  }
  throw Error("DEVICE_NOT_FOUND",
              std::string("The NVIDIA driver failed in ") + what + ": error " +
                  std::to_string(result) + (text == nullptr ? "" : std::string(", ") + text),
              kRemedy);
}

int CudaDriver::Version() const {
  int version = 0;
  Check(library_.Get<CuResult(int*)>("cuDriverGetVersion")(&version), "cuDriverGetVersion");
  return version;
}

std::vector<Device> CudaDriver::Devices() const {
  int count = 0;
  Check(library_.Get<CuResult(int*)>("cuDeviceGetCount")(&count), "cuDeviceGetCount");
  std::vector<Device> devices;
  for (int i = 0; i < count; ++i) devices.push_back(Describe(i));
  return devices;
}

Device CudaDriver::Describe(int index) const {
  CuDevice handle = 0;
  Check(library_.Get<CuResult(CuDevice*, int)>("cuDeviceGet")(&handle, index), "cuDeviceGet");
  Device device;
  device.index = index;

  std::array<char, 256> text{};
  Check(library_.Get<CuResult(char*, int, CuDevice)>("cuDeviceGetName")(
            text.data(), static_cast<int>(text.size()) - 1, handle),
        "cuDeviceGetName");
  device.name = text.data();

  auto* attribute = library_.Get<CuResult(int*, int, CuDevice)>("cuDeviceGetAttribute");
  Check(attribute(&device.compute_major, kComputeCapabilityMajor, handle), "cuDeviceGetAttribute");
  Check(attribute(&device.compute_minor, kComputeCapabilityMinor, handle), "cuDeviceGetAttribute");
  Check(attribute(&device.multiprocessors, kMultiprocessorCount, handle), "cuDeviceGetAttribute");

  size_t bytes = 0;
  Check(library_.Get<CuResult(size_t*, CuDevice)>("cuDeviceTotalMem_v2")(&bytes, handle),
        "cuDeviceTotalMem");
  device.memory_bytes = bytes;

  CuUuid uuid{};
  Check(library_.Get<CuResult(CuUuid*, CuDevice)>("cuDeviceGetUuid")(&uuid, handle),
        "cuDeviceGetUuid");
  device.uuid = UuidText(uuid);

  text.fill('\0');
  Check(library_.Get<CuResult(char*, int, CuDevice)>("cuDeviceGetPCIBusId")(
            text.data(), static_cast<int>(text.size()) - 1, handle),
        "cuDeviceGetPCIBusId");
  device.pci_id = text.data();
  return device;
}

}  // namespace trtn

#include "core/cuda/api.h"

#include "core/cuda_driver.h"
#include "core/shared_library.h"

namespace trtn::cuda {
namespace {

constexpr const char* kDriverRemedy =
    "Install an NVIDIA driver and check it with nvidia-smi; what needs no GPU works without one.";

SharedLibrary OpenDriver() {
  try {
    return SharedLibrary(CudaDriver::kLibrary, SharedLibrary::Lifetime::kProcess);
  } catch (const Error& error) {
    throw Error("DEVICE_NOT_FOUND", std::string("No NVIDIA driver: ") + error.what(),
                kDriverRemedy);
  }
}

template <typename Function>
void Find(const SharedLibrary& library, const char* name, Function*& target) {
  target = library.Get<Function>(name);
}

Api* Load() {
  // The library must outlive the table: both live as long as the process.
  auto* const library = new SharedLibrary(OpenDriver());
  const SharedLibrary& cuda = *library;
  auto* const api = new Api{};
  Find(cuda, "cuInit", api->Init);
  Find(cuda, "cuGetErrorName", api->GetErrorName);
  Find(cuda, "cuGetErrorString", api->GetErrorString);
  Find(cuda, "cuDeviceGetCount", api->DeviceGetCount);
  Find(cuda, "cuDeviceGet", api->DeviceGet);
  Find(cuda, "cuDevicePrimaryCtxRetain", api->PrimaryCtxRetain);
  Find(cuda, "cuCtxSetCurrent", api->CtxSetCurrent);
  Find(cuda, "cuCtxPushCurrent_v2", api->CtxPushCurrent);
  Find(cuda, "cuCtxPopCurrent_v2", api->CtxPopCurrent);
  Find(cuda, "cuStreamCreate", api->StreamCreate);
  Find(cuda, "cuStreamDestroy_v2", api->StreamDestroy);
  Find(cuda, "cuStreamSynchronize", api->StreamSynchronize);
  Find(cuda, "cuStreamQuery", api->StreamQuery);
  Find(cuda, "cuStreamBeginCapture_v2", api->StreamBeginCapture);
  Find(cuda, "cuStreamEndCapture", api->StreamEndCapture);
  Find(cuda, "cuEventCreate", api->EventCreate);
  Find(cuda, "cuEventDestroy_v2", api->EventDestroy);
  Find(cuda, "cuEventRecord", api->EventRecord);
  Find(cuda, "cuEventElapsedTime", api->EventElapsedTime);
  Find(cuda, "cuGraphInstantiateWithFlags", api->GraphInstantiate);
  Find(cuda, "cuGraphUpload", api->GraphUpload);
  Find(cuda, "cuGraphLaunch", api->GraphLaunch);
  Find(cuda, "cuGraphExecDestroy", api->GraphExecDestroy);
  Find(cuda, "cuGraphDestroy", api->GraphDestroy);
  Find(cuda, "cuMemAlloc_v2", api->MemAlloc);
  Find(cuda, "cuMemFree_v2", api->MemFree);
  Find(cuda, "cuMemHostAlloc", api->MemHostAlloc);
  Find(cuda, "cuMemFreeHost", api->MemFreeHost);
  Find(cuda, "cuMemHostRegister_v2", api->MemHostRegister);
  Find(cuda, "cuMemHostUnregister", api->MemHostUnregister);
  Find(cuda, "cuMemcpyHtoDAsync_v2", api->MemcpyHtoDAsync);
  Find(cuda, "cuMemcpyDtoHAsync_v2", api->MemcpyDtoHAsync);
  Find(cuda, "cuMemcpyDtoDAsync_v2", api->MemcpyDtoDAsync);
  Find(cuda, "cuMemsetD8Async", api->MemsetD8Async);
  Find(cuda, "cuMemGetInfo_v2", api->MemGetInfo);
  return api;
}

std::string NameOf(Result result) {
  const char* text = nullptr;
  const Api& api = Driver();
  std::string name = api.GetErrorName(result, &text) == kSuccess && text != nullptr
                         ? std::string(text)
                         : "error " + std::to_string(result);
  if (api.GetErrorString(result, &text) == kSuccess && text != nullptr) {
    name += std::string(" (") + text + ")";
  }
  return name;
}

std::string RemedyFor(Result result) {
  if (result == kOutOfMemory) {
    return "Free GPU memory, or use fewer contexts, a smaller batch or smaller profiles.";
  }
  if (CudaError::IsSticky(result)) {
    return "The driver refuses all further work of this process: restart it, and check the GPU with "
           "nvidia-smi.";
  }
  return {};
}

}  // namespace

const Api& Driver() {
  // A failed start is tried again by the next call: a driver may appear.
  static const Api* const api = [] {
    const Api* loaded = Load();
    const Result result = loaded->Init(0);
    if (result != kSuccess) {
      const char* text = nullptr;
      loaded->GetErrorName(result, &text);
      throw Error("DEVICE_NOT_FOUND",
                  std::string("The NVIDIA driver failed in cuInit: ") +
                      (text == nullptr ? std::to_string(result) : std::string(text)),
                  kDriverRemedy);
    }
    return loaded;
  }();
  return *api;
}

CudaError::CudaError(Result result, const char* call)
    : Error(result == kOutOfMemory ? "OUT_OF_MEMORY" : "INFERENCE_FAILED",
            std::string(call) + " failed: " + NameOf(result), RemedyFor(result)),
      result_(result) {}

bool CudaError::IsSticky(Result result) {
  switch (result) {
    case 4:    // the driver is shutting down
    case 214:  // uncorrectable ECC error
    case 220:  // uncorrectable NVLink error
    case 700:  // illegal address
    case 702:  // launch timeout
    case 709:  // the context is destroyed
    case 710:  // device-side assertion
    case 714:  // hardware stack error
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // launch failed
    case 999:  // unknown
      return true;
    default:
      return false;
  }
}

}  // namespace trtn::cuda

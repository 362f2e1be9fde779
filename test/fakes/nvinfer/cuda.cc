// The way to the fake driver: by name if the process has it already, else beside this library. The
// machine's real driver is never used, even where there is one.
#include <dlfcn.h>

#include <memory>
#include <mutex>

#include "fake_nvinfer.h"

namespace fake {
namespace {

template <typename F>
bool Get(void* library, const char* name, F** function) {
  *function = reinterpret_cast<F*>(dlsym(library, name));
  return *function != nullptr;
}

// The device that is current, which an engine is built for and bound to.
bool Describe(void* library, Cuda* cuda) {
  int (*getDevice)(int*) = nullptr;
  int (*getName)(char*, int, int) = nullptr;
  int (*getAttribute)(int*, int, int) = nullptr;
  Get(library, "cuCtxGetDevice", &getDevice);
  Get(library, "cuDeviceGetName", &getName);
  Get(library, "cuDeviceGetAttribute", &getAttribute);
  int device = 0;
  char name[256];
  if (!cuda->Ensure() || getDevice(&device) != 0 || getName(name, sizeof name, device) != 0) {
    return false;
  }
  cuda->deviceName = name;
  getAttribute(&cuda->major, 75, device);
  getAttribute(&cuda->minor, 76, device);
  return true;
}

void* OpenDriver() {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (library != nullptr && dlsym(library, "fake_cuda_enqueue") != nullptr) return library;
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&OpenDriver), &self) == 0) return nullptr;
  std::string path = self.dli_fname;
  path.replace(path.rfind('/') + 1, std::string::npos, "libcuda.so.1");
  return dlopen(path.c_str(), RTLD_LAZY);
}

}  // namespace

const Cuda* FindCuda(ILogger* logger) {
  static std::mutex mutex;
  static auto* const known = new std::vector<std::unique_ptr<Cuda>>;
  std::lock_guard<std::mutex> lock(mutex);
  void* library = OpenDriver();
  int (*init)(unsigned) = nullptr;
  int error = 35;  // what the CUDA runtime says without a driver
  if (library != nullptr && Get(library, "cuInit", &init)) error = init(0);
  if (error != 0) {
    Log(logger, ILogger::Severity::kERROR,
        "CUDA initialization failure with error: " + std::to_string(error) +
            ". Please check your CUDA installation");
    return nullptr;
  }
  auto next = std::make_unique<Cuda>();
  Get(library, "fake_cuda_enqueue", &next->enqueue);
  Get(library, "fake_cuda_bytes", &next->bytes);
  Get(library, "cuMemAlloc_v2", &next->alloc);
  Get(library, "cuMemFree_v2", &next->release);
  Get(library, "cuMemcpyDtoH_v2", &next->copyToHost);
  Get(library, "cuStreamSynchronize", &next->synchronize);
  Get(library, "cuEventRecord", &next->recordEvent);
  Get(library, "cuCtxGetCurrent", &next->getCurrent);
  Get(library, "cuCtxSetCurrent", &next->setCurrent);
  Get(library, "cuDevicePrimaryCtxRetain", &next->retain);
  Get(library, "cuCtxGetDevice", &next->getDevice);
  if (!Describe(library, next.get())) {
    Log(logger, ILogger::Severity::kERROR, "CUDA initialization failure with error: 101");
    return nullptr;
  }
  // Old ones are kept: engines built with them may be alive.
  for (const auto& cuda : *known) {
    if (cuda->deviceName == next->deviceName && cuda->major == next->major &&
        cuda->minor == next->minor) {
      return cuda.get();
    }
  }
  known->push_back(std::move(next));
  return known->back().get();
}

bool Cuda::Ensure() const {
  void* context = nullptr;
  if (getCurrent(&context) != 0) return false;
  return context != nullptr || (retain(&context, 0) == 0 && setCurrent(context) == 0);
}

int Cuda::CurrentDevice() const {
  int device = -1;
  return getDevice(&device) == 0 ? device : -1;
}

bool DeviceMemory::Allocate(const Cuda& cuda, size_t bytes, ILogger* logger) {
  cuda_ = &cuda;
  if (bytes == 0) return true;
  const int error = cuda.alloc(&pointer_, bytes);
  if (error == 0) return true;
  pointer_ = 0;
  LogError(logger, "[defaultAllocator.cpp::allocate::64] Error Code 1: Cuda Runtime (" +
                       std::string(error == 2 ? "out of memory" : "error " + std::to_string(error)) +
                       ")");
  LogError(logger, "Requested amount of GPU memory (" + std::to_string(bytes) +
                       " bytes) could not be allocated.");
  return false;
}

DeviceMemory::~DeviceMemory() {
  if (pointer_ != 0) cuda_->release(pointer_);
}

}  // namespace fake

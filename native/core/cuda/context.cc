#include "core/cuda/context.h"

#include <map>
#include <mutex>
#include <string>

namespace trtn::cuda {

const PrimaryContext& PrimaryContext::Of(int device) {
  static std::mutex mutex;
  static auto* const contexts = new std::map<int, const PrimaryContext*>();
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = contexts->find(device);
  if (found != contexts->end()) return *found->second;
  return *contexts->emplace(device, new PrimaryContext(device)).first->second;
}

PrimaryContext::PrimaryContext(int device) : device_(device) {
  const Api& api = Driver();
  int count = 0;
  Check(api.DeviceGetCount(&count), "cuDeviceGetCount");
  if (device < 0 || device >= count) {
    throw Error("DEVICE_NOT_FOUND",
                "There is no GPU " + std::to_string(device) + ": the driver shows " +
                    std::to_string(count),
                "Choose a deviceId that `tensorrt-node doctor` lists; CUDA_VISIBLE_DEVICES limits "
                "the list.");
  }
  DeviceHandle handle = 0;
  Check(api.DeviceGet(&handle, device), "cuDeviceGet");
  Check(api.PrimaryCtxRetain(&handle_, handle), "cuDevicePrimaryCtxRetain");
}

void PrimaryContext::MakeCurrent() const {
  Check(Driver().CtxSetCurrent(handle_), "cuCtxSetCurrent");
}

CurrentContext::CurrentContext(const PrimaryContext& context) {
  Check(Driver().CtxPushCurrent(context.handle_), "cuCtxPushCurrent");
}

CurrentContext::~CurrentContext() {
  ContextHandle popped = nullptr;
  Driver().CtxPopCurrent(&popped);
}

DeviceMemory QueryMemory() {
  DeviceMemory memory;
  Check(Driver().MemGetInfo(&memory.free, &memory.total), "cuMemGetInfo");
  return memory;
}

}  // namespace trtn::cuda

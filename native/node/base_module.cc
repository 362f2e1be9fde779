// base.node: what needs no NVIDIA header; lib/runtime/binding.ts types what it exports.

#include <napi.h>

#include <string>

#include "core/cuda_driver.h"
#include "core/error.h"
#include "core/library_version.h"
#include "node/count_worker.h"
#include "node/pixels_worker.h"
#include "node/resample_worker.h"
#include "node/scan_bounds.h"

namespace trtn {
namespace {

// A JavaScript Error with the code, from which TypeScript makes a TensorRTError.
[[noreturn]] void Throw(Napi::Env env, const Error& error) {
  Napi::Error js = Napi::Error::New(env, error.what());
  js.Set("code", Napi::String::New(env, error.code()));
  js.Set("remedy", Napi::String::New(env, error.remedy()));
  throw js;
}

std::string DriverPath(const Napi::CallbackInfo& info) {
  return info.Length() > 0 && info[0].IsString() ? info[0].As<Napi::String>().Utf8Value()
                                                 : std::string(CudaDriver::kLibrary);
}

Napi::Value Devices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  Napi::Array list = Napi::Array::New(env);
  result.Set("devices", list);
  try {
    const CudaDriver driver(DriverPath(info));
    result.Set("driverVersion", driver.Version());
    uint32_t count = 0;
    for (const Device& device : driver.Devices()) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("index", device.index);
      object.Set("name", device.name);
      object.Set("computeCapability", std::to_string(device.compute_major) + "." +
                                          std::to_string(device.compute_minor));
      object.Set("multiprocessors", device.multiprocessors);
      object.Set("memoryBytes", static_cast<double>(device.memory_bytes));
      object.Set("uuid", device.uuid);
      object.Set("pciBusId", device.pci_id);
      list.Set(count++, object);
    }
  } catch (const Error& error) {
    // No driver is a state of the machine and not a failure of the question.
    result.Set("problem", std::string(error.what()));
  }
  return result;
}

Napi::Value LibraryVersionOfPath(const Napi::CallbackInfo& info) {
  try {
    return Napi::Number::New(info.Env(), LibraryVersionOf(info[0].ToString().Utf8Value()));
  } catch (const Error& error) {
    Throw(info.Env(), error);
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("interleavedToPlanar", Napi::Function::New<Planar>(env));
  exports.Set("packImages", Napi::Function::New<StartPack>(env));
  exports.Set("countBins", Napi::Function::New<Count>(env));
  exports.Set("countLater", Napi::Function::New<StartCount>(env));
  exports.Set("scanBounds", Napi::Function::New<ScanAll>(env));
  exports.Set("resample", Napi::Function::New<StartResample>(env));
  exports.Set("queryDriver", Napi::Function::New<Devices>(env));
  exports.Set("libraryVersion", Napi::Function::New<LibraryVersionOfPath>(env));
  return exports;
}

}  // namespace
}  // namespace trtn

static Napi::Object InitBase(Napi::Env env, Napi::Object exports) {
  return trtn::Init(env, exports);
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, InitBase)

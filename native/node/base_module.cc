// base.node: what needs no NVIDIA header; lib/runtime/binding.ts types what it exports.

#include <napi.h>

#include <array>
#include <string>

#include "core/cuda_driver.h"
#include "core/error.h"
#include "core/library_version.h"
#include "core/pixels.h"
#include "node/resample_worker.h"

namespace trtn {
namespace {

// A JavaScript Error with the code, from which TypeScript makes a TensorRTError.
[[noreturn]] void Throw(Napi::Env env, const Error& error) {
  Napi::Error js = Napi::Error::New(env, error.what());
  js.Set("code", Napi::String::New(env, error.code()));
  js.Set("remedy", Napi::String::New(env, error.remedy()));
  throw js;
}

bool ReadTriple(Napi::Object options, const char* name, std::array<float, 3>& values) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return false;
  const Napi::Array array = value.As<Napi::Array>();
  if (!value.IsArray() || array.Length() != 3) {
    throw Napi::TypeError::New(options.Env(), std::string("Expected three numbers for ") + name);
  }
  for (uint32_t i = 0; i < 3; ++i) values[i] = array.Get(i).ToNumber().FloatValue();
  return true;
}

// (source, target, offset, pixels, {divisor, mean, std, bgr}); bounds are checked here, because a
// wrong one would write outside of the array.
void Planar(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[0].IsTypedArray() || !info[1].IsTypedArray() ||
      info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
      info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float32_array ||
      !info[4].IsObject()) {
    throw Napi::TypeError::New(
        env, "Expected (Uint8Array, Float32Array, offset, pixels, options) for interleavedToPlanar");
  }
  const auto source = info[0].As<Napi::Uint8Array>();
  auto target = info[1].As<Napi::Float32Array>();
  const int64_t offset = info[2].ToNumber().Int64Value();
  const int64_t pixels = info[3].ToNumber().Int64Value();
  const auto room = static_cast<int64_t>(target.ElementLength());
  if (offset < 0 || pixels < 0 || offset > room || pixels > (room - offset) / 3 ||
      pixels > static_cast<int64_t>(source.ElementLength()) / 3) {
    throw Napi::RangeError::New(env, "Expected offset and pixels within both arrays");
  }
  const auto object = info[4].As<Napi::Object>();
  PixelOptions options;
  options.divisor = object.Get("divisor").ToNumber().FloatValue();
  options.has_mean = ReadTriple(object, "mean", options.mean);
  options.has_std = ReadTriple(object, "std", options.std);
  options.bgr = object.Get("bgr").ToBoolean();
  InterleavedToPlanar(source.Data(), target.Data() + offset, static_cast<size_t>(pixels), options);
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

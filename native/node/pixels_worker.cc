#include "node/pixels_worker.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/pixels.h"

namespace trtn {
namespace {

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

PixelOptions OptionsFrom(Napi::Value value) {
  const auto object = value.As<Napi::Object>();
  PixelOptions options;
  options.divisor = object.Get("divisor").ToNumber().FloatValue();
  options.has_mean = ReadTriple(object, "mean", options.mean);
  options.has_std = ReadTriple(object, "std", options.std);
  options.bgr = object.Get("bgr").ToBoolean();
  return options;
}

bool IsArrayOf(Napi::Value value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

// Images that are packed one after the other. Holds the list of their arrays until the promise is settled.
class PackWorker final : public Napi::AsyncWorker {
 public:
  PackWorker(Napi::Array arrays, std::vector<const uint8_t*> images, float* target, size_t pixels,
             const PixelOptions& options)
      : Napi::AsyncWorker(arrays.Env(), "tensorrt-node.pack"),
        images_(std::move(images)),
        target_(target),
        pixels_(pixels),
        options_(options),
        arrays_(Napi::Persistent(arrays.As<Napi::Object>())),
        deferred_(Napi::Promise::Deferred::New(arrays.Env())) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    float* target = target_;
    for (const uint8_t* image : images_) {
      InterleavedToPlanar(image, target, pixels_, options_);
      target += 3 * pixels_;
    }
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const std::vector<const uint8_t*> images_;
  float* const target_;
  const size_t pixels_;
  const PixelOptions options_;
  Napi::ObjectReference arrays_;
  Napi::Promise::Deferred deferred_;
};

}  // namespace

// Bounds are checked here, because a wrong one would write outside of the array. Whatever may run
// JavaScript, and so detach an array, comes before the first look at one.
void Planar(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !IsArrayOf(info[0], napi_uint8_array) ||
      !IsArrayOf(info[1], napi_float32_array) || !info[4].IsObject()) {
    throw Napi::TypeError::New(
        env, "Expected (Uint8Array, Float32Array, offset, pixels, options) for interleavedToPlanar");
  }
  const PixelOptions options = OptionsFrom(info[4]);
  const int64_t offset = info[2].ToNumber().Int64Value();
  const int64_t pixels = info[3].ToNumber().Int64Value();
  const auto source = info[0].As<Napi::Uint8Array>();
  auto target = info[1].As<Napi::Float32Array>();
  const auto room = static_cast<int64_t>(target.ElementLength());
  if (offset < 0 || pixels < 0 || offset > room || pixels > (room - offset) / 3 ||
      pixels > static_cast<int64_t>(source.ElementLength()) / 3) {
    throw Napi::RangeError::New(env, "Expected offset and pixels within both arrays");
  }
  InterleavedToPlanar(source.Data(), target.Data() + offset, static_cast<size_t>(pixels),
                      options);
}

Napi::Value StartPack(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsArray() || !IsArrayOf(info[1], napi_float32_array) ||
      !info[2].IsObject()) {
    throw Napi::TypeError::New(env, "Expected (Uint8Array[], Float32Array, options) for packImages");
  }
  const PixelOptions options = OptionsFrom(info[2]);
  // A list of our own: the caller may change the one given, and the arrays must live.
  const auto given = info[0].As<Napi::Array>();
  Napi::Array images = Napi::Array::New(env);
  for (uint32_t i = 0; i < given.Length(); ++i) images.Set(i, given.Get(i));
  std::vector<const uint8_t*> sources;
  size_t bytes = 0;
  for (uint32_t i = 0; i < images.Length(); ++i) {
    const Napi::Value image = images.Get(i);
    if (!IsArrayOf(image, napi_uint8_array)) {
      throw Napi::TypeError::New(env, "Expected Uint8Arrays for packImages");
    }
    const auto array = image.As<Napi::Uint8Array>();
    if (i == 0) bytes = array.ElementLength();
    if (array.ElementLength() != bytes || bytes % 3 != 0) {
      throw Napi::RangeError::New(env, "Expected images of one size for packImages");
    }
    sources.push_back(array.Data());
  }
  auto target = info[1].As<Napi::Float32Array>();
  if (target.ElementLength() != bytes * sources.size()) {
    throw Napi::RangeError::New(env, "Expected as many floats as bytes for packImages");
  }
  images.Set(images.Length(), target);
  auto* worker = new PackWorker(images, std::move(sources), target.Data(), bytes / 3, options);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace trtn

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

// Images that are packed one after the other. Holds the arrays until the promise is settled.
class PackWorker final : public Napi::AsyncWorker {
 public:
  PackWorker(Napi::Env env, std::vector<const uint8_t*> images, float* target, size_t pixels,
             const PixelOptions& options)
      : Napi::AsyncWorker(env, "tensorrt-node.pack"),
        images_(std::move(images)),
        target_(target),
        pixels_(pixels),
        options_(options),
        kept_(Napi::Persistent(Napi::Array::New(env))),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  void Keep(Napi::Value value) { kept_.Value().Set(kept_count_++, value); }
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
  Napi::Reference<Napi::Array> kept_;
  uint32_t kept_count_ = 0;
  Napi::Promise::Deferred deferred_;
};

}  // namespace

// Bounds are checked here, because a wrong one would write outside of the array.
void Planar(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !IsArrayOf(info[0], napi_uint8_array) ||
      !IsArrayOf(info[1], napi_float32_array) || !info[4].IsObject()) {
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
  InterleavedToPlanar(source.Data(), target.Data() + offset, static_cast<size_t>(pixels),
                      OptionsFrom(info[4]));
}

Napi::Value StartPack(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsArray() || !IsArrayOf(info[1], napi_float32_array) ||
      !info[2].IsObject()) {
    throw Napi::TypeError::New(env, "Expected (Uint8Array[], Float32Array, options) for packImages");
  }
  const auto images = info[0].As<Napi::Array>();
  auto target = info[1].As<Napi::Float32Array>();
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
  if (target.ElementLength() != bytes * sources.size()) {
    throw Napi::RangeError::New(env, "Expected as many floats as bytes for packImages");
  }
  auto* worker =
      new PackWorker(env, std::move(sources), target.Data(), bytes / 3, OptionsFrom(info[2]));
  for (uint32_t i = 0; i < images.Length(); ++i) worker->Keep(images.Get(i));
  worker->Keep(target);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace trtn

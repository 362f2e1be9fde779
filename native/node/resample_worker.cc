#include "node/resample_worker.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/resample.h"

namespace trtn {
namespace {

// Owner of one resize under way. Holds the arrays it reads and writes, so that they live as long as
// it; Node deletes it on the JavaScript thread once the promise is settled, and waits for it before
// an environment is torn down.
class ResampleWorker final : public Napi::AsyncWorker {
 public:
  ResampleWorker(Napi::Array arrays, const ResamplePlan& plan)
      : Napi::AsyncWorker(arrays.Env(), "tensorrt-node.resample"),
        plan_(plan),
        arrays_(Napi::Persistent(arrays.As<Napi::Object>())),
        deferred_(Napi::Promise::Deferred::New(arrays.Env())) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { Resample(plan_); }
  void OnOK() override {
    if (!consumed_.IsEmpty()) Free(consumed_.Value());
    deferred_.Resolve(Env().Undefined());
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }
  // Gives the source's memory back when it has been read. The collector, which knows the size of
  // such memory but not its worth, would run for it alone.
  void Consume(Napi::ArrayBuffer buffer) { consumed_ = Napi::Persistent(buffer); }

 private:
  static void Free(Napi::ArrayBuffer buffer) {
    // Not every buffer can be; those that cannot are the collector's.
    napi_detach_arraybuffer(buffer.Env(), buffer);
  }

  const ResamplePlan plan_;
  Napi::Reference<Napi::ArrayBuffer> consumed_;
  Napi::ObjectReference arrays_;
  Napi::Promise::Deferred deferred_;
};

[[noreturn]] void Refuse(Napi::Env env, const std::string& what) {
  throw Napi::TypeError::New(env, "Expected " + what + " for resample");
}

template <typename Array>
Array ArrayOf(Napi::Value value, napi_typedarray_type type, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    Refuse(value.Env(), what);
  }
  return value.As<Array>();
}

size_t CountOf(Napi::Value value) {
  const int64_t count = value.ToNumber().Int64Value();
  // Far beyond any image, and far below what products of two of them overflow at.
  if (count < 0 || count > (int64_t{1} << 28)) Refuse(value.Env(), "extents of an image");
  return static_cast<size_t>(count);
}

// An axis as the caller gave it, read once: another look might find other arrays.
struct GivenAxis {
  Napi::Value first;
  Napi::Value size;
  Napi::Value weights;
  size_t stride = 0;
};

GivenAxis ReadAxis(Napi::Object plan, const char* name) {
  const Napi::Value value = plan.Get(name);
  if (value.IsUndefined()) return {};
  if (!value.IsObject()) Refuse(plan.Env(), "an axis");
  const auto object = value.As<Napi::Object>();
  return {object.Get("first"), object.Get("size"), object.Get("weights"),
          CountOf(object.Get("stride"))};
}

Axis AxisOf(const GivenAxis& given, Napi::Array kept) {
  if (given.first.IsEmpty()) return {};
  const auto array = [&](Napi::Value value) {
    kept.Set(kept.Length(), value);
    return ArrayOf<Napi::Int32Array>(value, napi_int32_array, "Int32Arrays in an axis");
  };
  const Napi::Int32Array first = array(given.first);
  const Napi::Int32Array size = array(given.size);
  const Napi::Int32Array weights = array(given.weights);
  Axis axis;
  axis.first = first.Data();
  axis.size = size.Data();
  axis.weights = weights.Data();
  axis.stride = given.stride;
  axis.outputs = first.ElementLength();
  if (axis.outputs == 0 || size.ElementLength() != axis.outputs ||
      weights.ElementLength() / axis.outputs < axis.stride) {
    throw Napi::RangeError::New(kept.Env(), "Expected as many sizes and weights as outputs");
  }
  return axis;
}

}  // namespace

Napi::Value StartResample(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[4].IsObject()) Refuse(env, "five arguments");
  const auto object = info[4].As<Napi::Object>();
  ResamplePlan plan;
  plan.width = CountOf(info[1]);
  plan.height = CountOf(info[2]);
  plan.left = CountOf(object.Get("left"));
  plan.top = CountOf(object.Get("top"));
  plan.kept_width = CountOf(object.Get("keptWidth"));
  plan.kept_height = CountOf(object.Get("keptHeight"));
  const GivenAxis across = ReadAxis(object, "across");
  const GivenAxis down = ReadAxis(object, "down");
  const bool consume = object.Get("consume").ToBoolean();
  // Nothing of the caller's runs from here on, which might detach an array.
  const auto source = ArrayOf<Napi::Uint8Array>(info[0], napi_uint8_array, "a Uint8Array");
  auto target = ArrayOf<Napi::Uint8Array>(info[3], napi_uint8_array, "a Uint8Array");
  Napi::Array kept = Napi::Array::New(env);
  for (const Napi::Value array : {info[0], info[3]}) kept.Set(kept.Length(), array);
  plan.source = source.Data();
  plan.target = target.Data();
  plan.across = AxisOf(across, kept);
  plan.down = AxisOf(down, kept);
  if (source.ElementLength() / 3 < plan.width * plan.height ||
      target.ElementLength() / 3 < plan.kept_width * plan.kept_height || !IsValid(plan)) {
    throw Napi::RangeError::New(env, "Expected a plan within the arrays for resample");
  }
  auto* worker = new ResampleWorker(kept, plan);
  if (consume && source.ByteLength() == source.ArrayBuffer().ByteLength()) {
    worker->Consume(source.ArrayBuffer());
  }
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace trtn

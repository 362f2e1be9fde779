#include "node/resample_worker.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/resample.h"

namespace trtn {
namespace {

// Owner of one resize under way. Holds the arrays it reads and writes, so that they live as long as
// it; Node deletes it on the JavaScript thread once the promise is settled, and waits for it before
// an environment is torn down.
class ResampleWorker final : public Napi::AsyncWorker {
 public:
  ResampleWorker(Napi::Env env, const ResamplePlan& plan)
      : Napi::AsyncWorker(env, "tensorrt-node.resample"),
        plan_(plan),
        kept_(Napi::Persistent(Napi::Object::New(env))),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  void Keep(const std::string& name, Napi::Value value) { kept_.Value().Set(name, value); }
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
  Napi::ObjectReference kept_;
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

Axis AxisOf(Napi::Object plan, const char* name) {
  const Napi::Value value = plan.Get(name);
  if (value.IsUndefined()) return {};
  if (!value.IsObject()) Refuse(plan.Env(), "an axis");
  const auto object = value.As<Napi::Object>();
  const auto array = [&](const char* key) {
    return ArrayOf<Napi::Int32Array>(object.Get(key), napi_int32_array, "Int32Arrays in an axis");
  };
  const Napi::Int32Array first = array("first");
  const Napi::Int32Array size = array("size");
  const Napi::Int32Array weights = array("weights");
  Axis axis;
  axis.first = first.Data();
  axis.size = size.Data();
  axis.weights = weights.Data();
  axis.stride = CountOf(object.Get("stride"));
  axis.outputs = first.ElementLength();
  if (axis.outputs == 0 || size.ElementLength() != axis.outputs ||
      weights.ElementLength() / axis.outputs < axis.stride) {
    throw Napi::RangeError::New(plan.Env(), "Expected as many sizes and weights as outputs");
  }
  return axis;
}

}  // namespace

Napi::Value StartResample(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[4].IsObject()) Refuse(env, "five arguments");
  const auto source = ArrayOf<Napi::Uint8Array>(info[0], napi_uint8_array, "a Uint8Array");
  auto target = ArrayOf<Napi::Uint8Array>(info[3], napi_uint8_array, "a Uint8Array");
  const auto object = info[4].As<Napi::Object>();
  ResamplePlan plan;
  plan.source = source.Data();
  plan.width = CountOf(info[1]);
  plan.height = CountOf(info[2]);
  plan.target = target.Data();
  plan.left = CountOf(object.Get("left"));
  plan.top = CountOf(object.Get("top"));
  plan.kept_width = CountOf(object.Get("keptWidth"));
  plan.kept_height = CountOf(object.Get("keptHeight"));
  plan.across = AxisOf(object, "across");
  plan.down = AxisOf(object, "down");
  if (source.ElementLength() / 3 < plan.width * plan.height ||
      target.ElementLength() / 3 < plan.kept_width * plan.kept_height || !IsValid(plan)) {
    throw Napi::RangeError::New(env, "Expected a plan within the arrays for resample");
  }
  auto* worker = new ResampleWorker(env, plan);
  worker->Keep("source", info[0]);
  worker->Keep("target", info[3]);
  if (object.Get("consume").ToBoolean() &&
      source.ByteLength() == source.ArrayBuffer().ByteLength()) {
    worker->Consume(source.ArrayBuffer());
  }
  // The plan holds the axes' arrays, and a caller may change it.
  for (const char* name : {"across", "down"}) {
    const Napi::Value axis = object.Get(name);
    if (!axis.IsObject()) continue;
    for (const char* key : {"first", "size", "weights"}) {
      worker->Keep(std::string(name) + key, axis.As<Napi::Object>().Get(key));
    }
  }
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace trtn

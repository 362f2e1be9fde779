#include "node/calibrator_call.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/tensorrt.h"
#include "core/text.h"

namespace trtn {
namespace {

// Calls the listener of `call` with the name of an event and what `payload` makes.
template <typename F>
void Notify(const std::shared_ptr<JsChannel>& channel, uint64_t call, const char* event,
            F payload) {
  channel->Post([call, event, payload = std::move(payload)](Napi::Env env) {
    JsEnvironment::Of(env).NotifyCalibrator(env, call, event, payload(env));
  });
}

FeedListener ListenerOf(const std::shared_ptr<JsChannel>& channel, uint64_t call) {
  FeedListener listener;
  listener.on_copied = [channel, call] {
    Notify(channel, call, "copied", [](Napi::Env env) { return env.Undefined(); });
  };
  listener.on_failure = [channel, call](const Error& error) {
    Notify(channel, call, "failed", [error](Napi::Env env) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("code", error.code());
      object.Set("message", ValidUtf8(error.what()));
      object.Set("remedy", error.remedy());
      return object;
    });
  };
  return listener;
}

Napi::Array InputArray(Napi::Env env, const std::vector<TensorInfo>& inputs) {
  Napi::Array array = Napi::Array::New(env, inputs.size());
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    Napi::Array shape = Napi::Array::New(env, inputs[i].shape.size());
    for (uint32_t axis = 0; axis < inputs[i].shape.size(); ++axis) {
      shape.Set(axis, static_cast<double>(inputs[i].shape[axis]));
    }
    object.Set("name", inputs[i].name);
    object.Set("type", inputs[i].type);
    object.Set("shape", shape);
    array.Set(i, object);
  }
  return array;
}

std::vector<int64_t> ShapeFrom(Napi::Value value) {
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    if (shape.size() == static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
      throw Napi::RangeError::New(value.Env(), "Expected at most 8 dimensions for a batch");
    }
    shape.push_back(array.Get(i).As<Napi::Number>().Int64Value());
  }
  return shape;
}

// supply(data, shapes): one typed array and one shape an input, in the network's order.
OfferedBatch BatchFrom(const Napi::CallbackInfo& info) {
  const auto data = info[0].As<Napi::Array>();
  const auto shapes = info[1].As<Napi::Array>();
  OfferedBatch batch;
  for (uint32_t i = 0; i < data.Length(); ++i) {
    const Napi::Value entry = data.Get(i);
    if (!entry.IsTypedArray()) {
      throw Napi::TypeError::New(info.Env(), "Expected typed arrays for a batch");
    }
    const auto array = entry.As<Napi::TypedArray>();
    auto* const begin = static_cast<const unsigned char*>(array.ArrayBuffer().Data());
    batch.data.push_back(begin + array.ByteOffset());
    batch.bytes.push_back(array.ByteLength());
    batch.shapes.push_back(ShapeFrom(shapes.Get(i)));
  }
  return batch;
}

}  // namespace

std::optional<CalibratorOptions> ConnectCalibrator(Napi::Object options, Napi::Object handle,
                                                   uint64_t call, CallControl& control) {
  const Napi::Env env = options.Env();
  if (!options.Get("calibrator").IsObject()) return std::nullopt;
  const auto object = options.Get("calibrator").As<Napi::Object>();
  JsEnvironment& environment = JsEnvironment::Of(env);
  const std::shared_ptr<JsChannel> channel = environment.channel();

  CalibratorOptions result;
  if (object.Get("algorithm").ToString().Utf8Value() == "entropy") {
    result.algorithm = CalibrationAlgorithm::kEntropy2;
  }
  if (object.Get("cache").IsTypedArray()) {
    const auto cache = object.Get("cache").As<Napi::Uint8Array>();
    result.cache.assign(cache.Data(), cache.Data() + cache.ByteLength());
  }
  result.cache_only = object.Get("cacheOnly").ToBoolean();
  // Batches go where the build is.
  if (options.Get("deviceId").IsNumber()) {
    result.device = options.Get("deviceId").As<Napi::Number>().Int32Value();
  }
  result.feed = std::make_shared<BatchFeed>(ListenerOf(channel, call));
  result.on_inputs = [channel, call](const std::vector<TensorInfo>& inputs) {
    Notify(channel, call, "inputs", [inputs](Napi::Env js) { return InputArray(js, inputs); });
  };
  result.on_calibrated = [channel, call] {
    Notify(channel, call, "calibrated", [](Napi::Env js) { return js.Undefined(); });
  };
  control.on_cancel = [feed = result.feed] { feed->Cancel(); };
  environment.ListenCalibrator(call, object.Get("onEvent").As<Napi::Function>());

  handle.Set("supply", Napi::Function::New(env, [feed = result.feed, call, sizes =
                                                 std::make_shared<std::vector<size_t>>()](
                                                    const Napi::CallbackInfo& info) {
               OfferedBatch batch = BatchFrom(info);
               if (sizes->empty()) *sizes = batch.bytes;
               if (batch.bytes != *sizes) {
                 throw Napi::RangeError::New(info.Env(), "Expected batches of equal sizes");
               }
               JsEnvironment::Of(info.Env()).HoldBatch(call, info[0].As<Napi::Object>());
               feed->Offer(std::move(batch));
             }));
  handle.Set("end", Napi::Function::New(env, [feed = result.feed](const Napi::CallbackInfo&) {
               feed->End();
             }));
  return result;
}

Napi::Object CalibrationObject(Napi::Env env, const CalibrationResult& result) {
  Napi::Object object = Napi::Object::New(env);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, result.cache.size());
  if (!result.cache.empty()) std::memcpy(buffer.Data(), result.cache.data(), result.cache.size());
  object.Set("cache", Napi::Uint8Array::New(env, result.cache.size(), buffer, 0));
  object.Set("fromCache", result.from_cache);
  object.Set("batches", static_cast<double>(result.batches));
  object.Set("waitMs", result.wait_ms);
  object.Set("calibrationMs", result.calibration_ms);
  return object;
}

}  // namespace trtn

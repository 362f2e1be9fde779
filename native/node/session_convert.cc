#include "node/session_convert.h"

#include <cstring>
#include <string>

#include "core/library_version.h"
#include "core/text.h"

namespace trtn {
namespace {

[[noreturn]] void Refuse(Napi::Env env, const std::string& what) {
  throw Napi::TypeError::New(env, what);
}

std::string StringOf(Napi::Object object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

double NumberOf(Napi::Object object, const char* name, double otherwise) {
  const Napi::Value value = object.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : otherwise;
}

bool FlagOf(Napi::Object object, const char* name, bool otherwise) {
  const Napi::Value value = object.Get(name);
  return value.IsBoolean() ? value.As<Napi::Boolean>().Value() : otherwise;
}

TensorPlace ArrayPlace(Napi::Env env, Napi::Value value, size_t bytes) {
  // One call for all that is asked: this runs for every tensor of every run.
  size_t length = 0;
  size_t offset = 0;
  void* data = nullptr;
  napi_typedarray_type type{};
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok) {
    Refuse(env, "Expected a typed array for a tensor's data");
  }
  static constexpr size_t kElementBytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  const auto index = static_cast<size_t>(type);
  if (index >= sizeof kElementBytes / sizeof kElementBytes[0] ||
      length * kElementBytes[index] != bytes) {
    Refuse(env, "Expected " + std::to_string(bytes) + " bytes for a tensor's data");
  }
  TensorPlace place;
  place.host = static_cast<unsigned char*>(data);
  place.keep = PinnedMemory::Get().Find(data, bytes);
  place.kind = place.keep != nullptr ? TensorPlace::Kind::kPinned : TensorPlace::Kind::kHost;
  return place;
}

TensorPlace PlaceFrom(Napi::Env env, Napi::Value value, size_t bytes, int device) {
  if (!value.IsExternal()) return ArrayPlace(env, value, bytes);
  const DeviceHandleBox block = *value.As<Napi::External<DeviceHandleBox>>().Data();
  if (block == nullptr || block->bytes() < bytes || block->device() != device) {
    Refuse(env, "Expected a live GPU buffer of the session's device and of at least " +
                    std::to_string(bytes) + " bytes");
  }
  TensorPlace place;
  place.kind = TensorPlace::Kind::kDevice;
  place.device = block->pointer();
  place.keep = block;
  return place;
}

Napi::Array ShapeArray(Napi::Env env, const Shape& shape) {
  Napi::Array array = Napi::Array::New(env, shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), static_cast<double>(shape[i]));
  }
  return array;
}

template <typename T, typename F>
Napi::Array ListOf(Napi::Env env, const std::vector<T>& items, F convert) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (size_t i = 0; i < items.size(); ++i) array.Set(static_cast<uint32_t>(i), convert(items[i]));
  return array;
}

Napi::Float64Array Doubles(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(double));
  return array;
}

Napi::Object BindingObject(Napi::Env env, const Binding& binding) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", ValidUtf8(binding.name));
  object.Set("type", binding.type);
  object.Set("shape", ShapeArray(env, binding.shape));
  object.Set("profiles", ListOf(env, binding.profiles, [env](const ShapeRange& range) {
               Napi::Object entry = Napi::Object::New(env);
               entry.Set("min", ShapeArray(env, range.min));
               entry.Set("opt", ShapeArray(env, range.opt));
               entry.Set("max", ShapeArray(env, range.max));
               return entry;
             }));
  return object;
}

Napi::Array LogTexts(Napi::Env env, const std::vector<LogLine>& log) {
  return ListOf(env, log, [env](const LogLine& line) { return Napi::String::New(env, line.text); });
}

}  // namespace

OpenOptions OpenOptionsFrom(Napi::Object object) {
  OpenOptions options;
  options.source.library.infer = StringOf(object, "inferLibrary");
  options.source.device = static_cast<int>(NumberOf(object, "deviceId", 0));
  options.source.path = StringOf(object, "planPath");
  const Napi::Value bytes = object.Get("planBytes");
  if (bytes.IsTypedArray()) {
    const auto array = bytes.As<Napi::Uint8Array>();
    // A copy: the caller may change or transfer its buffer, and a worker's memory goes with it.
    PageBuffer& plan = options.source.bytes.emplace(array.ByteLength());
    if (!plan.empty()) std::memcpy(plan.data(), array.Data(), plan.size());
  }
  SessionOptions& session = options.session;
  session.contexts = static_cast<int>(NumberOf(object, "contexts", 1));
  session.slot.graph = FlagOf(object, "graph", true);
  session.slot.spin = FlagOf(object, "spin", false);
  session.spin_always = session.slot.spin;
  session.spin_us = static_cast<int>(NumberOf(object, "spinMicroseconds", session.spin_us));
  session.max_queued = static_cast<size_t>(NumberOf(object, "maxQueued", 1024));
  session.ahead_us = static_cast<int>(NumberOf(object, "aheadMicroseconds", session.ahead_us));
  session.profile = static_cast<int>(NumberOf(object, "profile", -1));
  session.warm_up = FlagOf(object, "warmUp", true);
  return options;
}

std::vector<Shape> ShapesFrom(const Session& session, Napi::Value value) {
  const Napi::Env env = value.Env();
  const size_t count = session.engine().inputs().size();
  if (!value.IsArray() || value.As<Napi::Array>().Length() != count) {
    Refuse(env, "Expected a shape for each input");
  }
  std::vector<Shape> shapes(count);
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::Value entry = value.As<Napi::Array>().Get(i);
    if (!entry.IsArray()) Refuse(env, "Expected an array for a shape");
    const auto dims = entry.As<Napi::Array>();
    if (dims.Length() > static_cast<uint32_t>(nvinfer1::Dims::MAX_DIMS)) {
      Refuse(env, "Expected at most 8 dimensions for a shape");
    }
    for (uint32_t axis = 0; axis < dims.Length(); ++axis) {
      shapes[i].push_back(dims.Get(axis).As<Napi::Number>().Int64Value());
    }
  }
  return shapes;
}

Job JobFrom(const Session& session, Napi::Value shapes, Napi::Value inputs, Napi::Value outputs) {
  const Napi::Env env = shapes.Env();
  Job job;
  job.shapes = session.ShapesOf(shapes.As<Napi::Number>().Int32Value());
  if (job.shapes == nullptr) Refuse(env, "Expected shapes that were prepared");
  const int device = session.engine().context().device();
  const auto read = [&](Napi::Value list, const std::vector<size_t>& bytes, bool optional,
                        std::vector<TensorPlace>& places) {
    if (!list.IsArray()) Refuse(env, "Expected an array of tensors");
    const auto array = list.As<Napi::Array>();
    places.resize(bytes.size());
    for (uint32_t i = 0; i < bytes.size(); ++i) {
      const Napi::Value value = array.Get(i);
      if (optional && value.IsUndefined()) continue;
      places[i] = PlaceFrom(env, value, bytes[i], device);
    }
  };
  read(inputs, job.shapes->input_bytes, false, job.inputs);
  read(outputs, job.shapes->output_bytes, true, job.outputs);
  return job;
}

LoopOptions LoopOptionsFrom(Napi::Object object) {
  LoopOptions options;
  const std::string transfers = StringOf(object, "transfers");
  if (transfers == "none") options.transfers = LoopOptions::Transfers::kNone;
  if (transfers == "pinned") options.transfers = LoopOptions::Transfers::kPinned;
  options.graph = FlagOf(object, "graph", true);
  options.spin = FlagOf(object, "spin", false);
  options.events = FlagOf(object, "events", false);
  options.iterations = static_cast<int64_t>(NumberOf(object, "iterations", 1));
  options.seconds = NumberOf(object, "seconds", 0);
  options.warm_up_seconds = NumberOf(object, "warmUpSeconds", 0);
  return options;
}

Napi::Object FailureObject(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("code", failure.error.code());
  object.Set("message", ValidUtf8(failure.error.what()));
  object.Set("remedy", failure.error.remedy());
  object.Set("detail", LogTexts(env, failure.log));
  return object;
}

void ThrowFailure(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, ValidUtf8(failure.error.what()));
  error.Set("code", Napi::String::New(env, failure.error.code()));
  error.Set("remedy", Napi::String::New(env, failure.error.remedy()));
  error.Set("detail", LogTexts(env, failure.log));
  throw error;
}

Napi::Object ShapeSetObject(Napi::Env env, const ShapeSet& shapes) {
  const auto list = [env](const Shape& shape) { return ShapeArray(env, shape); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", shapes.id);
  object.Set("profile", shapes.profile);
  object.Set("inputs", ListOf(env, shapes.inputs, list));
  object.Set("outputs", ListOf(env, shapes.outputs, list));
  return object;
}

Napi::Object LoopObject(Napi::Env env, const LoopResult& loop) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("host", Doubles(env, loop.host));
  object.Set("enqueue", Doubles(env, loop.enqueue));
  object.Set("enqueueStart", Doubles(env, loop.enqueue_start));
  object.Set("uploadStart", Doubles(env, loop.upload_start));
  object.Set("upload", Doubles(env, loop.upload));
  object.Set("compute", Doubles(env, loop.compute));
  object.Set("download", Doubles(env, loop.download));
  object.Set("beginMs", loop.begin_ms);
  object.Set("endMs", loop.end_ms);
  object.Set("graph", loop.graph);
  return object;
}

Napi::Array LayersArray(Napi::Env env, const std::vector<LayerTimes>& layers) {
  return ListOf(env, layers, [env](const LayerTimes& layer) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", layer.name);
    entry.Set("milliseconds", Doubles(env, layer.milliseconds));
    return entry;
  });
}

Napi::Object MemoryObject(Napi::Env env, const Session& session) {
  const cuda::CurrentContext current(session.engine().context());
  const cuda::DeviceMemory gpu = cuda::QueryMemory();
  size_t device = 0;
  size_t pinned = 0;
  size_t contexts = 0;
  std::string problem;
  for (const auto& slot : session.slots()) {
    device += slot->memory().device.load();
    pinned += slot->memory().pinned.load();
    contexts += slot->memory().contexts.load();
    if (problem.empty()) problem = slot->GraphProblem();
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("engineBytes", static_cast<double>(session.engine().device_bytes()));
  object.Set("deviceBytes", static_cast<double>(device));
  object.Set("stagingBytes", static_cast<double>(pinned));
  object.Set("pinnedBytes", static_cast<double>(PinnedMemory::Get().bytes()));
  object.Set("executionContexts", static_cast<double>(contexts));
  object.Set("gpuFreeBytes", static_cast<double>(gpu.free));
  object.Set("gpuTotalBytes", static_cast<double>(gpu.total));
  object.Set("graphProblem", problem);
  return object;
}

Napi::Object EngineObject(Napi::Env env, const Session& session) {
  const Engine& engine = session.engine();
  const auto binding = [env](const Binding& entry) { return BindingObject(env, entry); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", engine.name());
  object.Set("inputs", ListOf(env, engine.inputs(), binding));
  object.Set("outputs", ListOf(env, engine.outputs(), binding));
  object.Set("profiles", engine.profiles());
  object.Set("planBytes", static_cast<double>(engine.plan_bytes()));
  object.Set("libraryVersion", VersionText(engine.library_version()));
  if (session.static_shapes() != nullptr) {
    object.Set("shapes", ShapeSetObject(env, *session.static_shapes()));
  }
  return object;
}

}  // namespace trtn

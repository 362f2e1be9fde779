#include "node/convert.h"

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "node/calibrator_call.h"

namespace trtn {
namespace {

[[noreturn]] void Refuse(Napi::Env env, const std::string& name, const std::string& what) {
  throw Napi::TypeError::New(env, "Expected " + what + " for " + name);
}

std::string StringOf(Napi::Object object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return {};
  if (!value.IsString()) Refuse(object.Env(), name, "a string");
  return value.As<Napi::String>();
}

// The elements of `object[name]`, each turned by `convert`; none when it is not given.
template <typename T, typename F>
std::vector<T> ListOf(Napi::Object object, const char* name, F convert) {
  std::vector<T> result;
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return result;
  if (!value.IsArray()) Refuse(object.Env(), name, "an array");
  const Napi::Array array = value.As<Napi::Array>();
  result.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(convert(array.Get(i)));
  return result;
}

int64_t IntegerOf(Napi::Value value) {
  if (!value.IsNumber()) Refuse(value.Env(), "a list's element", "a number");
  return value.As<Napi::Number>().Int64Value();
}

std::string TextOf(Napi::Value value) {
  if (!value.IsString()) Refuse(value.Env(), "a list's element", "a string");
  return value.As<Napi::String>();
}

Napi::Object ObjectOf(Napi::Value value) {
  if (!value.IsObject()) Refuse(value.Env(), "a list's element", "an object");
  return value.As<Napi::Object>();
}

Shape ShapeFrom(Napi::Object object, const char* name) {
  Shape shape = ListOf<int64_t>(object, name, IntegerOf);
  if (shape.size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
    Refuse(object.Env(), name, "at most 8 dimensions");
  }
  return shape;
}

InputRange RangeFrom(Napi::Value value) {
  const Napi::Object object = ObjectOf(value);
  return {StringOf(object, "name"), ShapeFrom(object, "min"), ShapeFrom(object, "opt"),
          ShapeFrom(object, "max")};
}

Profile ProfileFrom(Napi::Value value) {
  return ListOf<InputRange>(ObjectOf(value), "inputs", RangeFrom);
}

std::pair<std::string, uint64_t> PoolFrom(Napi::Value value) {
  const Napi::Object object = ObjectOf(value);
  return {StringOf(object, "name"), static_cast<uint64_t>(IntegerOf(object.Get("bytes")))};
}

std::pair<std::string, std::vector<std::string>> RuleFrom(Napi::Value value) {
  const Napi::Object object = ObjectOf(value);
  std::vector<std::string> types = ListOf<std::string>(object, "types", TextOf);
  if (types.empty()) Refuse(value.Env(), "types", "at least one type");
  return {StringOf(object, "name"), std::move(types)};
}

std::pair<std::string, bool> SwitchFrom(Napi::Value value) {
  const Napi::Object object = ObjectOf(value);
  return {StringOf(object, "name"), object.Get("on").ToBoolean()};
}

std::optional<int> OptionalInteger(Napi::Object object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return std::nullopt;
  return static_cast<int>(IntegerOf(value));
}

std::optional<std::vector<char>> BytesFrom(Napi::Object object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return std::nullopt;
  if (!value.IsTypedArray()) Refuse(object.Env(), name, "a Uint8Array");
  const auto array = value.As<Napi::Uint8Array>();
  return std::vector<char>(array.Data(), array.Data() + array.ByteLength());
}

std::pair<std::string, float> MagnitudeFrom(Napi::Value value) {
  const Napi::Object object = ObjectOf(value);
  return {StringOf(object, "name"), object.Get("amax").ToNumber().FloatValue()};
}

ModelSource ModelFrom(Napi::Object object) {
  ModelSource model;
  model.path = StringOf(object, "modelPath");
  const Napi::Value bytes = object.Get("modelBytes");
  if (!bytes.IsUndefined()) {
    if (!bytes.IsTypedArray()) Refuse(object.Env(), "modelBytes", "a Uint8Array");
    const auto array = bytes.As<Napi::Uint8Array>();
    // A copy: the caller may change or transfer its buffer, and a worker's memory goes with it.
    model.bytes.assign(array.Data(), array.Data() + array.ByteLength());
    model.from_bytes = true;
  }
  return model;
}

Verbosity VerbosityFrom(Napi::Object object) {
  const std::string name = StringOf(object, "profilingVerbosity");
  if (name == "none") return Verbosity::kNone;
  if (name == "layer_names_only") return Verbosity::kLayerNamesOnly;
  return Verbosity::kDetailed;
}

ConfigOptions ConfigFrom(Napi::Object object) {
  ConfigOptions config;
  config.compute_capabilities =
      ListOf<int>(object, "computeCapabilities",
                  [](Napi::Value value) { return static_cast<int>(IntegerOf(value)); });
  config.memory_pools = ListOf<std::pair<std::string, uint64_t>>(object, "memoryPools", PoolFrom);
  config.optimization_level = OptionalInteger(object, "optimizationLevel");
  config.verbosity = VerbosityFrom(object);
  config.flags = ListOf<std::string>(object, "flags", TextOf);
  const Napi::Value tf32 = object.Get("tf32");
  config.tf32 = tf32.IsUndefined() || tf32.ToBoolean();
  config.hardware_compatibility = StringOf(object, "hardwareCompatibility");
  config.max_aux_streams = OptionalInteger(object, "maxAuxStreams");
  config.timing_iterations = OptionalInteger(object, "timingIterations");
  config.tactic_sources =
      ListOf<std::pair<std::string, bool>>(object, "tacticSources", SwitchFrom);
  return config;
}

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kInternalError:
      return "internal-error";
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
    case Severity::kVerbose:
      break;
  }
  return "verbose";
}

template <typename T, typename F>
Napi::Array ArrayOf(Napi::Env env, const std::vector<T>& items, F convert) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), convert(env, items[i]));
  }
  return array;
}

Napi::Value Extent(Napi::Env env, int64_t extent) {
  return Napi::Number::New(env, static_cast<double>(extent));
}

Napi::Value TensorObject(Napi::Env env, const TensorInfo& tensor) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", tensor.name);
  object.Set("type", tensor.type);
  object.Set("shape", ArrayOf(env, tensor.shape, Extent));
  return object;
}

Napi::Value LayerObject(Napi::Env env, const LayerInfo& layer) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", layer.name);
  object.Set("type", layer.type);
  object.Set("precision", layer.precision);
  object.Set("metadata", layer.metadata);
  object.Set("inputs", ArrayOf(env, layer.inputs, TensorObject));
  object.Set("outputs", ArrayOf(env, layer.outputs, TensorObject));
  return object;
}

Napi::Value Text(Napi::Env env, const std::string& text) { return Napi::String::New(env, text); }

Napi::Object RangesObject(Napi::Env env, const RangeReport& ranges) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("covered", ArrayOf(env, ranges.covered, Text));
  object.Set("derived", ArrayOf(env, ranges.derived, Text));
  object.Set("missing", ArrayOf(env, ranges.missing, Text));
  object.Set("unused", ArrayOf(env, ranges.unused, Text));
  return object;
}

Napi::Object NetworkObject(Napi::Env env, const NetworkInfo& network) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", network.name);
  object.Set("inputs", ArrayOf(env, network.inputs, TensorObject));
  object.Set("outputs", ArrayOf(env, network.outputs, TensorObject));
  object.Set("layers", ArrayOf(env, network.layers, LayerObject));
  return object;
}

Napi::Value ParserErrorObject(Napi::Env env, const ParserError& error) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("code", error.code);
  object.Set("codeName", error.code_name);
  object.Set("node", error.node);
  object.Set("nodeName", error.node_name);
  object.Set("operator", error.node_operator);
  object.Set("description", error.description);
  return object;
}

Napi::Value LogObject(Napi::Env env, const LogLine& line) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("severity", SeverityName(line.severity));
  object.Set("text", line.text);
  return object;
}

}  // namespace

BuildOptions BuildOptionsFrom(Napi::Object object) {
  BuildOptions options;
  options.library = {StringOf(object, "inferLibrary"), StringOf(object, "parserLibrary")};
  options.model = ModelFrom(object);
  options.profiles = ListOf<Profile>(object, "profiles", ProfileFrom);
  options.config = ConfigFrom(object);
  if (!object.Get("ranges").IsUndefined()) {
    options.ranges = ListOf<std::pair<std::string, float>>(object, "ranges", MagnitudeFrom);
  }
  options.layer_types.precisions =
      ListOf<LayerTypeRules::value_type>(object, "layerPrecisions", RuleFrom);
  options.layer_types.outputs =
      ListOf<LayerTypeRules::value_type>(object, "layerOutputTypes", RuleFrom);
  options.io_types = {ListOf<std::string>(object, "inputTypes", TextOf),
                      ListOf<std::string>(object, "outputTypes", TextOf)};
  options.timing_cache = BytesFrom(object, "timingCache");
  options.more_timings = BytesFrom(object, "moreTimings");
  options.device = OptionalInteger(object, "deviceId");
  options.float_tensors = ListOf<std::string>(object, "floatTensors", TextOf);
  options.strict_ranges = object.Get("strictRanges").ToBoolean();
  const Napi::Value layers = object.Get("describeLayers");
  options.describe_layers = layers.IsUndefined() || layers.ToBoolean();
  return options;
}

Napi::Object OutcomeOf(Napi::Env env, const BuildResult& result) {
  Napi::Object object = Napi::Object::New(env);
  if (result.plan != nullptr) {
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, result.plan->size());
    std::memcpy(buffer.Data(), result.plan->data(), result.plan->size());
    object.Set("plan", Napi::Uint8Array::New(env, result.plan->size(), buffer, 0));
  }
  if (result.failure) {
    Napi::Object failure = Napi::Object::New(env);
    failure.Set("code", result.failure->code());
    failure.Set("message", std::string(result.failure->what()));
    failure.Set("remedy", result.failure->remedy());
    object.Set("failure", failure);
  }
  if (result.calibration) object.Set("calibration", CalibrationObject(env, *result.calibration));
  object.Set("parserErrors", ArrayOf(env, result.parser_errors, ParserErrorObject));
  object.Set("network", NetworkObject(env, result.network));
  if (result.ranges) object.Set("ranges", RangesObject(env, *result.ranges));
  object.Set("unusedLayerTypes", ArrayOf(env, result.unused_layer_types, Text));
  if (result.timing_cache) {
    object.Set("timingCache", Napi::Buffer<char>::Copy(env, result.timing_cache->data(),
                                                       result.timing_cache->size()));
    object.Set("timingCacheIgnored", result.timing_cache_ignored);
  }
  object.Set("layerReport", result.layer_report);
  object.Set("log", ArrayOf(env, result.log, LogObject));
  object.Set("libraryVersion", result.library_version);
  object.Set("elapsedMs", result.elapsed_ms);
  return object;
}

}  // namespace trtn

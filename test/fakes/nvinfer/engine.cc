// What an engine says of itself.
#include "engine.h"

namespace fake {
namespace {

Dims NoDims() {
  Dims dims{};
  dims.nbDims = -1;
  return dims;
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

#if NV_TENSORRT_MAJOR >= 10
IExecutionContext* Engine::createExecutionContext(
    ExecutionContextAllocationStrategy strategy) noexcept {
  cuda->Ensure();
  auto context = std::make_unique<Context>(this);
  if (strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED && !context->Allocate()) {
    return nullptr;
  }
  return context.release();
}
#else
IExecutionContext* Engine::createExecutionContext() noexcept {
  cuda->Ensure();
  auto context = std::make_unique<Context>(this);
  return context->Allocate() ? context.release() : nullptr;
}
#endif

IExecutionContext* Engine::createExecutionContextWithoutDeviceMemory() noexcept {
  return new Context(this);
}

// An engine without dynamic shapes has one profile, made by the library.
int32_t Engine::getNbOptimizationProfiles() const noexcept {
  return std::max<int32_t>(1, static_cast<int32_t>(plan.profiles.size()));
}

Dims Engine::getTensorShape(const char* name) const noexcept {
  const PlanTensor* tensor = plan.Find(name);
  return tensor == nullptr ? NoDims() : ToDims(tensor->shape);
}

DataType Engine::getTensorDataType(const char* name) const noexcept {
  const PlanTensor* tensor = plan.Find(name);
  return tensor == nullptr ? DataType::kFLOAT : tensor->type;
}

TensorIOMode Engine::getTensorIOMode(const char* name) const noexcept {
  const PlanTensor* tensor = plan.Find(name);
  if (tensor == nullptr) return TensorIOMode::kNONE;
  return tensor->input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
}

int32_t Engine::getTensorBytesPerComponent(const char* name) const noexcept {
  const PlanTensor* tensor = plan.Find(name);
  return tensor == nullptr ? -1 : static_cast<int32_t>(ElementBytes(tensor->type));
}

Dims Engine::getProfileShape(const char* name, int32_t profile,
                             OptProfileSelector select) const noexcept {
  const PlanTensor* tensor = plan.Find(name);
  if (tensor == nullptr || !tensor->input || profile < 0 ||
      profile >= getNbOptimizationProfiles()) {
    LogError(logger, std::string("ICudaEngine::getProfileShape: Error Code 3: API Usage Error "
                                 "(no such input or profile: ") + name + ")");
    return NoDims();
  }
  if (static_cast<size_t>(profile) < plan.profiles.size()) {
    const auto& ranges = plan.profiles[static_cast<size_t>(profile)];
    const auto range = ranges.find(name);
    if (range != ranges.end()) {
      return ToDims(select == OptProfileSelector::kMIN   ? range->second.min
                    : select == OptProfileSelector::kOPT ? range->second.opt
                                                         : range->second.max);
    }
  }
  return ToDims(tensor->shape);
}

const char* Engine::getIOTensorName(int32_t index) const noexcept {
  const auto at = static_cast<size_t>(index);
  return at < plan.tensors.size() ? plan.tensors[at].name.c_str() : nullptr;
}

HardwareCompatibilityLevel Engine::getHardwareCompatibilityLevel() const noexcept {
  return plan.anyDevice ? HardwareCompatibilityLevel::kAMPERE_PLUS
                        : HardwareCompatibilityLevel::kNONE;
}

bool Engine::Claim(int32_t profile) {
#if NV_TENSORRT_MAJOR < 10
  if (!plan.Dynamic()) return true;
  std::lock_guard<std::mutex> lock(mutex_);
  if (claimed_[profile] != 0) return false;
  ++claimed_[profile];
#else
  (void)profile;
#endif
  return true;
}

void Engine::Unclaim(int32_t profile) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (claimed_[profile] > 0) --claimed_[profile];
}

IEngineInspector* Engine::createEngineInspector() const noexcept { return new Inspector(this); }

std::string Inspector::LayerJson(const PlanLayer& layer, bool json) const {
  const auto verbosity = engine_->getProfilingVerbosity();
  if (!json) return layer.name + "\n";
  if (verbosity != ProfilingVerbosity::kDETAILED) return Quoted(layer.name);
  const auto tensors = [&](const std::vector<std::string>& names) {
    std::string out = "[";
    for (size_t i = 0; i < names.size(); ++i) {
      out += (i == 0 ? "" : ",") + std::string("{\"Name\":") + Quoted(names[i]) +
             ",\"Location\":\"Device\",\"Dimensions\":[],\"Format/Datatype\":" +
             Quoted("Row major linear " + layer.precision) + "}";
    }
    return out + "]";
  };
  return "{\"Name\":" + Quoted(layer.name) + ",\"LayerType\":" + Quoted(layer.op) +
         ",\"Inputs\":" + tensors(layer.inputs) + ",\"Outputs\":" + tensors(layer.outputs) +
         ",\"Precision\":" + Quoted(layer.precision) + ",\"TacticName\":\"fake\"" +
         ",\"StreamId\":0,\"Metadata\":" + Quoted("[ONNX Layer: " + layer.name + "]") + "}";
}

const char* Inspector::getLayerInformation(int32_t index,
                                           LayerInformationFormat format) const noexcept {
  const auto& layers = engine_->plan.layers;
  if (static_cast<size_t>(index) >= layers.size()) return nullptr;
  text_ = LayerJson(layers[static_cast<size_t>(index)], format == LayerInformationFormat::kJSON);
  return text_.c_str();
}

const char* Inspector::getEngineInformation(LayerInformationFormat format) const noexcept {
  const bool json = format == LayerInformationFormat::kJSON;
  const bool none = engine_->getProfilingVerbosity() == ProfilingVerbosity::kNONE;
  text_ = json ? "{\"Layers\": [" : "Layers:\n";
  bool first = true;
  for (const PlanLayer& layer : engine_->plan.layers) {
    if (none) break;
    text_ += (json && !first ? "," : "") + LayerJson(layer, json);
    first = false;
  }
  text_ += json ? "],\"Bindings\": [" : "\nBindings:\n";
  first = true;
  for (const PlanTensor& tensor : engine_->plan.tensors) {
    text_ += json ? (first ? "" : ",") + Quoted(tensor.name) : tensor.name + "\n";
    first = false;
  }
  if (json) text_ += "]}";
  return text_.c_str();
}

}  // namespace fake

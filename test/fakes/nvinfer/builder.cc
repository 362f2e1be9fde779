#include "builder.h"

#include <random>

#include "compute.h"

namespace fake {
namespace {

bool HasFlag(const Config& config, const char* name) {
#if NV_TENSORRT_MAJOR <= 10
  if (std::string(name) == "int8") return config.getFlag(BuilderFlag::kINT8);
  if (std::string(name) == "fp16") return config.getFlag(BuilderFlag::kFP16);
#endif
  return false;
}

[[maybe_unused]] bool IsExplicit(const Network& network) {
  for (const LayerData* layer : network.layers) {
    if (layer->op == "QuantizeLinear") return true;
  }
  return false;
}

// "min"/"max" for an output that is a reduction of the graph (calibration on the GPU uses these).
std::string ReductionOf(const Tensor& tensor) {
  const LayerData* layer = tensor.producer;
  while (layer != nullptr) {
    if (layer->op == "ReduceMin") return "min";
    if (layer->op == "ReduceMax") return "max";
    const bool passes = layer->op == "Reshape" || layer->op == "Cast" || layer->op == "Identity" ||
                        layer->op == "Squeeze" || layer->op == "Unsqueeze" ||
                        layer->op == "Flatten";
    if (!passes || layer->inputs.empty()) return "";
    layer = layer->inputs[0]->producer;
  }
  return "";
}

// "warning:text|info:text": what the library is to say during a build.
void LogScripted(ILogger* logger) {
  const std::string script = OptionText("log", "");
  size_t at = 0;
  while (at < script.size()) {
    size_t end = script.find('|', at);
    if (end == std::string::npos) end = script.size();
    const std::string item = script.substr(at, end - at);
    const size_t colon = item.find(':');
    const std::string level = item.substr(0, colon);
    const auto severity = level == "error"     ? ILogger::Severity::kERROR
                          : level == "warning" ? ILogger::Severity::kWARNING
                          : level == "verbose" ? ILogger::Severity::kVERBOSE
                                               : ILogger::Severity::kINFO;
    Log(logger, severity, colon == std::string::npos ? item : item.substr(colon + 1));
    at = end + 1;
  }
}

}  // namespace

INetworkDefinition* Builder::createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept {
#if NV_TENSORRT_MAJOR < 10
  if ((flags & 1U) == 0) {
    LogError(logger_, "IBuilder::createNetworkV2: Error Code 4: API Usage Error (the fake has no "
                      "implicit batch networks)");
    return nullptr;
  }
#else
  (void)flags;
#endif
  return new Network(this);
}

IOptimizationProfile* Builder::createOptimizationProfile() noexcept {
  profiles_.push_back(std::make_unique<Profile>());
  return profiles_.back().get();
}

bool Builder::CheckProfiles(const Network& network, const Config& config) {
  for (const Tensor* input : network.inputs) {
    bool dynamic = false;
    for (const int64_t extent : input->shape) dynamic = dynamic || extent < 0;
    if (dynamic && config.profiles.empty()) {
      LogError(logger_, "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network "
                        "has dynamic or shape inputs, but no optimization profile has been defined.)");
      return false;
    }
    for (const Profile* profile : config.profiles) {
      const auto found = profile->shapes.find(input->name);
      if (found == profile->shapes.end()) {
        if (!dynamic) continue;
        LogError(logger_, "Error Code 4: API Usage Error (" + input->name +
                              ": optimization profile is missing values for shape input)");
        return false;
      }
      for (const auto& [select, shape] : found->second) {
        bool fits = shape.size() == input->shape.size();
        for (size_t i = 0; fits && i < shape.size(); ++i) {
          fits = input->shape[i] < 0 || input->shape[i] == shape[i];
        }
        if (fits) continue;
        LogError(logger_, "Error Code 4: API Usage Error (" + input->name +
                              ": dimensions " + ShapeText(shape) +
                              " of the optimization profile do not fit the network's " +
                              ShapeText(input->shape) + ")");
        return false;
      }
    }
  }
  for (const Profile* profile : config.profiles) {
    for (const auto& [name, slots] : profile->shapes) {
      bool known = false;
      for (const Tensor* input : network.inputs) known = known || input->name == name;
      if (known) continue;
      LogError(logger_, "Error Code 4: API Usage Error (" + name +
                            ": optimization profile names a tensor that is no input)");
      return false;
    }
  }
  return true;
}

// The monitor sees phases as the real one's: an outer one and nested ones; false ends the build.
bool Builder::RunPhases(const Network& network, Config& config, const Standing& standing) {
  const long long pause = Option("buildMs", 0);
  struct Phase {
    const char *name, *parent;
    int steps;
  };
  const Phase phases[] = {{"Optimizing graph", "Building engine", 2},
                          {"Timing tactics", "Building engine",
                           static_cast<int>(std::max<size_t>(network.layers.size(), 1))}};
  bool alive = true;
#if FAKE_HAS_MONITOR
  if (config.monitor != nullptr) config.monitor->phaseStart("Building engine", nullptr, 2);
#endif
  for (const Phase& phase : phases) {
    if (!alive) break;
#if FAKE_HAS_MONITOR
    if (config.monitor != nullptr) config.monitor->phaseStart(phase.name, phase.parent, phase.steps);
#endif
    for (int step = 0; alive && step < phase.steps; ++step) {
      standing.For(pause);
#if FAKE_HAS_MONITOR
      if (config.monitor != nullptr && !config.monitor->stepComplete(phase.name, step)) {
        alive = Option("ignoreMonitor", 0) != 0;
      }
#endif
    }
#if FAKE_HAS_MONITOR
    if (config.monitor != nullptr) config.monitor->phaseFinish(phase.name);
#endif
  }
#if FAKE_HAS_MONITOR
  if (config.monitor != nullptr) config.monitor->phaseFinish("Building engine");
#endif
  return alive;
}

bool Builder::CheckRanges(Network& network, Config& config, bool calibrated) {
#if FAKE_HAS_CALIBRATOR
  if (!HasFlag(config, "int8") || calibrated || IsExplicit(network)) return true;
  Log(logger_, ILogger::Severity::kWARNING,
      "Calibrator is not being used. Users must provide dynamic range for all tensors that are not "
      "Int32 or Bool.");
  for (const LayerData* layer : network.layers) {
    for (const Tensor* output : layer->outputs) {
      if (output->rangeSet || output->type != DataType::kFLOAT) continue;
      Log(logger_, ILogger::Severity::kWARNING,
          "Missing scale and zero-point for tensor " + output->name +
              ", expect fall back to non-int8 implementation for any layer consuming or producing "
              "given tensor");
    }
  }
#else
  (void)network, (void)config, (void)calibrated;
#endif
  return true;
}

Plan Builder::MakePlan(Network& network, Config& config,
                       const std::map<std::string, float>& scales) {
  Plan plan;
  plan.version = LibraryVersion();
  plan.device = cuda_->deviceName;
  plan.major = cuda_->major;
  plan.minor = cuda_->minor;
  plan.anyDevice = config.hardware != HardwareCompatibilityLevel::kNONE;
  plan.versionCompatible = config.getFlag(BuilderFlag::kVERSION_COMPATIBLE);
  plan.refittable = config.getFlag(BuilderFlag::kREFIT);
#if NV_TENSORRT_MAJOR >= 10
  plan.refittable = plan.refittable || config.getFlag(BuilderFlag::kSTRIP_PLAN);
#endif
  plan.verbosity = static_cast<int>(config.verbosity);
  plan.auxStreams = std::max(config.auxStreams, 0);
  plan.name = network.name;
  plan.nonce = std::random_device()();
  plan.ballast.assign(static_cast<size_t>(Option("planBytes", 0)), 'w');
  for (const Profile* profile : config.profiles) {
    std::map<std::string, PlanRange> ranges;
    for (const auto& [name, slots] : profile->shapes) {
      ranges[name] = {slots.at(0), slots.at(1), slots.at(2)};
    }
    plan.profiles.push_back(std::move(ranges));
  }
  uint64_t largest = 0;
  for (const auto* list : {&network.inputs, &network.outputs}) {
    for (const Tensor* tensor : *list) {
      PlanTensor io;
      io.name = tensor->name;
      io.input = list == &network.inputs;
      io.type = tensor->type;
      io.shape = tensor->shape;
      io.dimNames = tensor->dimNames;
      if (!io.input) io.reduction = ReductionOf(*tensor);
      Shape atMost = io.shape;
      for (auto& extent : atMost) extent = extent < 0 ? 1 : extent;
      for (const auto& ranges : plan.profiles) {
        if (ranges.count(io.name) != 0) atMost = ranges.at(io.name).max;
      }
      largest += Volume(atMost) * ElementBytes(io.type);
      plan.tensors.push_back(std::move(io));
    }
  }
  plan.workspace = largest + 4096;
  const bool int8 = HasFlag(config, "int8");
  for (const LayerData* layer : network.layers) {
    PlanLayer entry;
    entry.name = layer->name;
    entry.op = layer->op;
    bool ranged = int8;
    for (const Tensor* output : layer->outputs) {
      entry.outputs.push_back(output->name);
      ranged = ranged && (output->rangeSet || scales.count(output->name) != 0);
    }
    for (const Tensor* input : layer->inputs) entry.inputs.push_back(input->name);
    const bool explicitInt8 = layer->op == "QuantizeLinear";
    entry.precision = layer->precisionSet        ? TypeName(layer->precision)
                      : ranged || explicitInt8   ? "Int8"
                      : HasFlag(config, "fp16") ? "FP16"
                                                 : "FP32";
    plan.layers.push_back(std::move(entry));
  }
  for (const Initializer& weight : network.weights) {
    plan.weights.push_back({weight.name, DataType::kFLOAT, weight.Count()});
  }
  return plan;
}

IHostMemory* Builder::buildSerializedNetwork(INetworkDefinition& definition,
                                             IBuilderConfig& configuration) noexcept {
  auto& network = static_cast<Network&>(definition);
  auto& config = static_cast<Config&>(configuration);
  LogScripted(logger_);
  cuda_->Ensure();
  if (network.inputs.empty() || network.outputs.empty()) {
    LogError(logger_, "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network "
                      "must have at least one output)");
    return nullptr;
  }
  if (!CheckProfiles(network, config)) return nullptr;
  const Standing standing;
  ReportBuild(network, config, cuda_->CurrentDevice());

  std::map<std::string, float> scales;
  bool calibrated = false;
#if FAKE_HAS_CALIBRATOR
  if (HasFlag(config, "int8") && config.calibrator != nullptr) {
    if (IsExplicit(network)) {
      Log(logger_, ILogger::Severity::kWARNING,
          "Calibrator won't be used in explicit quantization mode. Please insert Quantize/Dequantize "
          "layers to indicate which tensors to quantize/dequantize.");
    } else {
      if (!Calibrate(network, config, *cuda_, logger_, &scales)) return nullptr;
      calibrated = true;
    }
  }
#endif
  if (!CheckRanges(network, config, calibrated)) return nullptr;
  if (!RunPhases(network, config, standing)) {
    Log(logger_, ILogger::Severity::kWARNING, "Build was cancelled by the progress monitor.");
    return nullptr;
  }
  if (FailsNow("failBuild")) {
    LogError(logger_, "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (Could not "
                      "find any implementation for node " +
                          (network.layers.empty() ? "?" : network.layers[0]->name) + ".)");
    return nullptr;
  }
  DeviceMemory scratch;  // timing needs memory: a build on a full device fails
  const Plan plan = MakePlan(network, config, scales);
  if (!scratch.Allocate(*cuda_, plan.workspace + plan.WeightBytes(), logger_)) return nullptr;
  if (config.timingCache != nullptr) {
    for (const PlanLayer& layer : plan.layers) {
      config.timingCache->entries[layer.op + "/" + layer.precision] = "1";
    }
  }
  ReportFinished();
  return new HostMemory(Serialize(plan));
}

}  // namespace fake

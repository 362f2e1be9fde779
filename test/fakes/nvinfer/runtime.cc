// Runtime, refitter and the library's C entry points.
#include "builder.h"
#include "engine.h"

namespace fake {

ICudaEngine* Runtime::Load(const void* blob, size_t size) {
  cuda_->Ensure();
  Plan plan;
  const std::string error = Deserialize(blob, size, &plan);
  if (!error.empty()) {
    LogError(logger_, error);
    return nullptr;
  }
  // The device is looked up again: a plan is bound to the one that is current now.
  const Cuda* cuda = FindCuda(logger_);
  if (cuda == nullptr) return nullptr;
  if (!plan.anyDevice && (plan.major != cuda->major || plan.minor != cuda->minor)) {
    LogError(logger_, "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine "
                      "plan file is generated on an incompatible device, expecting compute " +
                          std::to_string(cuda->major) + "." + std::to_string(cuda->minor) +
                          " got compute " + std::to_string(plan.major) + "." +
                          std::to_string(plan.minor) + ", please rebuild.)");
    return nullptr;
  }
  if (plan.device != cuda->deviceName) {
    Log(logger_, ILogger::Severity::kWARNING,
        "Using an engine plan file across different models of devices is not recommended and is "
        "likely to affect performance or even cause errors.");
  }
  if (plan.versionCompatible && !hostCode_) {
    LogError(logger_, "IRuntime::deserializeCudaEngine: Error Code 4: API Usage Error (Cannot "
                      "deserialize engine with lean runtime, host code is not allowed)");
    return nullptr;
  }
  auto engine = std::make_unique<Engine>(std::move(plan), logger_, cuda);
  if (!engine->Load()) return nullptr;
  return engine.release();
}

bool Refitter::setNamedWeights(const char* name, Weights weights) noexcept {
  for (const PlanWeight& known : engine_->plan.weights) {
    if (known.name != name) continue;
    if (known.count != weights.count || weights.values == nullptr) {
      LogError(logger_, "IRefitter::setNamedWeights: Error Code 3: API Usage Error (" +
                            known.name + " has " + std::to_string(known.count) +
                            " weights, received " + std::to_string(weights.count) + ")");
      return false;
    }
    set_[name] = ReadElement(weights.type, weights.values, 0);
    return true;
  }
  LogError(logger_, std::string("IRefitter::setNamedWeights: Error Code 3: API Usage Error (no "
                                "weights are named ") + name + ")");
  return false;
}

bool Refitter::refitCudaEngine() noexcept {
  if (!engine_->plan.refittable || getMissingWeights(0, nullptr) != 0) {
    LogError(logger_, "IRefitter::refitCudaEngine: Error Code 4: API Usage Error (missing weights)");
    return false;
  }
  float bias = 0;
  for (const auto& [name, value] : set_) bias = bias + value;
  *engine_->bias = bias;
  return true;
}

// As the real one: a weight is missing when it was not set and another one was.
int32_t Refitter::getMissingWeights(int32_t size, const char** names) noexcept {
  int32_t missing = 0;
  for (const PlanWeight& weight : engine_->plan.weights) {
    if (set_.empty() || set_.count(weight.name) != 0) continue;
    if (missing < size) names[missing] = weight.name.c_str();
    ++missing;
  }
  return missing;
}

int32_t Refitter::getAllWeights(int32_t size, const char** names) noexcept {
  const auto& weights = engine_->plan.weights;
  for (size_t i = 0; i < weights.size() && static_cast<int32_t>(i) < size; ++i) {
    names[i] = weights[i].name.c_str();
  }
  return static_cast<int32_t>(weights.size());
}

IRefitter* Engine::createRefitter(ILogger& refitLogger) noexcept {
  return new Refitter(this, &refitLogger);
}

}  // namespace fake

FAKE_EXPORT void* createInferBuilder_INTERNAL(void* logger, int32_t) noexcept {
  fake::ReloadOptions();
  auto* log = static_cast<nvinfer1::ILogger*>(logger);
  const fake::Cuda* cuda = fake::FindCuda(log);
  if (cuda == nullptr) return nullptr;
  return static_cast<nvinfer1::IBuilder*>(new fake::Builder(log, cuda));
}

FAKE_EXPORT void* createInferRuntime_INTERNAL(void* logger, int32_t) noexcept {
  fake::ReloadOptions();
  auto* log = static_cast<nvinfer1::ILogger*>(logger);
  const fake::Cuda* cuda = fake::FindCuda(log);
  if (cuda == nullptr) return nullptr;
  return static_cast<nvinfer1::IRuntime*>(new fake::Runtime(log, cuda));
}

FAKE_EXPORT void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t) noexcept {
  auto* mine = static_cast<fake::Engine*>(static_cast<nvinfer1::ICudaEngine*>(engine));
  return static_cast<nvinfer1::IRefitter*>(
      new fake::Refitter(mine, static_cast<nvinfer1::ILogger*>(logger)));
}

FAKE_EXPORT nvinfer1::IPluginRegistry* getPluginRegistry() noexcept { return nullptr; }

FAKE_EXPORT int32_t getInferLibVersion() noexcept {
  fake::ReloadOptions();
  return fake::LibraryVersion();
}
#if NV_TENSORRT_MAJOR >= 10
FAKE_EXPORT int32_t getInferLibMajorVersion() noexcept { return getInferLibVersion() / 10000; }
FAKE_EXPORT int32_t getInferLibMinorVersion() noexcept { return getInferLibVersion() / 100 % 100; }
FAKE_EXPORT int32_t getInferLibPatchVersion() noexcept { return getInferLibVersion() % 100; }
FAKE_EXPORT int32_t getInferLibBuildVersion() noexcept { return 0; }
#endif

// Runtime, engine, execution context, inspector, refitter.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "compute.h"
#include "plan.h"

namespace fake {

class Runtime : public IRuntime, public VRuntimeStub {
 public:
  explicit Runtime(ILogger* logger, const Cuda* cuda) : logger_(logger), cuda_(cuda) {
    mImpl = this;
  }
  IRuntime* getPImpl() noexcept override { return this; }
#if NV_TENSORRT_MAJOR >= 10
  using VRuntimeStub::deserializeCudaEngine;
  ICudaEngine* deserializeCudaEngine(const void* blob, size_t size) noexcept override {
    return Load(blob, size);
  }
#else
  ICudaEngine* deserializeCudaEngine(const void* blob, size_t size,
                                     IPluginFactory*) noexcept override {
    return Load(blob, size);
  }
#endif
  void setErrorRecorder(IErrorRecorder* value) noexcept override { recorder_ = value; }
  IErrorRecorder* getErrorRecorder() const noexcept override { return recorder_; }
  ILogger* getLogger() const noexcept override { return logger_; }
  bool setMaxThreads(int32_t) noexcept override { return true; }
  int32_t getMaxThreads() const noexcept override { return 1; }
  void setEngineHostCodeAllowed(bool allowed) noexcept override { hostCode_ = allowed; }
  bool getEngineHostCodeAllowed() const noexcept override { return hostCode_; }
  void setGpuAllocator(IGpuAllocator*) noexcept override {}
  void setTemporaryDirectory(const char*) noexcept override {}
  void setTempfileControlFlags(TempfileControlFlags) noexcept override {}

 private:
  ICudaEngine* Load(const void* blob, size_t size);

  ILogger* logger_;
  const Cuda* cuda_;
  IErrorRecorder* recorder_ = nullptr;
  bool hostCode_ = false;
};

class Engine : public ICudaEngine, public VCudaEngineStub {
 public:
  Engine(Plan plan, ILogger* logger, const Cuda* cuda)
      : plan(std::move(plan)), logger(logger), cuda(cuda) {
    mImpl = this;
  }
  bool Load() { return weights_.Allocate(*cuda, plan.WeightBytes() + 256, logger); }
  ICudaEngine* getPImpl() noexcept override { return this; }
  int32_t getNbLayers() const noexcept override { return static_cast<int32_t>(plan.layers.size()); }
  IHostMemory* serialize() const noexcept override { return new HostMemory(Serialize(plan)); }
#if NV_TENSORRT_MAJOR >= 10
  IExecutionContext* createExecutionContext(
      ExecutionContextAllocationStrategy strategy) noexcept override;
#else
  IExecutionContext* createExecutionContext() noexcept override;
#endif
  IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept;
  size_t getDeviceMemorySize() const noexcept { return plan.workspace; }
  int64_t getDeviceMemorySizeV2() const noexcept { return static_cast<int64_t>(plan.workspace); }
  size_t getDeviceMemorySizeForProfile(int32_t) const noexcept { return plan.workspace; }
  int64_t getDeviceMemorySizeForProfileV2(int32_t) const noexcept {
    return static_cast<int64_t>(plan.workspace);
  }
  bool isRefittable() const noexcept override { return plan.refittable; }
  const char* getName() const noexcept override { return plan.name.c_str(); }
  int32_t getNbOptimizationProfiles() const noexcept override;
  EngineCapability getEngineCapability() const noexcept override {
    return EngineCapability::kSTANDARD;
  }
  void setErrorRecorder(IErrorRecorder* value) noexcept override { recorder_ = value; }
  IErrorRecorder* getErrorRecorder() const noexcept override { return recorder_; }
  bool hasImplicitBatchDimension() const noexcept { return false; }
  ProfilingVerbosity getProfilingVerbosity() const noexcept override {
    return static_cast<ProfilingVerbosity>(plan.verbosity);
  }
  TacticSources getTacticSources() const noexcept override { return 0; }
  IEngineInspector* createEngineInspector() const noexcept override;
  Dims getTensorShape(const char* name) const noexcept override;
  DataType getTensorDataType(const char* name) const noexcept override;
  TensorLocation getTensorLocation(const char*) const noexcept override {
    return TensorLocation::kDEVICE;
  }
  bool isShapeInferenceIO(const char*) const noexcept override { return false; }
  TensorIOMode getTensorIOMode(const char* name) const noexcept override;
  int32_t getTensorBytesPerComponent(const char* name) const noexcept override;
  int32_t getTensorComponentsPerElement(const char*) const noexcept override { return 1; }
  TensorFormat getTensorFormat(const char*) const noexcept override {
    return TensorFormat::kLINEAR;
  }
  const char* getTensorFormatDesc(const char*) const noexcept override {
    return "Row major linear format (kLINEAR)";
  }
  int32_t getTensorVectorizedDim(const char*) const noexcept override { return -1; }
  Dims getProfileShape(const char* name, int32_t profile,
                       OptProfileSelector select) const noexcept override;
  int32_t getNbIOTensors() const noexcept override {
    return static_cast<int32_t>(plan.tensors.size());
  }
  const char* getIOTensorName(int32_t index) const noexcept override;
  HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override;
  int32_t getNbAuxStreams() const noexcept override { return plan.auxStreams; }
  IRefitter* createRefitter(ILogger& logger) noexcept;
  // 8.6: every context of an engine with dynamic shapes has a profile of its own.
  bool Claim(int32_t profile);
  void Unclaim(int32_t profile);

  unsigned long long weights() const { return weights_.pointer(); }

  const Plan plan;
  ILogger* const logger;
  const Cuda* const cuda;
  // Changed by a refit. Shared with what is queued, which may outlive the engine in a faulty program.
  const std::shared_ptr<std::atomic<float>> bias = std::make_shared<std::atomic<float>>(0.0F);

 private:
  DeviceMemory weights_;
  IErrorRecorder* recorder_ = nullptr;
  std::mutex mutex_;
  std::map<int32_t, int> claimed_;
};

class Context : public IExecutionContext, public VExecutionContextStub {
 public:
  explicit Context(Engine* engine);
  ~Context() override;
  bool Allocate();
  IExecutionContext* getPImpl() noexcept override { return this; }
  const ICudaEngine& getEngine() const noexcept override { return *engine_; }
  void setName(const char* value) noexcept override { name_ = value; }
  const char* getName() const noexcept override { return name_.c_str(); }
  void setProfiler(IProfiler* value) noexcept override { profiler_ = value; }
  IProfiler* getProfiler() const noexcept override { return profiler_; }
  void setErrorRecorder(IErrorRecorder* value) noexcept override { recorder_ = value; }
  IErrorRecorder* getErrorRecorder() const noexcept override { return recorder_; }
  void setDebugSync(bool) noexcept override {}
  void setDeviceMemory(void* memory) noexcept { userMemory_ = memory != nullptr; }
  void setDeviceMemoryV2(void* memory, int64_t) noexcept { userMemory_ = memory != nullptr; }
  int32_t getOptimizationProfile() const noexcept override { return profile_; }
  bool setOptimizationProfileAsync(int32_t profile, cudaStream_t stream) noexcept override;
  bool allInputDimensionsSpecified() const noexcept override;
  bool allInputShapesSpecified() const noexcept { return true; }
  bool setInputShape(const char* name, const Dims& dims) noexcept override;
  Dims getTensorShape(const char* name) const noexcept override;
  Dims getTensorStrides(const char* name) const noexcept override;
  bool setTensorAddress(const char* name, void* data) noexcept override;
  const void* getTensorAddress(const char* name) const noexcept override;
  bool setInputTensorAddress(const char* name, const void* data) noexcept override {
    return setTensorAddress(name, const_cast<void*>(data));
  }
  bool setOutputTensorAddress(const char* name, void* data) noexcept {
    return setTensorAddress(name, data);
  }
  void* getOutputTensorAddress(const char* name) const noexcept override {
    return const_cast<void*>(getTensorAddress(name));
  }
  int64_t getMaxOutputSize(const char* name) const noexcept override;
  int32_t inferShapes(int32_t count, const char** names) noexcept override;
  bool setInputConsumedEvent(cudaEvent_t event) noexcept override {
    consumed_ = event;
    return true;
  }
  cudaEvent_t getInputConsumedEvent() const noexcept override { return consumed_; }
  bool enqueueV3(cudaStream_t stream) noexcept override;
  void setEnqueueEmitsProfile(bool emits) noexcept override { emitsProfile_ = emits; }
  bool getEnqueueEmitsProfile() const noexcept override { return emitsProfile_; }
  bool reportToProfiler() const noexcept override;
  void setAuxStreams(cudaStream_t*, int32_t) noexcept override {}
  void setPersistentCacheLimit(size_t) noexcept override {}
  bool setNvtxVerbosity(ProfilingVerbosity) noexcept override { return true; }

 private:
  bool Resolve(const PlanTensor& tensor, Shape* shape) const;
  bool Error(const std::string& message) const;

  Engine* engine_;
  DeviceMemory memory_;
  bool ownsMemory_ = false, userMemory_ = false, emitsProfile_ = true;
  std::string name_;
  IProfiler* profiler_ = nullptr;
  IErrorRecorder* recorder_ = nullptr;
  int32_t profile_ = -1;
  std::map<std::string, Shape> shapes_;  // of the inputs
  std::map<std::string, void*> addresses_;
  cudaEvent_t consumed_ = nullptr;
  std::atomic<bool> busy_{false};
};

class Inspector : public IEngineInspector, public VEngineInspectorStub {
 public:
  explicit Inspector(const Engine* engine) : engine_(engine) { mImpl = this; }
  IEngineInspector* getPImpl() noexcept override { return this; }
  bool setExecutionContext(const IExecutionContext* context) noexcept override {
    context_ = context;
    return true;
  }
  const IExecutionContext* getExecutionContext() const noexcept override { return context_; }
  const char* getLayerInformation(int32_t index,
                                  LayerInformationFormat format) const noexcept override;
  const char* getEngineInformation(LayerInformationFormat format) const noexcept override;
  void setErrorRecorder(IErrorRecorder*) noexcept override {}

 private:
  std::string LayerJson(const PlanLayer& layer, bool json) const;

  const Engine* engine_;
  const IExecutionContext* context_ = nullptr;
  mutable std::string text_;
};

class Refitter : public IRefitter, public VRefitterStub {
 public:
  Refitter(Engine* engine, ILogger* logger) : engine_(engine), logger_(logger) { mImpl = this; }
  IRefitter* getPImpl() noexcept { return this; }
  bool setNamedWeights(const char* name, Weights weights) noexcept override;
  bool refitCudaEngine() noexcept override;
  int32_t getMissingWeights(int32_t size, const char** names) noexcept override;
  int32_t getAllWeights(int32_t size, const char** names) noexcept override;
  ILogger* getLogger() const noexcept override { return logger_; }
  void setErrorRecorder(IErrorRecorder*) noexcept override {}
  bool setMaxThreads(int32_t) noexcept override { return true; }

 private:
  Engine* engine_;
  ILogger* logger_;
  std::map<std::string, float> set_;
};

}  // namespace fake

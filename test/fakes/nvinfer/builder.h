// Builder, its configuration and its profiles.
#pragma once

#include <memory>
#include <set>

#include "network.h"
#include "plan.h"

namespace fake {

class Profile : public IOptimizationProfile, public VOptimizationProfileStub {
 public:
  Profile() { mImpl = this; }
  bool setDimensions(const char* name, OptProfileSelector select,
                     DimsArgument dims) noexcept override;
  Dims getDimensions(const char* name, OptProfileSelector select) const noexcept override;
  bool setExtraMemoryTarget(float) noexcept override { return true; }
  bool isValid() const noexcept override;
  std::map<std::string, std::map<int, Shape>> shapes;  // by selector: min, opt, max
};

class TimingCache : public ITimingCache, public VTimingCacheStub {
 public:
  TimingCache() { mImpl = this; }
  IHostMemory* serialize() const noexcept override;
  bool combine(const ITimingCache& other, bool ignoreMismatch) noexcept override;
  bool reset() noexcept override;
  bool Load(const void* blob, size_t size);
  std::string device;
  std::map<std::string, std::string> entries;
};

class Config : public IBuilderConfig, public VBuilderConfigStub {
 public:
  explicit Config(ILogger* logger) : logger_(logger) { mImpl = this; }
  void setFlags(BuilderFlags value) noexcept override { flags = value; }
  BuilderFlags getFlags() const noexcept override { return flags; }
  void setFlag(BuilderFlag flag) noexcept override { flags |= 1U << static_cast<int>(flag); }
  void clearFlag(BuilderFlag flag) noexcept override { flags &= ~(1U << static_cast<int>(flag)); }
  bool getFlag(BuilderFlag flag) const noexcept override {
    return (flags & (1U << static_cast<int>(flag))) != 0;
  }
  int32_t addOptimizationProfile(const IOptimizationProfile* profile) noexcept override;
  int32_t getNbOptimizationProfiles() const noexcept override {
    return static_cast<int32_t>(profiles.size());
  }
#if FAKE_HAS_CALIBRATOR
  void setInt8Calibrator(IInt8Calibrator* value) noexcept override { calibrator = value; }
  IInt8Calibrator* getInt8Calibrator() const noexcept override { return calibrator; }
  bool setCalibrationProfile(const IOptimizationProfile* profile) noexcept override {
    calibrationProfile = static_cast<const Profile*>(profile);
    return true;
  }
  const IOptimizationProfile* getCalibrationProfile() noexcept override {
    return calibrationProfile;
  }
  IInt8Calibrator* calibrator = nullptr;
  void setQuantizationFlags(QuantizationFlags) noexcept override {}
  void setQuantizationFlag(QuantizationFlag) noexcept override {}
#endif
#if FAKE_HAS_MONITOR
  void setProgressMonitor(IProgressMonitor* value) noexcept override { monitor = value; }
  IProgressMonitor* getProgressMonitor() const noexcept override { return monitor; }
  IProgressMonitor* monitor = nullptr;
#endif
  void setMemoryPoolLimit(MemoryPoolType pool, size_t bytes) noexcept override {
    pools[static_cast<int>(pool)] = bytes;
  }
  size_t getMemoryPoolLimit(MemoryPoolType pool) const noexcept override;
  void setMaxWorkspaceSize(size_t bytes) noexcept { pools[0] = bytes; }
  void setBuilderOptimizationLevel(int32_t level) noexcept override { optimization = level; }
  int32_t getBuilderOptimizationLevel() const noexcept override { return optimization; }
  void setHardwareCompatibilityLevel(HardwareCompatibilityLevel level) noexcept override {
    hardware = level;
  }
  HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override {
    return hardware;
  }
  void setProfilingVerbosity(ProfilingVerbosity value) noexcept override { verbosity = value; }
  ProfilingVerbosity getProfilingVerbosity() const noexcept override { return verbosity; }
#if NV_TENSORRT_MAJOR >= 11
  bool setMaxAuxStreams(int32_t count) noexcept override { return (auxStreams = count) >= 0; }
#else
  void setMaxAuxStreams(int32_t count) noexcept override { auxStreams = count; }
#endif
  int32_t getMaxAuxStreams() const noexcept override { return auxStreams; }
  bool setTacticSources(TacticSources value) noexcept override {
    tacticSources = value;
    return true;
  }
  TacticSources getTacticSources() const noexcept override { return tacticSources; }
  void setAvgTimingIterations(int32_t count) noexcept override { averages = count; }
  int32_t getAvgTimingIterations() const noexcept override { return averages; }
  void setEngineCapability(EngineCapability) noexcept override {}
  void setPreviewFeature(PreviewFeature feature, bool on) noexcept override {
    if (on) previews.insert(static_cast<int>(feature));
    if (!on) previews.erase(static_cast<int>(feature));
  }
  bool getPreviewFeature(PreviewFeature feature) const noexcept override {
    return previews.count(static_cast<int>(feature)) != 0;
  }
  void setProfileStream(const cudaStream_t stream) noexcept override { stream_ = stream; }
  cudaStream_t getProfileStream() const noexcept override { return stream_; }
  void setDefaultDeviceType(DeviceType) noexcept override {}
  void setDLACore(int32_t) noexcept override {}
  ITimingCache* createTimingCache(const void* blob, size_t size) const noexcept override;
  bool setTimingCache(const ITimingCache& cache, bool ignoreMismatch) noexcept override;
  const ITimingCache* getTimingCache() const noexcept override { return timingCache; }

  BuilderFlags flags = 1U << static_cast<int>(BuilderFlag::kTF32);  // on by default
  std::vector<const Profile*> profiles;
  const Profile* calibrationProfile = nullptr;
  std::map<int, size_t> pools;
  std::set<int> previews;
  int32_t optimization = 3, auxStreams = -1, averages = 1;
  HardwareCompatibilityLevel hardware = HardwareCompatibilityLevel::kNONE;
  ProfilingVerbosity verbosity = ProfilingVerbosity::kLAYER_NAMES_ONLY;
  TacticSources tacticSources = 0;
  TimingCache* timingCache = nullptr;

 private:
  ILogger* logger_;
  cudaStream_t stream_ = nullptr;
};

// ground.cc: a build that is under way.
class Standing {
 public:
  Standing();
  ~Standing();
  Standing(const Standing&) = delete;
  void For(long long milliseconds) const;
};

class Builder : public IBuilder, public VBuilderStub {
 public:
  Builder(ILogger* logger, const Cuda* cuda) : logger_(logger), cuda_(cuda) { mImpl = this; }
  bool platformHasFastFp16() const noexcept { return true; }
  bool platformHasFastInt8() const noexcept { return true; }
  bool platformHasTf32() const noexcept { return true; }
  int32_t getNbDLACores() const noexcept override { return 0; }
  int32_t getMaxDLABatchSize() const noexcept override { return 0; }
  IBuilderConfig* createBuilderConfig() noexcept override { return new Config(logger_); }
  INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept override;
  IOptimizationProfile* createOptimizationProfile() noexcept override;
  void setErrorRecorder(IErrorRecorder* value) noexcept override { recorder_ = value; }
  IErrorRecorder* getErrorRecorder() const noexcept override { return recorder_; }
  void setGpuAllocator(IGpuAllocator*) noexcept override {}
  void reset() noexcept override {}
  IHostMemory* buildSerializedNetwork(INetworkDefinition& network,
                                      IBuilderConfig& config) noexcept override;
  bool isNetworkSupported(const INetworkDefinition&,
                          const IBuilderConfig&) const noexcept override {
    return true;
  }
  ILogger* getLogger() const noexcept override { return logger_; }
  bool setMaxThreads(int32_t count) noexcept override {
    threads_ = count;
    return count > 0;
  }
  int32_t getMaxThreads() const noexcept override { return threads_; }

 private:
  bool CheckProfiles(const Network& network, const Config& config);
  bool CheckRanges(Network& network, Config& config, bool calibrated);
  bool RunPhases(const Network& network, Config& config, const Standing& standing);
  Plan MakePlan(Network& network, Config& config, const std::map<std::string, float>& scales);

  ILogger* logger_;
  const Cuda* cuda_;
  IErrorRecorder* recorder_ = nullptr;
  int32_t threads_ = 1;
  std::vector<std::unique_ptr<Profile>> profiles_;
};

// report.cc: appends a line of JSON to the file that the switch buildReport names.
void ReportBuild(const Network& network, const Config& config, int device);
// report.cc: makes the file that the switch finished names, at the end of a build.
void ReportFinished();

// calibrate.cc: false when the build must end.
bool Calibrate(Network& network, Config& config, const Cuda& cuda, ILogger* logger,
               std::map<std::string, float>* scales);

}  // namespace fake

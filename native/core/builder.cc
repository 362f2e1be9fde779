#include "core/builder.h"

#include <chrono>

#include "core/builder_config.h"
#include "core/cuda/context.h"
#include "core/monitor.h"
#include "core/timing_cache.h"

namespace trtn {
namespace {

using nvinfer1::IBuilder;
using nvinfer1::IBuilderConfig;
using nvinfer1::INetworkDefinition;

constexpr const char* kNoDeviceRemedy =
    "Run on a machine with an NVIDIA GPU and driver, or build ahead of time with TensorRT-RTX and "
    "--computeCapabilities=80,89,120.";

// CUDA's error 35 (the driver is too old for the runtime) is also what it says when there is none;
// 100 means no device.
bool SaysNoDevice(const CallLog& log) {
  return log.Says("error: 35") || log.Says("rror 35") || log.Says("error: 100") ||
         log.Says("rror 100");
}

Error LibraryFailure(const CallLog& log, const std::string& fallback) {
  std::string words = log.FirstError();
  // What stops version 8 without a GPU is only a warning, the last one.
  if (words.empty() && !log.Lines().empty()) words = log.Lines().back().text;
  const std::string message = words.empty() ? fallback : fallback + ": " + words;
  if (SaysNoDevice(log)) return Error("DEVICE_NOT_FOUND", message, kNoDeviceRemedy);
  return Error("BUILD_FAILED", message);
}

// The objects of one call in the order they depend on each other: what TensorRT keeps by pointer is
// declared before what keeps it, so that destruction runs the other way.
class Construction {
 public:
  Construction(const BuildOptions& options, CallControl& control, CallLog& log, BuildResult& result)
      : options_(options), control_(control), log_(log), result_(result), lease_(log) {}

  void Open() {
    library_ = TensorRtLibrary::Open(options_.library);
    result_.library_version = library_->version();
    control_.ThrowIfCancelled();
    // The library builds for the GPU whose context its thread has.
    if (options_.device) cuda::PrimaryContext::Of(*options_.device).MakeCurrent();
    builder_ = library_->CreateBuilder(lease_.logger());
    if (builder_ == nullptr) throw LibraryFailure(log_, "TensorRT did not create a builder");
  }

  void Parse() {
    Open();
    network_.reset(builder_->createNetworkV2(kNetworkFlags));
    if (network_ == nullptr) throw LibraryFailure(log_, "TensorRT did not create a network");
    ParseResult parsed = ParseModel(*library_, options_.model, *network_, lease_.logger());
    parser_ = std::move(parsed.parser);
    control_.ThrowIfCancelled();
    if (!parsed.errors.empty()) {
      result_.parser_errors = std::move(parsed.errors);
      throw Error("PARSE", result_.parser_errors.front().description);
    }
    ApplyIoTypes(options_.io_types, *network_);
    result_.network = DescribeNetwork(*network_, options_.describe_layers);
  }

  void Build() {
    CheckProfiles(result_.network.inputs, options_.profiles);
#if TRTN_HAS_PROGRESS_MONITOR
    BuildMonitor monitor(control_);
#endif
    std::optional<TimingCache> timings;
    std::optional<Calibration> calibration;
    if (options_.calibrator) calibration.emplace(*options_.calibrator, control_);
    const Owned<IBuilderConfig> config(builder_->createBuilderConfig());
    if (config == nullptr) throw LibraryFailure(log_, "TensorRT did not create a configuration");
#if TRTN_HAS_PROGRESS_MONITOR
    config->setProgressMonitor(&monitor);
#endif
    Configure(options_.config, *config);
    if (options_.timing_cache) timings.emplace(*options_.timing_cache, *config);
    if (options_.ranges) {
      result_.ranges = ApplyDynamicRanges(*options_.ranges, options_.float_tensors, *network_);
      if (options_.strict_ranges && !result_.ranges->missing.empty()) {
        throw Error("TABLE_INCOMPLETE", "Tensors lack a range");
      }
    }
    result_.unused_layer_types = ApplyLayerTypes(options_.layer_types, *network_);
    AddProfiles(*builder_, *config, result_.network.inputs, options_.profiles);
    if (calibration) calibration->Attach(*builder_, result_.network, *config);
    result_.plan.reset(builder_->buildSerializedNetwork(*network_, *config));
    control_.ThrowIfCancelled();
    if (calibration) result_.calibration = calibration->Finish();
    if (control_.fulfilled.load()) {
      // What came after the calibration is of no interest: stopped, failed, or a plan after all.
      if (timings && result_.plan != nullptr) Keep(*timings);
      result_.plan.reset();
      return;
    }
    if (result_.plan == nullptr || result_.plan->size() == 0) {
      throw LibraryFailure(log_, "TensorRT could not build the engine");
    }
    if (timings) Keep(*timings);
  }

  void CombineTimings() {
    Open();
    const Owned<IBuilderConfig> config(builder_->createBuilderConfig());
    if (config == nullptr) throw LibraryFailure(log_, "TensorRT did not create a configuration");
    TimingCache timings(*options_.timing_cache, *config);
    timings.Combine(*options_.more_timings, *config);
    Keep(timings);
  }

 private:
  void Keep(const TimingCache& timings) {
    result_.timing_cache = timings.Bytes();
    result_.timing_cache_ignored = timings.ignored();
  }

  const BuildOptions& options_;
  CallControl& control_;
  CallLog& log_;
  BuildResult& result_;
  LoggerLease lease_;
  std::shared_ptr<const TensorRtLibrary> library_;
  Owned<IBuilder> builder_;
  Owned<INetworkDefinition> network_;
  Owned<nvonnxparser::IParser> parser_;
};

template <typename Steps>
BuildResult Run(const BuildOptions& options, CallControl& control, Steps steps) {
  const auto start = std::chrono::steady_clock::now();
  BuildResult result;
  CallLog log;
  try {
    Construction construction(options, control, log, result);
    steps(construction);
  } catch (const Error& error) {
    result.failure = error;
  } catch (const std::bad_alloc&) {
    result.failure = Error("BUILD_FAILED", "Out of memory");
  } catch (const std::exception& error) {
    // TensorRT's parser of version 8 is not noexcept.
    result.failure = Error("BUILD_FAILED", error.what());
  }
  if (result.failure) result.plan.reset();
  result.layer_report = log.LayerReport();
  result.log = log.Lines();
  result.elapsed_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

BuildResult Build(const BuildOptions& options, CallControl& control) {
  return Run(options, control, [](Construction& construction) {
    construction.Parse();
    construction.Build();
  });
}

BuildResult CombineTimings(const BuildOptions& options, CallControl& control) {
  return Run(options, control, [](Construction& construction) { construction.CombineTimings(); });
}

BuildResult Describe(const BuildOptions& options, CallControl& control) {
  return Run(options, control, [](Construction& construction) { construction.Parse(); });
}

}  // namespace trtn

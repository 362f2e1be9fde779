#include "core/builder.h"

#include <algorithm>
#include <chrono>

#include "core/monitor.h"

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

nvinfer1::MemoryPoolType PoolType(const std::string& name) {
  using nvinfer1::MemoryPoolType;
  if (name == "workspace") return MemoryPoolType::kWORKSPACE;
  if (name == "dlaSRAM") return MemoryPoolType::kDLA_MANAGED_SRAM;
  if (name == "dlaLocalDRAM") return MemoryPoolType::kDLA_LOCAL_DRAM;
  if (name == "dlaGlobalDRAM") return MemoryPoolType::kDLA_GLOBAL_DRAM;
#if NV_TENSORRT_MAJOR != 8
  if (name == "tacticSharedMem") return MemoryPoolType::kTACTIC_SHARED_MEMORY;
#endif
  throw Error("BUILD_FAILED", "This TensorRT has no memory pool named " + name);
}

nvinfer1::ProfilingVerbosity ProfilingVerbosityOf(Verbosity verbosity) {
  using nvinfer1::ProfilingVerbosity;
  switch (verbosity) {
    case Verbosity::kNone:
      return ProfilingVerbosity::kNONE;
    case Verbosity::kLayerNamesOnly:
      return ProfilingVerbosity::kLAYER_NAMES_ONLY;
    case Verbosity::kDetailed:
      break;
  }
  return ProfilingVerbosity::kDETAILED;
}

void SetComputeCapabilities(const std::vector<int>& capabilities, IBuilderConfig& config) {
  if (capabilities.empty()) return;
#if TRTN_HAS_COMPUTE_CAPABILITIES
  const auto refuse = [](const std::string& what) {
    throw Error("TARGET_UNSUPPORTED", "TensorRT-RTX cannot build for compute capability " + what,
                "Choose among 75, 80, 86, 89, 120 and 121; a GPU of compute capability 9.0 or 10.0 "
                "needs TensorRT 10 or 11.");
  };
  const auto count = static_cast<int32_t>(capabilities.size());
  if (!config.setNbComputeCapabilities(count)) refuse("lists of " + std::to_string(count));
  for (int32_t i = 0; i < count; ++i) {
    const int capability = capabilities[static_cast<size_t>(i)];
    if (!config.setComputeCapability(static_cast<nvinfer1::ComputeCapability>(capability), i)) {
      refuse(std::to_string(capability));
    }
  }
#else
  (void)config;
  throw Error("TARGET_UNSUPPORTED",
              std::string("computeCapabilities belongs to TensorRT-RTX; ") + kFamily +
                  " builds for the GPU it runs on",
              "Leave computeCapabilities out, or use TensorRT-RTX.");
#endif
}

void Configure(const BuildOptions& options, const NetworkInfo& network, IBuilder& builder,
               IBuilderConfig& config) {
  SetComputeCapabilities(options.compute_capabilities, config);
  for (const auto& [name, bytes] : options.memory_pools) {
    config.setMemoryPoolLimit(PoolType(name), bytes);
  }
  if (options.optimization_level) config.setBuilderOptimizationLevel(*options.optimization_level);
  config.setProfilingVerbosity(ProfilingVerbosityOf(options.verbosity));
  AddProfiles(builder, config, network.inputs, options.profiles);
}

// The objects of one call in the order they depend on each other: what TensorRT keeps by pointer is
// declared before what keeps it, so that destruction runs the other way.
class Construction {
 public:
  Construction(const BuildOptions& options, CallControl& control, CallLog& log, BuildResult& result)
      : options_(options), control_(control), log_(log), result_(result), lease_(log) {}

  void Parse() {
    library_ = TensorRtLibrary::Open(options_.library);
    result_.library_version = library_->version();
    control_.ThrowIfCancelled();
    builder_ = library_->CreateBuilder(lease_.logger());
    if (builder_ == nullptr) throw LibraryFailure(log_, "TensorRT did not create a builder");
    network_.reset(builder_->createNetworkV2(kNetworkFlags));
    if (network_ == nullptr) throw LibraryFailure(log_, "TensorRT did not create a network");
    ParseResult parsed = ParseModel(*library_, options_.model, *network_, lease_.logger());
    parser_ = std::move(parsed.parser);
    control_.ThrowIfCancelled();
    if (!parsed.errors.empty()) {
      result_.parser_errors = std::move(parsed.errors);
      throw Error("PARSE", result_.parser_errors.front().description);
    }
    result_.network = DescribeNetwork(*network_, options_.describe_layers);
  }

  void Build() {
    CheckProfiles(result_.network.inputs, options_.profiles);
#if TRTN_HAS_PROGRESS_MONITOR
    BuildMonitor monitor(control_);
#endif
    const Owned<IBuilderConfig> config(builder_->createBuilderConfig());
    if (config == nullptr) throw LibraryFailure(log_, "TensorRT did not create a configuration");
#if TRTN_HAS_PROGRESS_MONITOR
    config->setProgressMonitor(&monitor);
#endif
    Configure(options_, result_.network, *builder_, *config);
    result_.plan.reset(builder_->buildSerializedNetwork(*network_, *config));
    control_.ThrowIfCancelled();
    if (result_.plan == nullptr || result_.plan->size() == 0) {
      throw LibraryFailure(log_, "TensorRT could not build the engine");
    }
  }

 private:
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

BuildResult Describe(const BuildOptions& options, CallControl& control) {
  return Run(options, control, [](Construction& construction) { construction.Parse(); });
}

}  // namespace trtn

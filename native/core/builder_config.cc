#include "core/builder_config.h"

#include "core/error.h"

namespace trtn {
namespace {

using nvinfer1::IBuilderConfig;

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

// The flags of each family under the names of their enumerators.
std::optional<nvinfer1::BuilderFlag> FlagOf(const std::string& name) {
  using nvinfer1::BuilderFlag;
  if (name == "refit") return BuilderFlag::kREFIT;
  if (name == "sparse_weights") return BuilderFlag::kSPARSE_WEIGHTS;
  if (name == "direct_io") return BuilderFlag::kDIRECT_IO;
  if (name == "version_compatible") return BuilderFlag::kVERSION_COMPATIBLE;
  if (name == "exclude_lean_runtime") return BuilderFlag::kEXCLUDE_LEAN_RUNTIME;
#if TRTN_HAS_LAYER_PRECISION
  if (name == "int8") return BuilderFlag::kINT8;
  if (name == "fp16") return BuilderFlag::kFP16;
  if (name == "obey_precision_constraints") return BuilderFlag::kOBEY_PRECISION_CONSTRAINTS;
  if (name == "prefer_precision_constraints") return BuilderFlag::kPREFER_PRECISION_CONSTRAINTS;
#endif
#if NV_TENSORRT_MAJOR == 10
  if (name == "bf16") return BuilderFlag::kBF16;
#endif
#if NV_TENSORRT_MAJOR == 8
  if (name == "enable_tactic_heuristic") return BuilderFlag::kENABLE_TACTIC_HEURISTIC;
#else
  if (name == "strip_plan") return BuilderFlag::kSTRIP_PLAN;
#endif
  return std::nullopt;
}

void SetFlags(const ConfigOptions& options, IBuilderConfig& config) {
  using nvinfer1::BuilderFlag;
  for (const std::string& name : options.flags) {
    const auto flag = FlagOf(name);
    if (!flag) {
      throw Error("OPTION_UNSUPPORTED", std::string(kFamily) + " has no builder flag " + name);
    }
    config.setFlag(*flag);
  }
  if (!options.tf32) config.clearFlag(BuilderFlag::kTF32);
#if NV_TENSORRT_MAJOR == 8
  // Later versions always do: without it two contexts of a dynamic engine cannot share a profile.
  config.setPreviewFeature(nvinfer1::PreviewFeature::kPROFILE_SHARING_0806, true);
#endif
}

std::optional<nvinfer1::TacticSource> TacticSourceOf(const std::string& name) {
  using nvinfer1::TacticSource;
#if TRTN_HAS_LAYER_PRECISION
  if (name == "CUBLAS") return TacticSource::kCUBLAS;
  if (name == "CUBLAS_LT") return TacticSource::kCUBLAS_LT;
  if (name == "CUDNN") return TacticSource::kCUDNN;
#endif
  if (name == "EDGE_MASK_CONVOLUTIONS") return TacticSource::kEDGE_MASK_CONVOLUTIONS;
  if (name == "JIT_CONVOLUTIONS") return TacticSource::kJIT_CONVOLUTIONS;
  return std::nullopt;
}

void SetTacticSources(const ConfigOptions& options, IBuilderConfig& config) {
  if (options.tactic_sources.empty()) return;
  nvinfer1::TacticSources sources = config.getTacticSources();
  for (const auto& [name, on] : options.tactic_sources) {
    const auto source = TacticSourceOf(name);
    // Turning off what is not there is what was asked for.
    if (!source && !on) continue;
    if (!source) {
      throw Error("OPTION_UNSUPPORTED", std::string(kFamily) + " has no tactic source " + name);
    }
    const nvinfer1::TacticSources bit = 1U << static_cast<uint32_t>(*source);
    sources = on ? sources | bit : sources & ~bit;
  }
  if (!config.setTacticSources(sources)) {
    throw Error("OPTION_UNSUPPORTED", "TensorRT refuses these tactic sources");
  }
}

void SetHardwareCompatibility(const std::string& name, IBuilderConfig& config) {
  using nvinfer1::HardwareCompatibilityLevel;
  if (name.empty()) return;
  auto level = HardwareCompatibilityLevel::kNONE;
  bool known = name == "none";
  if (name == "ampere+") {
    level = HardwareCompatibilityLevel::kAMPERE_PLUS;
    known = true;
  }
#if NV_TENSORRT_MAJOR != 8
  if (name == "sameComputeCapability") {
    level = HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY;
    known = true;
  }
#endif
  if (known) config.setHardwareCompatibilityLevel(level);
  // Early versions of a family do not know every level of its headers.
  if (!known || config.getHardwareCompatibilityLevel() != level) {
    throw Error("OPTION_UNSUPPORTED", "This TensorRT has no hardware compatibility level " + name);
  }
}

}  // namespace

void Configure(const ConfigOptions& options, IBuilderConfig& config) {
  SetComputeCapabilities(options.compute_capabilities, config);
  for (const auto& [name, bytes] : options.memory_pools) {
    config.setMemoryPoolLimit(PoolType(name), bytes);
  }
  if (options.optimization_level) config.setBuilderOptimizationLevel(*options.optimization_level);
  SetFlags(options, config);
  SetHardwareCompatibility(options.hardware_compatibility, config);
  SetTacticSources(options, config);
  if (options.max_aux_streams) config.setMaxAuxStreams(*options.max_aux_streams);
  if (options.timing_iterations) config.setAvgTimingIterations(*options.timing_iterations);
  config.setProfilingVerbosity(ProfilingVerbosityOf(options.verbosity));
}

}  // namespace trtn

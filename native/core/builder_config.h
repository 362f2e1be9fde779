#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/tensorrt.h"

namespace trtn {

enum class Verbosity { kNone, kLayerNamesOnly, kDetailed };

// What a builder configuration is told, whatever the network is.
struct ConfigOptions {
  std::vector<int> compute_capabilities;  // 80 for 8.0; empty: the GPU of this machine
  std::vector<std::pair<std::string, uint64_t>> memory_pools;  // trtexec's names, bytes
  std::optional<int> optimization_level;
  Verbosity verbosity = Verbosity::kDetailed;
  std::vector<std::string> flags;  // names of BuilderFlag in lower case: int8, fp16, strip_plan, …
  bool tf32 = true;
  std::string hardware_compatibility;  // trtexec's names; empty: this GPU only
  std::optional<int> max_aux_streams;
  std::optional<int> timing_iterations;  // kernels are timed this often and averaged
  std::vector<std::pair<std::string, bool>> tactic_sources;  // turned on or off
};

// Throws Error TARGET_UNSUPPORTED for compute capabilities that the library refuses, and
// OPTION_UNSUPPORTED for what this family of headers does not have.
void Configure(const ConfigOptions& options, nvinfer1::IBuilderConfig& config);

}  // namespace trtn

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/call_control.h"
#include "core/logger.h"
#include "core/network.h"
#include "core/parser.h"
#include "core/profiles.h"
#include "core/tensorrt.h"
#include "core/tensorrt_library.h"

namespace trtn {

enum class Verbosity { kNone, kLayerNamesOnly, kDetailed };

struct BuildOptions {
  LibraryPaths library;
  ModelSource model;
  std::vector<Profile> profiles;
  std::vector<int> compute_capabilities;  // 80 for 8.0; empty: the GPU of this machine
  std::vector<std::pair<std::string, uint64_t>> memory_pools;  // trtexec's names, bytes
  std::optional<int> optimization_level;
  Verbosity verbosity = Verbosity::kDetailed;
  bool describe_layers = true;  // of the network as parsed
};

// What a build gives, as far as it came. The plan is the library's own memory, not copied.
struct BuildResult {
  Owned<nvinfer1::IHostMemory> plan;
  std::optional<Error> failure;
  std::vector<ParserError> parser_errors;
  NetworkInfo network;
  std::string layer_report;
  std::vector<LogLine> log;
  int library_version = 0;
  double elapsed_ms = 0.0;
};

// Parses and builds on the calling thread, which this blocks for as long as TensorRT takes. Throws
// nothing: failures are in the result, with what the library said.
BuildResult Build(const BuildOptions& options, CallControl& control);

// Parses only.
BuildResult Describe(const BuildOptions& options, CallControl& control);

}  // namespace trtn

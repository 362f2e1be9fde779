#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/builder_config.h"
#include "core/calibration/calibrator.h"
#include "core/call_control.h"
#include "core/dynamic_ranges.h"
#include "core/layer_types.h"
#include "core/logger.h"
#include "core/network.h"
#include "core/parser.h"
#include "core/profiles.h"
#include "core/tensorrt.h"
#include "core/tensorrt_library.h"

namespace trtn {

struct BuildOptions {
  LibraryPaths library;
  ModelSource model;
  std::vector<Profile> profiles;
  ConfigOptions config;
  std::optional<Magnitudes> ranges;  // of tensors, for families that quantise while building
  std::vector<std::string> float_tensors;  // need no range
  bool strict_ranges = false;        // a tensor without one ends the build
  LayerTypes layer_types;
  IoTypes io_types;
  std::optional<std::vector<char>> timing_cache;  // may be empty
  std::optional<std::vector<char>> more_timings;  // combined into it: `CombineTimings`
  std::optional<int> device;  // the GPU that is built for; by default the library's choice
  bool describe_layers = true;  // of the network as parsed
  std::optional<CalibratorOptions> calibrator;
};

// What a build gives, as far as it came. The plan is the library's own memory, not copied.
struct BuildResult {
  Owned<nvinfer1::IHostMemory> plan;
  std::optional<Error> failure;
  std::vector<ParserError> parser_errors;
  NetworkInfo network;
  std::optional<CalibrationResult> calibration;
  std::optional<RangeReport> ranges;  // when ranges were given
  std::vector<std::string> unused_layer_types;  // names that match no layer
  std::optional<std::vector<char>> timing_cache;
  bool timing_cache_ignored = false;  // it was damaged, or of another GPU or version
  std::string layer_report;
  std::vector<LogLine> log;
  int library_version = 0;
  double elapsed_ms = 0.0;
};

// Parses and builds on the calling thread, which this blocks for as long as TensorRT takes. Throws
// nothing: failures are in the result, with what the library said.
BuildResult Build(const BuildOptions& options, CallControl& control);

// Joins two timing caches: no model is read.
BuildResult CombineTimings(const BuildOptions& options, CallControl& control);

// Parses only.
BuildResult Describe(const BuildOptions& options, CallControl& control);

}  // namespace trtn

// Builds with the real TensorRT-RTX library, under the sanitizers.

#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "core/builder.h"

namespace trtn {
namespace {

BuildOptions Options() {
  const test::Places& places = test::GetPlaces();
  BuildOptions options;
  options.library = {places.infer_library, places.parser_library};
  options.model.path = places.model;
  options.profiles = {{{"input", {1, 3, 32, 32}, {4, 3, 32, 32}, {8, 3, 32, 32}}}};
  options.config.compute_capabilities = {80, 89, 120};
  return options;
}

}  // namespace

TEST(BuildGivesAPlanAndItsReport) {
  BuildOptions options = Options();
  options.config.memory_pools = {{"workspace", 1U << 28}};
  options.config.optimization_level = 1;
  std::atomic<int> reports{0};
  CallControl control;
  control.on_phase = [&](const PhaseReport&) { ++reports; };
  const BuildResult result = Build(options, control);
  CHECK_EQ(result.failure.has_value(), false);
  CHECK_EQ(result.plan->size() > 100000, true);
  CHECK_EQ(result.network.layers.size(), size_t{30});
  CHECK_CONTAINS(result.layer_report, "/conv1/Conv");
  CHECK_EQ(result.library_version, 10701);
  CHECK_EQ(reports.load() > 3, true);
}

TEST(BuildsRunBesideEachOther) {
  std::vector<std::thread> threads;
  std::atomic<int> built{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      CallControl control;
      const BuildResult result = Build(Options(), control);
      if (!result.failure && result.plan != nullptr) ++built;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(built.load(), 4);
}

TEST(AModelInMemoryIsTheSame) {
  std::ifstream file(test::GetPlaces().model, std::ios::binary);
  BuildOptions options = Options();
  options.model.path.clear();
  options.model.bytes.assign(std::istreambuf_iterator<char>(file), {});
  options.model.from_bytes = true;
  CallControl control;
  CHECK_EQ(Describe(options, control).network.layers.size(), size_t{30});
  options.model.bytes.resize(options.model.bytes.size() / 2);
  const BuildResult cut = Describe(options, control);
  CHECK_EQ(cut.failure->code(), "PARSE");
  CHECK_EQ(cut.parser_errors.front().code_name, "MODEL_DESERIALIZE_FAILED");
  options.model.bytes.clear();
  CHECK_EQ(Describe(options, control).parser_errors.front().code_name, "EMPTY_GRAPH");
}

TEST(DamagedModelsAreRefusedOrTaken) {
  std::ifstream file(test::GetPlaces().model, std::ios::binary);
  const std::vector<uint8_t> whole{std::istreambuf_iterator<char>(file), {}};
  BuildOptions options = Options();
  options.model.path.clear();
  options.model.from_bytes = true;
  uint32_t random = 1;
  for (int i = 0; i < 60; ++i) {
    options.model.bytes = whole;
    for (int k = 0; k < 8; ++k) {
      random = random * 1664525U + 1013904223U;
      options.model.bytes[random % whole.size()] = static_cast<uint8_t>(random >> 24);
    }
    CallControl control;
    const BuildResult result = Describe(options, control);
    CHECK_EQ(result.failure.has_value(), result.network.inputs.empty());
  }
}

TEST(ACancelledBuildStops) {
  CallControl control;
  control.on_phase = [&](const PhaseReport&) { control.cancelled = true; };
  const BuildResult result = Build(Options(), control);
  CHECK_EQ(result.failure->code(), "CANCELLED");
  CHECK_EQ(result.plan == nullptr, true);
  CallControl before;
  before.cancelled = true;
  CHECK_EQ(Build(Options(), before).failure->code(), "CANCELLED");
}

TEST(RefusalsHaveTheirCodes) {
  CallControl control;
  BuildOptions options = Options();
  options.config.compute_capabilities = {90};
  CHECK_EQ(Build(options, control).failure->code(), "TARGET_UNSUPPORTED");
  options = Options();
  options.profiles.clear();
  CHECK_EQ(Build(options, control).failure->code(), "PROFILE_INVALID");
  options = Options();
  options.config.memory_pools = {{"lake", 1}};
  CHECK_EQ(Build(options, control).failure->code(), "BUILD_FAILED");
  options = Options();
  options.model.path = "/nonexistent/model.onnx";
  CHECK_EQ(Build(options, control).failure->code(), "PARSE");
}

}  // namespace trtn

// What a build was given, as one line of JSON for each build: tests read it, engines do not.
#include <cstdio>

#include "builder.h"

namespace fake {
namespace {

std::string JsonText(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string NumberText(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(value));
  return text;
}

// Names by bit; the numbers differ between versions.
std::string FlagNames(const Config& config) {
  const std::pair<BuilderFlag, const char*> known[] = {
#if NV_TENSORRT_MAJOR <= 10
      {BuilderFlag::kFP16, "fp16"},
      {BuilderFlag::kINT8, "int8"},
      {BuilderFlag::kOBEY_PRECISION_CONSTRAINTS, "obey_precision_constraints"},
      {BuilderFlag::kPREFER_PRECISION_CONSTRAINTS, "prefer_precision_constraints"},
#endif
#if NV_TENSORRT_MAJOR == 10
      {BuilderFlag::kBF16, "bf16"},
#endif
#if NV_TENSORRT_MAJOR >= 10
      {BuilderFlag::kSTRIP_PLAN, "strip_plan"},
#else
      {BuilderFlag::kENABLE_TACTIC_HEURISTIC, "enable_tactic_heuristic"},
#endif
      {BuilderFlag::kTF32, "tf32"},
      {BuilderFlag::kREFIT, "refit"},
      {BuilderFlag::kSPARSE_WEIGHTS, "sparse_weights"},
      {BuilderFlag::kDIRECT_IO, "direct_io"},
      {BuilderFlag::kVERSION_COMPATIBLE, "version_compatible"},
      {BuilderFlag::kEXCLUDE_LEAN_RUNTIME, "exclude_lean_runtime"}};
  std::string out;
  for (const auto& [flag, name] : known) {
    if (config.getFlag(flag)) out += (out.empty() ? "" : ",") + JsonText(name);
  }
  return "[" + out + "]";
}

void AddItem(std::string& list, const std::string& item) {
  if (!list.empty()) list += ",";
  list += item;
}

std::string TensorsText(const std::vector<Tensor*>& tensors) {
  std::string out;
  for (const Tensor* tensor : tensors) {
    AddItem(out, JsonText(tensor->name) + ":{\"type\":" + JsonText(TypeName(tensor->type)) +
                 ",\"formats\":" + std::to_string(tensor->formats) + "}");
  }
  return "{" + out + "}";
}

}  // namespace

void ReportBuild(const Network& network, const Config& config, int device) {
  const std::string path = OptionText("buildReport", "");
  if (path.empty()) return;
  std::string ranges, precisions, types, pools;
  for (const Tensor* tensor : network.inputs) {
    if (tensor->rangeSet) {
      AddItem(ranges, JsonText(tensor->name) + ":[" + NumberText(tensor->rangeMin) + "," +
                      NumberText(tensor->rangeMax) + "]");
    }
  }
  for (const LayerData* layer : network.layers) {
    for (const Tensor* tensor : layer->outputs) {
      if (!tensor->rangeSet) continue;
      AddItem(ranges, JsonText(tensor->name) + ":[" + NumberText(tensor->rangeMin) + "," +
                      NumberText(tensor->rangeMax) + "]");
    }
    if (layer->precisionSet) {
      AddItem(precisions, JsonText(layer->name) + ":" + JsonText(TypeName(layer->precision)));
    }
    if (layer->outputTypeSet && !layer->outputs.empty()) {
      AddItem(types, JsonText(layer->name) + ":" + JsonText(TypeName(layer->outputs[0]->type)));
    }
  }
  for (const auto& [pool, bytes] : config.pools) {
    AddItem(pools, "\"" + std::to_string(pool) + "\":" + std::to_string(bytes));
  }
  std::string previews;
  for (const int feature : config.previews) AddItem(previews, std::to_string(feature));
  const std::string line =
      "{\"flags\":" + FlagNames(config) + ",\"ranges\":{" + ranges + "},\"precisions\":{" + precisions +
      "},\"outputTypes\":{" + types + "},\"pools\":{" + pools + "},\"previews\":[" + previews +
      "],\"optimization\":" + std::to_string(config.optimization) +
      ",\"auxStreams\":" + std::to_string(config.auxStreams) +
      ",\"hardware\":" + std::to_string(static_cast<int>(config.hardware)) +
      ",\"verbosity\":" + std::to_string(static_cast<int>(config.verbosity)) +
      ",\"tacticSources\":" + std::to_string(config.tacticSources) +
      ",\"averages\":" + std::to_string(config.averages) +
      ",\"profiles\":" + std::to_string(config.profiles.size()) +
      ",\"timingEntries\":" +
      std::to_string(config.timingCache == nullptr
                         ? -1
                         : static_cast<int>(config.timingCache->entries.size())) +
      ",\"device\":" + std::to_string(device) + ",\"inputs\":" + TensorsText(network.inputs) +
      ",\"outputs\":" + TensorsText(network.outputs) + "}\n";
  if (std::FILE* file = std::fopen(path.c_str(), "a")) {
    std::fputs(line.c_str(), file);
    std::fclose(file);
  }
}

void ReportFinished() {
  const std::string path = OptionText("finished", "");
  if (path.empty()) return;
  if (std::FILE* file = std::fopen(path.c_str(), "w")) std::fclose(file);
}

}  // namespace fake

#include "core/layer_types.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/network.h"

namespace trtn {
namespace {

using nvinfer1::DataType;
using nvinfer1::INetworkDefinition;
using nvinfer1::ITensor;

// Whether `text` from `t` on is what `pattern` from `p` on describes.
bool Matches(const std::string& pattern, const std::string& text, size_t p = 0, size_t t = 0) {
  for (; p < pattern.size(); ++p, ++t) {
    if (pattern[p] != '*') {
      if (t >= text.size() || text[t] != pattern[p]) return false;
      continue;
    }
    // Trailing stars match everything; otherwise the next literal is looked for.
    const size_t next = pattern.find_first_not_of('*', p);
    if (next == std::string::npos) return true;
    for (size_t at = t; at < text.size(); ++at) {
      if (text[at] == pattern[next] && Matches(pattern, text, next, at)) return true;
    }
    return false;
  }
  return t == text.size();
}

// Exact names before patterns, longer patterns before shorter ones.
size_t Weight(const std::string& pattern) {
  const auto stars = static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*'));
  return 2 * (pattern.size() - stars) + (stars == 0 ? 1 : 0);
}

DataType TypeOf(const std::string& name) {
  const auto type = DataTypeOf(name);
  if (!type) {
    throw Error("OPTION_UNSUPPORTED", std::string(kFamily) + " has no type " + name);
  }
  return *type;
}

#if TRTN_HAS_LAYER_PRECISION

bool HoldsNumbers(const ITensor* tensor) {
  if (tensor == nullptr) return false;
  const DataType type = tensor->getType();
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kINT8;
}

bool ComputesNumbers(const nvinfer1::ILayer& layer) {
  return layer.getType() != nvinfer1::LayerType::kCONSTANT &&
         layer.getType() != nvinfer1::LayerType::kSHAPE && layer.getNbOutputs() > 0 &&
         HoldsNumbers(layer.getOutput(0));
}

void SetOutputs(const std::vector<std::string>& types, nvinfer1::ILayer& layer) {
  for (int32_t i = 0; i < layer.getNbOutputs(); ++i) {
    const size_t at = std::min(static_cast<size_t>(i), types.size() - 1);
    if (HoldsNumbers(layer.getOutput(i))) layer.setOutputType(i, TypeOf(types[at]));
  }
}

// `set` for each layer that a rule decides for; gives the names of rules that match none.
template <typename Set>
void ForEachRule(const LayerTypeRules& rules, INetworkDefinition& network,
                 std::vector<std::string>& unused, Set set) {
  std::set<size_t> used;
  for (int32_t i = 0; i < network.getNbLayers(); ++i) {
    nvinfer1::ILayer& layer = *network.getLayer(i);
    const auto rule = RuleFor(rules, layer.getName());
    if (!rule) continue;
    used.insert(*rule);
    // Shapes and indices keep their types, whatever pattern their layer's name fits.
    if (ComputesNumbers(layer)) set(rules[*rule].second, layer);
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    if (used.count(i) == 0 && rules[i].first != "*") unused.push_back(rules[i].first);
  }
}

#endif

void SetIoType(ITensor& tensor, const std::string& name) {
  const DataType type = TypeOf(name);
  if (tensor.getType() != type) {
#if TRTN_HAS_LAYER_PRECISION
    tensor.setType(type);
#else
    throw Error("OPTION_UNSUPPORTED",
                std::string(kFamily) + " takes the types of inputs and outputs from the model: \"" +
                    tensor.getName() + "\" is " + DataTypeName(tensor.getType()) + ", not " + name,
                "Put a Cast into the model.");
#endif
  }
  tensor.setAllowedFormats(
      1U << static_cast<uint32_t>(nvinfer1::TensorFormat::kLINEAR));
}

template <typename Get>
void SetIoTypes(const std::vector<std::string>& types, int32_t count, const char* what, Get get) {
  if (types.empty()) return;
  if (types.size() != 1 && types.size() != static_cast<size_t>(count)) {
    throw Error("PROFILE_INVALID", "The network has " + std::to_string(count) + " " + what +
                                       ", and types are given for " + std::to_string(types.size()),
                "Give one type for all of them, or one for each.");
  }
  for (int32_t i = 0; i < count; ++i) {
    SetIoType(*get(i), types[types.size() == 1 ? 0 : static_cast<size_t>(i)]);
  }
}

}  // namespace

std::optional<DataType> DataTypeOf(const std::string& name) {
  if (name == "float32") return DataType::kFLOAT;
  if (name == "float16") return DataType::kHALF;
  if (name == "int8") return DataType::kINT8;
  if (name == "int32") return DataType::kINT32;
  if (name == "bool") return DataType::kBOOL;
  if (name == "uint8") return DataType::kUINT8;
#if NV_TENSORRT_MAJOR != 8
  if (name == "int64") return DataType::kINT64;
  if (name == "bfloat16") return DataType::kBF16;
#endif
  return std::nullopt;
}

std::optional<size_t> RuleFor(const LayerTypeRules& rules, const std::string& layer) {
  std::optional<size_t> best;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (!Matches(rules[i].first, layer)) continue;
    if (!best || Weight(rules[i].first) > Weight(rules[*best].first)) best = i;
  }
  return best;
}

std::vector<std::string> ApplyLayerTypes(const LayerTypes& types, INetworkDefinition& network) {
  std::vector<std::string> unused;
#if TRTN_HAS_LAYER_PRECISION
  ForEachRule(types.precisions, network, unused,
              [](const std::vector<std::string>& names, nvinfer1::ILayer& layer) {
                layer.setPrecision(TypeOf(names.front()));
              });
  ForEachRule(types.outputs, network, unused, SetOutputs);
#else
  (void)network;
  if (!types.empty()) {
    throw Error("OPTION_UNSUPPORTED",
                std::string(kFamily) + " takes the precision of layers from the model");
  }
#endif
  return unused;
}

void ApplyIoTypes(const IoTypes& types, INetworkDefinition& network) {
  SetIoTypes(types.inputs, network.getNbInputs(), "inputs",
             [&](int32_t i) { return network.getInput(i); });
  SetIoTypes(types.outputs, network.getNbOutputs(), "outputs",
             [&](int32_t i) { return network.getOutput(i); });
}

}  // namespace trtn

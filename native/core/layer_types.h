#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/tensorrt.h"

namespace trtn {

// Types by layer name, in onnxruntime's spelling. A `*` in a name stands for any text, and the most
// specific name decides. Several types are those of a layer's outputs in order.
using LayerTypeRules = std::vector<std::pair<std::string, std::vector<std::string>>>;

struct LayerTypes {
  LayerTypeRules precisions;
  LayerTypeRules outputs;
  bool empty() const { return precisions.empty() && outputs.empty(); }
};

// Names of inputs or outputs in the network's order, each with its type: one for all, or one for each.
struct IoTypes {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// TensorRT's type of a name in onnxruntime's spelling; none when this family has none such.
std::optional<nvinfer1::DataType> DataTypeOf(const std::string& name);

// The index of the rule that decides for a layer; none when no rule matches.
std::optional<size_t> RuleFor(const LayerTypeRules& rules, const std::string& layer);

// Fixes the types that layers compute in and put out. Gives the names of rules that match no layer.
// Throws Error OPTION_UNSUPPORTED where the network's types are fixed by the model.
std::vector<std::string> ApplyLayerTypes(const LayerTypes& types,
                                         nvinfer1::INetworkDefinition& network);

// Fixes types of inputs and outputs, in linear memory. Throws Error OPTION_UNSUPPORTED for what the
// family does not have, PROFILE_INVALID when there are more types than tensors.
void ApplyIoTypes(const IoTypes& types, nvinfer1::INetworkDefinition& network);

}  // namespace trtn

#include "core/dynamic_ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "core/text.h"

namespace trtn {
namespace {

using nvinfer1::INetworkDefinition;
using nvinfer1::LayerType;

#if TRTN_HAS_LAYER_PRECISION

using nvinfer1::DataType;
using nvinfer1::ILayer;
using nvinfer1::ITensor;

bool HoldsFloats(const ITensor& tensor) {
  const DataType type = tensor.getType();
  return type == DataType::kFLOAT || type == DataType::kHALF;
}

// The layers whose outputs hold nothing but values of their first input (or zeros).
bool KeepsValues(LayerType type) {
  switch (type) {
    case LayerType::kSHUFFLE:
    case LayerType::kIDENTITY:
    case LayerType::kSLICE:
    case LayerType::kGATHER:
    case LayerType::kPADDING:
      return true;
    default:
      return false;
  }
}

float FromHalf(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const float mantissa = static_cast<float>(bits & 1023);
  const float magnitude = exponent == 0 ? std::ldexp(mantissa, -24)
                                        : std::ldexp(mantissa + 1024.0F, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// The largest magnitude among a constant's values; none when they are not all finite. A constant of
// zeros is exact under any scale.
std::optional<float> MagnitudeOf(const nvinfer1::Weights& weights) {
  if (weights.values == nullptr || weights.count == 0) return std::nullopt;
  float amax = 0;
  for (int64_t i = 0; i < weights.count; ++i) {
    float value = 0;
    if (weights.type == DataType::kFLOAT) {
      value = static_cast<const float*>(weights.values)[i];
    } else if (weights.type == DataType::kHALF) {
      value = FromHalf(static_cast<const uint16_t*>(weights.values)[i]);
    } else {
      return std::nullopt;
    }
    if (!std::isfinite(value)) return std::nullopt;
    amax = std::max(amax, std::fabs(value));
  }
  return amax == 0 ? 1.0F : amax;
}

class Ranges {
 public:
  Ranges(const std::vector<std::string>& floats, INetworkDefinition& network)
      : network_(network), floats_(floats.begin(), floats.end()) {}

  RangeReport Apply(const Magnitudes& table) {
    for (int32_t i = 0; i < network_.getNbInputs(); ++i) Consider(network_.getInput(i));
    for (int32_t i = 0; i < network_.getNbLayers(); ++i) {
      const ILayer& layer = *network_.getLayer(i);
      for (int32_t k = 0; k < layer.getNbOutputs(); ++k) Consider(layer.getOutput(k));
    }
    RangeReport report = FromTable(table);
    FromConstants();
    FromNeighbours();
    for (ITensor* tensor : tensors_) {
      const std::string name = ValidUtf8(tensor->getName());
      if (derived_.count(tensor) != 0) {
        report.derived.push_back(name);
      } else {
        (amax_.count(tensor) != 0 ? report.covered : report.missing).push_back(name);
      }
    }
    return report;
  }

 private:
  void Consider(ITensor* tensor) {
    if (Needs(tensor)) tensors_.push_back(tensor);
  }

  bool Needs(const ITensor* tensor) const {
    return tensor != nullptr && HoldsFloats(*tensor) && floats_.count(tensor->getName()) == 0;
  }

  // False when the library refuses: the tensor then has no range.
  bool Set(ITensor* tensor, float amax) {
    if (!tensor->setDynamicRange(-amax, amax)) return false;
    amax_[tensor] = amax;
    return true;
  }

  RangeReport FromTable(const Magnitudes& table) {
    RangeReport report;
    std::map<std::string, std::vector<ITensor*>> by_name;
    for (ITensor* tensor : tensors_) by_name[tensor->getName()].push_back(tensor);
    for (const auto& [name, amax] : table) {
      const auto found = by_name.find(name);
      if (found == by_name.end()) {
        report.unused.push_back(name);
        continue;
      }
      for (ITensor* tensor : found->second) Set(tensor, amax);
    }
    return report;
  }

  void Derive(ITensor* tensor, float amax) {
    if (std::isfinite(amax) && Set(tensor, amax)) derived_.insert(tensor);
  }

  void FromConstants() {
    for (int32_t i = 0; i < network_.getNbLayers(); ++i) {
      ILayer* layer = network_.getLayer(i);
      if (layer->getType() != LayerType::kCONSTANT) continue;
      ITensor* output = layer->getOutput(0);
      if (output == nullptr || !HoldsFloats(*output) || amax_.count(output) != 0) continue;
      const auto amax = MagnitudeOf(static_cast<nvinfer1::IConstantLayer*>(layer)->getWeights());
      if (amax) Derive(output, *amax);
    }
  }

  // Until nothing changes: chains of reshapes lie in any order.
  void FromNeighbours() {
    for (bool changed = true; changed;) {
      changed = false;
      for (int32_t i = 0; i < network_.getNbLayers(); ++i) {
        ILayer* layer = network_.getLayer(i);
        const size_t before = amax_.size();
        if (KeepsValues(layer->getType())) {
          Copy(layer->getInput(0), layer->getOutput(0));
        } else if (layer->getType() == LayerType::kELEMENTWISE) {
          BeforeBias(static_cast<nvinfer1::IElementWiseLayer*>(layer));
        }
        changed = changed || amax_.size() != before;
      }
    }
  }

  std::optional<float> Known(ITensor* tensor) const {
    const auto found = amax_.find(tensor);
    return found == amax_.end() ? std::nullopt : std::optional<float>(found->second);
  }

  bool Lacks(ITensor* tensor) const {
    return Needs(tensor) && amax_.count(tensor) == 0;
  }

  void Copy(ITensor* from, ITensor* to) {
    const std::optional<float> amax = Known(from);
    if (amax && Lacks(to)) Derive(to, *amax);
  }

  // A Gemm becomes a product and a sum, and the ONNX graph has no name for what lies between: it is
  // the sum less the other operand, which bounds it.
  void BeforeBias(nvinfer1::IElementWiseLayer* layer) {
    if (layer->getOperation() != nvinfer1::ElementWiseOperation::kSUM) return;
    const std::optional<float> sum = Known(layer->getOutput(0));
    for (int32_t i = 0; i < 2; ++i) {
      ITensor* operand = layer->getInput(i);
      const std::optional<float> other = Known(layer->getInput(1 - i));
      if (sum && other && Lacks(operand)) Derive(operand, *sum + *other);
    }
  }

  INetworkDefinition& network_;
  std::set<std::string> floats_;
  std::vector<ITensor*> tensors_;
  std::map<ITensor*, float> amax_;
  std::set<ITensor*> derived_;
};

#endif

}  // namespace

bool IsExplicitlyQuantized(const INetworkDefinition& network) {
  for (int32_t i = 0; i < network.getNbLayers(); ++i) {
    const LayerType type = network.getLayer(i)->getType();
    if (type == LayerType::kQUANTIZE || type == LayerType::kDEQUANTIZE) return true;
  }
  return false;
}

RangeReport ApplyDynamicRanges(const Magnitudes& table, const std::vector<std::string>& floats,
                               INetworkDefinition& network) {
#if TRTN_HAS_LAYER_PRECISION
  return Ranges(floats, network).Apply(table);
#else
  (void)table, (void)floats, (void)network;
  return {};
#endif
}

}  // namespace trtn

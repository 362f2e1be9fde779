#pragma once

#include <NvInfer.h>

#include <string>
#include <vector>

#include "core/cuda/owners.h"

namespace trtn {

// Times of one layer in milliseconds, one a run.
struct LayerTimes {
  std::string name;
  std::vector<double> milliseconds;
};

// Collects what TensorRT reports of each layer. It measures by waiting between layers, so the sum is
// more than a run takes.
class LayerProfiler final : public nvinfer1::IProfiler {
 public:
  void reportLayerTime(const char* name, float milliseconds) noexcept override;
  // A run begins: its layers come in the order of the first run's.
  void NextRun() { next_ = 0; }
  std::vector<LayerTimes> Take() { return std::move(layers_); }

 private:
  std::vector<LayerTimes> layers_;
  size_t next_ = 0;
};

}  // namespace trtn

#pragma once

#include <string>
#include <vector>

#include "core/network.h"
#include "core/tensorrt.h"

namespace trtn {

// The shapes of one input within one profile (the values, for a shape tensor).
struct InputRange {
  std::string name;
  Shape min;
  Shape opt;
  Shape max;
};

using Profile = std::vector<InputRange>;

// Holds profiles against the network: every dynamic input covered in every profile, no unknown or
// repeated name, rank and static extents equal, MIN <= OPT <= MAX. Throws Error PROFILE_INVALID that
// names the tensor. TensorRT itself finds some of this only minutes into a build, and some never.
void CheckProfiles(const std::vector<TensorInfo>& inputs, const std::vector<Profile>& profiles);

// Adds checked profiles to `config`. Throws Error PROFILE_INVALID when TensorRT refuses one.
void AddProfiles(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config,
                 const std::vector<TensorInfo>& inputs, const std::vector<Profile>& profiles);

}  // namespace trtn

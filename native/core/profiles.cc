#include "core/profiles.h"

#include <algorithm>
#include <limits>
#include <set>

#include "core/error.h"

namespace trtn {
namespace {

constexpr const char* kRemedy =
    "Give --minShapes, --optShapes and --maxShapes (API: profiles) for every input with dynamic "
    "dimensions, for example input:1x3x224x224.";

[[noreturn]] void Refuse(const std::string& message) {
  throw Error("PROFILE_INVALID", message, kRemedy);
}

bool IsDynamic(const TensorInfo& input) {
  return input.is_shape_tensor ||
         std::any_of(input.shape.begin(), input.shape.end(), [](int64_t d) { return d < 0; });
}

std::string Where(const std::vector<Profile>& profiles, size_t index) {
  return profiles.size() == 1 ? std::string("The optimization profile")
                              : "Optimization profile " + std::to_string(index);
}

const TensorInfo* FindInput(const std::vector<TensorInfo>& inputs, const std::string& name) {
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const TensorInfo& input) { return input.name == name; });
  return found == inputs.end() ? nullptr : &*found;
}

std::string Names(const std::vector<TensorInfo>& inputs) {
  std::string names;
  for (const TensorInfo& input : inputs) {
    if (!names.empty()) names += ", ";
    names += "\"" + input.name + "\" " + ShapeText(input.shape);
  }
  return names;
}

void CheckShape(const std::string& where, const TensorInfo& input, const char* selector,
                const Shape& shape) {
  const std::string what = where + " gives \"" + input.name + "\" the " + selector + " shape " +
                           ShapeText(shape) + ", but the model has " + ShapeText(input.shape);
  // A shape tensor's entries are values; how many there are is the extent of its only dimension.
  if (input.is_shape_tensor) return;
  if (shape.size() != input.shape.size()) Refuse(what + ": the ranks differ");
  for (size_t i = 0; i < shape.size(); ++i) {
    if (input.shape[i] >= 0 && input.shape[i] != shape[i]) {
      Refuse(what + ": dimension " + std::to_string(i) + " is fixed");
    }
    // TensorRT 8 holds extents in 32 bits, and later ones accept no more for an input.
    if (shape[i] < 0 || shape[i] > std::numeric_limits<int32_t>::max()) {
      Refuse(what + ": dimension " + std::to_string(i) + " is out of range");
    }
  }
}

void CheckOrder(const std::string& where, const InputRange& range) {
  if (range.min.size() != range.opt.size() || range.opt.size() != range.max.size()) {
    Refuse(where + " gives \"" + range.name + "\" MIN, OPT and MAX of different ranks");
  }
  for (size_t i = 0; i < range.min.size(); ++i) {
    if (range.min[i] > range.opt[i] || range.opt[i] > range.max[i]) {
      Refuse(where + " has MIN " + ShapeText(range.min) + ", OPT " + ShapeText(range.opt) +
             ", MAX " + ShapeText(range.max) + " for \"" + range.name +
             "\": MIN <= OPT <= MAX does not hold in dimension " + std::to_string(i));
    }
  }
}

}  // namespace

void CheckProfiles(const std::vector<TensorInfo>& inputs, const std::vector<Profile>& profiles) {
  if (profiles.empty()) {
    for (const TensorInfo& input : inputs) {
      if (IsDynamic(input)) {
        Refuse("Input \"" + input.name + "\" has dynamic dimensions " + ShapeText(input.shape) +
               " and no optimization profile");
      }
    }
  }
  for (size_t p = 0; p < profiles.size(); ++p) {
    const std::string where = Where(profiles, p);
    std::set<std::string> named;
    for (const InputRange& range : profiles[p]) {
      const TensorInfo* input = FindInput(inputs, range.name);
      if (input == nullptr) {
        Refuse(where + " names \"" + range.name + "\", which is no input of the model; its inputs: " +
               Names(inputs));
      }
      if (!named.insert(range.name).second) {
        Refuse(where + " names \"" + range.name + "\" twice");
      }
      CheckShape(where, *input, "MIN", range.min);
      CheckShape(where, *input, "OPT", range.opt);
      CheckShape(where, *input, "MAX", range.max);
      CheckOrder(where, range);
    }
    for (const TensorInfo& input : inputs) {
      if (IsDynamic(input) && named.count(input.name) == 0) {
        Refuse(where + " lacks input \"" + input.name + "\", which has dynamic dimensions " +
               ShapeText(input.shape));
      }
    }
  }
}

void AddProfiles(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config,
                 const std::vector<TensorInfo>& inputs, const std::vector<Profile>& profiles) {
  using nvinfer1::OptProfileSelector;
  for (size_t p = 0; p < profiles.size(); ++p) {
    // Owned by the builder, as the header says: there is nothing to delete.
    nvinfer1::IOptimizationProfile* profile = builder.createOptimizationProfile();
    if (profile == nullptr) throw Error("BUILD_FAILED", "TensorRT did not create a profile");
    for (const InputRange& range : profiles[p]) {
      const char* name = range.name.c_str();
      const bool values = FindInput(inputs, range.name)->is_shape_tensor;
      const auto set = [&](OptProfileSelector selector, const Shape& shape) {
        return values ? SetShapeValues(*profile, name, selector, shape)
                      : profile->setDimensions(name, selector, DimsOf(shape));
      };
      if (!set(OptProfileSelector::kMIN, range.min) || !set(OptProfileSelector::kOPT, range.opt) ||
          !set(OptProfileSelector::kMAX, range.max)) {
        Refuse(Where(profiles, p) + " has shapes for \"" + range.name + "\" that TensorRT refuses");
      }
    }
    if (!profile->isValid() || config.addOptimizationProfile(profile) < 0) {
      Refuse(Where(profiles, p) + " is one that TensorRT refuses");
    }
  }
}

}  // namespace trtn

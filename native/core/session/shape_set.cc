#include "core/session/shape_set.h"

#include "core/network.h"
#include "core/text.h"

namespace trtn {
namespace {

bool Fits(const Binding& input, const Shape& shape, int profile) {
  if (shape.size() != input.shape.size()) return false;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (input.profiles.empty()) {
      if (shape[axis] != input.shape[axis]) return false;
      continue;
    }
    const ShapeRange& range = input.profiles[static_cast<size_t>(profile)];
    if (shape[axis] < range.min[axis] || shape[axis] > range.max[axis]) return false;
  }
  return true;
}

// The index of the first input that does not fit, the number of inputs when all do.
size_t FirstMisfit(const Engine& engine, const std::vector<Shape>& inputs, int profile) {
  size_t index = 0;
  while (index < inputs.size() && Fits(engine.inputs()[index], inputs[index], profile)) ++index;
  return index;
}

std::string Allowed(const Binding& input, int wanted) {
  if (input.profiles.empty()) return ShapeText(input.shape);
  std::string text;
  for (size_t i = 0; i < input.profiles.size(); ++i) {
    if (wanted >= 0 && static_cast<size_t>(wanted) != i) continue;
    if (!text.empty()) text += ", or ";
    text += ShapeText(input.profiles[i].min) + " to " + ShapeText(input.profiles[i].max);
  }
  return text;
}

}  // namespace

size_t BytesOf(const Binding& binding, const Shape& shape) {
  size_t bytes = binding.element_bytes;
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  return bytes;
}

int ChooseProfile(const Engine& engine, const std::vector<Shape>& inputs, int wanted) {
  const int first = wanted >= 0 ? wanted : 0;
  const int last = wanted >= 0 ? wanted : engine.profiles() - 1;
  size_t misfit = 0;
  for (int profile = first; profile <= last; ++profile) {
    const size_t index = FirstMisfit(engine, inputs, profile);
    if (index == inputs.size()) return profile;
    if (index > misfit) misfit = index;
  }
  const Binding& input = engine.inputs()[misfit];
  throw Error("PROFILE_INVALID",
              "Input " + ValidUtf8(input.name) + " of shape " + ShapeText(inputs[misfit]) +
                  " fits no optimization profile of the engine, which takes " +
                  Allowed(input, wanted),
              "Build the engine with a profile that covers the shape "
              "(--minShapes, --optShapes, --maxShapes).");
}

}  // namespace trtn

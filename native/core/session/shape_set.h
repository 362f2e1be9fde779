#pragma once

#include <cstddef>
#include <vector>

#include "core/session/engine.h"

namespace trtn {

// The shapes of one kind of run, worked out once: which profile takes them and what comes out.
struct ShapeSet {
  int id = 0;
  int profile = 0;
  std::vector<Shape> inputs;
  std::vector<Shape> outputs;
  std::vector<size_t> input_bytes;
  std::vector<size_t> output_bytes;
};

// Bytes of a tensor of `shape`; every extent is known.
size_t BytesOf(const Binding& binding, const Shape& shape);

// The first profile whose MIN ≤ shapes ≤ MAX, or `wanted` when it is not negative. Throws Error
// PROFILE_INVALID that names the input and what the profiles allow.
int ChooseProfile(const Engine& engine, const std::vector<Shape>& inputs, int wanted);

}  // namespace trtn

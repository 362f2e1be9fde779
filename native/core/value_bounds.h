#pragma once

#include <cstddef>

namespace trtn {

// What values lie between; infinite, the wrong way, without any.
struct ValueBounds {
  float lowest;
  float highest;
  float smallest;  // magnitude
  bool nan;        // whether there was NaN, which the others leave out
};

// Finds the bounds of values. Zeros come without a sign.
ValueBounds ScanBounds(const float* values, size_t size);

}  // namespace trtn

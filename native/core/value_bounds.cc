#include "core/value_bounds.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace trtn {
namespace {

// So many values are looked at side by side that the compiler keeps them in vectors.
constexpr size_t kLanes = 16;

struct Lanes {
  std::array<float, kLanes> lowest;
  std::array<float, kLanes> highest;
  std::array<float, kLanes> smallest;
  std::array<uint32_t, kLanes> nan{};

  Lanes() {
    lowest.fill(std::numeric_limits<float>::infinity());
    highest.fill(-std::numeric_limits<float>::infinity());
    smallest.fill(std::numeric_limits<float>::infinity());
  }

  // Comparisons with NaN are false, which leaves it out.
  void Add(const float* values, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const float value = values[i];
      const float magnitude = std::fabs(value);
      lowest[i] = value < lowest[i] ? value : lowest[i];
      highest[i] = value > highest[i] ? value : highest[i];
      smallest[i] = magnitude < smallest[i] ? magnitude : smallest[i];
      nan[i] |= static_cast<uint32_t>(value != value);
    }
  }
};

}  // namespace

ValueBounds ScanBounds(const float* values, size_t size) {
  Lanes lanes;
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) lanes.Add(values + i, kLanes);
  lanes.Add(values + i, size - i);
  const auto any = [](uint32_t flag) { return flag != 0; };
  // Adding 0 takes the sign of a zero away.
  return {*std::min_element(lanes.lowest.begin(), lanes.lowest.end()) + 0.0F,
          *std::max_element(lanes.highest.begin(), lanes.highest.end()) + 0.0F,
          *std::min_element(lanes.smallest.begin(), lanes.smallest.end()),
          std::any_of(lanes.nan.begin(), lanes.nan.end(), any)};
}

}  // namespace trtn

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/tensorrt.h"

namespace trtn {

// Magnitudes by tensor name, each finite and over zero.
using Magnitudes = std::vector<std::pair<std::string, float>>;

// Which tensors of a network got a range, and where from. Tensors that hold no floating-point
// numbers need none and stand in none of the lists.
struct RangeReport {
  std::vector<std::string> covered;  // from the table
  std::vector<std::string> derived;  // from a constant's values, or from a neighbour's range
  std::vector<std::string> missing;  // computed in floating point
  std::vector<std::string> unused;   // names of the table that no tensor has
};

// Whether the network says itself what is quantised.
bool IsExplicitlyQuantized(const nvinfer1::INetworkDefinition& network);

// Sets -amax..amax on every tensor that the table names, on constants by their own values, and on what
// follows from these: a reshaped or sliced tensor has the range of its source. Does nothing but report
// on families without implicit quantisation.
// The tensors named in `floats` are to stay in floating point: they get none, and need none.
RangeReport ApplyDynamicRanges(const Magnitudes& table, const std::vector<std::string>& floats,
                               nvinfer1::INetworkDefinition& network);

}  // namespace trtn

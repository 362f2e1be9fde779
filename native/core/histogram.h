#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace trtn {

// Numbers side by side in memory.
struct FloatSpan {
  const float* data;
  size_t size;
};

// How values are counted.
struct HistogramOptions {
  bool absolute = false;  // count magnitudes
  float lower = 0.0F;     // values are clamped before they are counted
  float upper = 0.0F;
};

// Adds values to the counts of equal bins: bin i holds edges[i] <= x < edges[i + 1], the last one
// its right edge, too. NaN and values outside of the edges are left out. Many values are counted on
// several threads; the result is the same, because counts are whole numbers.
//
// `edges` are `bins` + 1 ascending numbers, and no edge lies further than half a bin from where
// equal bins would have it.
void CountBins(const std::vector<FloatSpan>& values, const float* edges, int32_t bins,
               double* counts, const HistogramOptions& options);

}  // namespace trtn

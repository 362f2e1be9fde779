#pragma once

#include <cstddef>
#include <cstdint>

#include "core/histogram.h"

namespace trtn {

// Equal bins, and how values are counted into them.
struct HistogramBins {
  const float* edges;
  int32_t bins;
  float first;
  float last;
  double factor;  // bins a unit
  float step;     // edges[i] is i * step + first, each operation rounded; NaN where one is not
  HistogramOptions options;
};

// Neighbours often fall into the same bin, and each addition would wait for the one before it to
// reach memory: they are counted into this many tables in turn.
constexpr size_t kHistogramTables = 2;

// Whether CountAvx2 may be called: AVX2, and edges that can be computed, which is faster than to look
// them up.
bool CanCountAvx2(const HistogramBins& bins);

// Counts values eight at a time, to the same bins as one at a time; returns how many it has taken,
// all but the last few. `counts` are kHistogramTables tables of `bins` counts.
size_t CountAvx2(const HistogramBins& bins, const float* values, size_t size, uint32_t* counts);

}  // namespace trtn

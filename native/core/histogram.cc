#include "core/histogram.h"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <thread>
#include <vector>

#include "core/histogram_kernels.h"

namespace trtn {
namespace {

// Fewer values are counted sooner than a thread begins.
constexpr size_t kValuesPerThread = size_t{1} << 18;
constexpr size_t kMostThreads = 16;

// What every edge but the last is a multiple of, off the first; NaN when one is not.
float StepOf(const float* edges, int32_t bins) {
  const float step = (edges[bins] - edges[0]) / static_cast<float>(bins);
  for (int32_t i = 0; i < bins; ++i) {
    const float offset = static_cast<float>(i) * step;
    if (offset + edges[0] != edges[i]) return std::nanf("");
  }
  return step;
}

class Counter {
 public:
  Counter(const float* edges, int32_t bins, const HistogramOptions& options)
      : bins_{edges, bins, edges[0], edges[bins], 0.0, std::nanf(""), options} {
    bins_.factor = bins / (static_cast<double>(bins_.last) - static_cast<double>(bins_.first));
  }

  // For many values: looks once at all edges.
  void Vectorise() {
    bins_.step = StepOf(bins_.edges, bins_.bins);
    vectorised_ = CanCountAvx2(bins_);
  }

  template <typename Count>
  void Add(float value, Count* counts) const {
    // NaN stays NaN: every comparison with it is false.
    value = value < bins_.options.lower ? bins_.options.lower : value;
    value = value > bins_.options.upper ? bins_.options.upper : value;
    if (bins_.options.absolute) value = std::fabs(value);
    if (!(value >= bins_.first && value <= bins_.last)) return;
    auto bin = static_cast<int32_t>(
        (static_cast<double>(value) - static_cast<double>(bins_.first)) * bins_.factor);
    bin = std::min(bin, bins_.bins - 1);
    // The guess is off by one bin at most.
    bin -= static_cast<int32_t>(value < bins_.edges[bin]);
    bin += static_cast<int32_t>(value >= bins_.edges[bin + 1] && bin < bins_.bins - 1);
    counts[bin] += 1;
  }

  // Into kHistogramTables tables.
  void Add(const float* values, size_t size, uint32_t* counts) const {
    size_t i = vectorised_ ? CountAvx2(bins_, values, size, counts) : 0;
    for (; i < size; ++i) Add(values[i], counts + (i % kHistogramTables) * bins_.bins);
  }

 private:
  HistogramBins bins_;
  bool vectorised_ = false;
};

}  // namespace

void CountBins(const std::vector<FloatSpan>& values, const float* edges, int32_t bins,
               double* counts, const HistogramOptions& options) {
  Counter counter(edges, bins, options);
  const auto width = static_cast<size_t>(bins);
  size_t size = 0;
  for (const FloatSpan& span : values) size += span.size;
  if (size < width) {
    for (const FloatSpan& span : values) {
      for (size_t i = 0; i < span.size; ++i) counter.Add(span.data[i], counts);
    }
    return;
  }
  counter.Vectorise();
  const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const size_t most = std::min(cores, kMostThreads);
  const size_t parts = std::clamp<size_t>(size / kValuesPerThread, 1, most);
  std::vector<uint32_t> found(kHistogramTables * width * parts);
  const auto work = [&](size_t part) {
    // A count of 32 bits holds what a piece of this size can bring.
    uint32_t* const tables = found.data() + kHistogramTables * width * part;
    size_t begin = size * part / parts;
    size_t left = size * (part + 1) / parts - begin;
    for (const FloatSpan& span : values) {
      if (left == 0) break;
      if (begin >= span.size) {
        begin -= span.size;
        continue;
      }
      const size_t taken = std::min(left, span.size - begin);
      counter.Add(span.data + begin, taken, tables);
      left -= taken;
      begin = 0;
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(parts);
  for (size_t part = 1; part < parts; ++part) {
    try {
      threads.emplace_back(work, part);
    } catch (const std::system_error&) {
      work(part);  // no more threads to be had
    }
  }
  work(0);
  for (std::thread& thread : threads) thread.join();
  for (size_t table = 0; table < found.size(); table += width) {
    for (size_t bin = 0; bin < width; ++bin) counts[bin] += found[table + bin];
  }
}

}  // namespace trtn

#include "core/histogram.h"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <thread>
#include <vector>

namespace trtn {
namespace {

// Fewer values are counted sooner than a thread begins.
constexpr size_t kValuesPerThread = size_t{1} << 18;
constexpr size_t kMostThreads = 16;

class Counter {
 public:
  Counter(const float* edges, int32_t bins, const HistogramOptions& options)
      : edges_(edges),
        bins_(bins),
        options_(options),
        first_(edges[0]),
        last_(edges[bins]),
        factor_(bins / (static_cast<double>(last_) - static_cast<double>(first_))) {}

  template <typename Count>
  void Add(float value, Count* counts) const {
    // NaN stays NaN: every comparison with it is false.
    value = value < options_.lower ? options_.lower : value;
    value = value > options_.upper ? options_.upper : value;
    if (options_.absolute) value = std::fabs(value);
    if (!(value >= first_ && value <= last_)) return;
    auto bin =
        static_cast<int32_t>((static_cast<double>(value) - static_cast<double>(first_)) * factor_);
    bin = std::min(bin, bins_ - 1);
    // The guess is off by one bin at most.
    bin -= static_cast<int32_t>(value < edges_[bin]);
    bin += static_cast<int32_t>(value >= edges_[bin + 1] && bin < bins_ - 1);
    counts[bin] += 1;
  }

  // Two histograms in turn: neighbours often fall into the same bin, and each addition would wait
  // for the one before it to reach memory.
  void Add(const float* values, size_t size, uint32_t* even, uint32_t* odd) const {
    size_t i = 0;
    for (; i + 1 < size; i += 2) {
      Add(values[i], even);
      Add(values[i + 1], odd);
    }
    if (i < size) Add(values[i], even);
  }

 private:
  const float* edges_;
  int32_t bins_;
  HistogramOptions options_;
  float first_;
  float last_;
  double factor_;
};

}  // namespace

void CountBins(const float* values, size_t size, const float* edges, int32_t bins, double* counts,
               const HistogramOptions& options) {
  const Counter counter(edges, bins, options);
  const auto width = static_cast<size_t>(bins);
  if (size < 8 * width) {
    for (size_t i = 0; i < size; ++i) counter.Add(values[i], counts);
    return;
  }
  const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const size_t most = std::min(cores, kMostThreads);
  const size_t parts = std::clamp<size_t>(size / kValuesPerThread, 1, most);
  std::vector<uint32_t> found(2 * width * parts);
  const auto work = [&](size_t part) {
    uint32_t* even = found.data() + 2 * width * part;
    const size_t begin = size * part / parts;
    // A count of 32 bits holds what a piece of this size can bring.
    counter.Add(values + begin, size * (part + 1) / parts - begin, even, even + width);
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
  for (size_t i = 0; i < found.size(); ++i) counts[i % width] += found[i];
}

}  // namespace trtn

// The vectorised loops against plain ones, over sizes that no vector divides. Every array is a block of its
// own of exactly the size that is needed, so that AddressSanitizer sees each byte beyond it.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "core/calibration/finite.h"
#include "core/histogram.h"
#include "core/pixels.h"
#include "core/resample.h"

namespace trtn {
namespace {

// Numbers that are the same on every machine; distributions of the standard library are not.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : engine_(seed) {}
  size_t Below(size_t end) { return engine_() % end; }
  int32_t Between(int32_t low, int32_t high) {
    const int64_t range = int64_t{high} - low + 1;
    return static_cast<int32_t>(low + static_cast<int64_t>(Below(static_cast<size_t>(range))));
  }
  float Unit() { return static_cast<float>(engine_() >> 8) / static_cast<float>(1 << 24); }
  std::vector<uint8_t> Bytes(size_t size) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(engine_());
    return bytes;
  }

 private:
  std::mt19937 engine_;
};

// What an axis points to.
struct AxisArrays {
  std::vector<int32_t> first;
  std::vector<int32_t> size;
  std::vector<int32_t> weights;
  size_t stride = 0;

  Axis Get() const { return {first.data(), size.data(), weights.data(), stride, first.size()}; }
};

// Outputs that take up to `most` neighbours out of `inputs`, in any order. Those outside of what is kept
// are wrong: nobody may look at them.
AxisArrays RandomAxis(Numbers& numbers, size_t inputs, size_t left, size_t kept, bool huge) {
  AxisArrays axis;
  const size_t outputs = left + kept + numbers.Below(3);
  axis.stride = 1 + numbers.Below(std::min<size_t>(inputs, 11));
  for (size_t i = 0; i < outputs; ++i) {
    const bool used = i >= left && i < left + kept;
    const size_t size = 1 + numbers.Below(axis.stride);
    axis.size.push_back(used ? static_cast<int32_t>(size) : INT32_MAX);
    axis.first.push_back(used ? static_cast<int32_t>(numbers.Below(inputs - size + 1)) : -1);
    for (size_t k = 0; k < axis.stride; ++k) {
      axis.weights.push_back(huge ? numbers.Between(-(1 << 30), 1 << 30)
                                  : numbers.Between(-(1 << 20), 1 << 22));
    }
  }
  return axis;
}

uint8_t Rounded(uint32_t sum) {
  return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(sum) >> 22, 0, 255));
}

// One axis of an image of `lines` lines; `step` and `line` are distances in bytes.
uint8_t Sum(const uint8_t* from, size_t step, const Axis& axis, size_t output) {
  uint32_t sum = 1U << 21;
  const auto first = static_cast<size_t>(axis.first[output]);
  for (size_t k = 0; k < static_cast<size_t>(axis.size[output]); ++k) {
    sum += from[(first + k) * step] * static_cast<uint32_t>(axis.weights[output * axis.stride + k]);
  }
  return Rounded(sum);
}

std::vector<uint8_t> Expected(const ResamplePlan& plan) {
  // Across, every row of the source.
  const size_t pitch = plan.kept_width * 3;
  std::vector<uint8_t> rows(plan.height * pitch);
  for (size_t y = 0; y < plan.height; ++y) {
    for (size_t i = 0; i < pitch; ++i) {
      const uint8_t* row = plan.source + y * plan.width * 3 + i % 3;
      rows[y * pitch + i] = plan.across.used() ? Sum(row, 3, plan.across, plan.left + i / 3)
                                               : row[(plan.left + i / 3) * 3];
    }
  }
  std::vector<uint8_t> result(plan.kept_height * pitch);
  for (size_t y = 0; y < plan.kept_height; ++y) {
    for (size_t i = 0; i < pitch; ++i) {
      result[y * pitch + i] = plan.down.used()
                                  ? Sum(rows.data() + i, pitch, plan.down, plan.top + y)
                                  : rows[(plan.top + y) * pitch + i];
    }
  }
  return result;
}

// The bin that holds a value, by its definition; -1 for none.
int32_t BinOf(float value, const std::vector<float>& edges, const HistogramOptions& options) {
  if (std::isnan(value)) return -1;
  value = std::min(std::max(value, options.lower), options.upper);
  if (options.absolute) value = std::fabs(value);
  if (value < edges.front() || value > edges.back()) return -1;
  const auto after = std::upper_bound(edges.begin(), edges.end(), value);
  const auto bin = static_cast<int32_t>(after - edges.begin()) - 1;
  return std::min(bin, static_cast<int32_t>(edges.size()) - 2);
}

std::vector<float> RandomValues(Numbers& numbers, size_t size, const std::vector<float>& edges) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float width = edges.back() - edges.front();
  std::vector<float> values(size);
  for (float& value : values) {
    const size_t kind = numbers.Below(16);
    value = edges.front() + (numbers.Unit() * 1.5F - 0.25F) * width;
    if (kind < 3) value = edges[numbers.Below(edges.size())];
    if (kind == 3) value = std::nextafter(edges[numbers.Below(edges.size())], -kInfinity);
    if (kind == 4) value = std::nanf("");
    if (kind == 5) value = numbers.Below(2) == 0 ? kInfinity : -kInfinity;
    if (kind == 6) value = -value;
  }
  return values;
}

}  // namespace

TEST(ResamplingIsThatOfAPlainLoop) {
  Numbers numbers(1);
  for (int round = 0; round < 400; ++round) {
    ResamplePlan plan;
    plan.width = 1 + numbers.Below(40);
    plan.height = 1 + numbers.Below(12);
    const bool across = numbers.Below(4) != 0;
    const bool down = numbers.Below(4) != 0;
    plan.left = numbers.Below(across ? 4 : plan.width);
    plan.top = numbers.Below(down ? 4 : plan.height);
    plan.kept_width = 1 + numbers.Below(across ? 40 : plan.width - plan.left);
    plan.kept_height = 1 + numbers.Below(down ? 12 : plan.height - plan.top);
    const bool huge = numbers.Below(8) == 0;
    const AxisArrays columns =
        RandomAxis(numbers, plan.width, plan.left, plan.kept_width, huge);
    const AxisArrays rows = RandomAxis(numbers, plan.height, plan.top, plan.kept_height, huge);
    if (across) plan.across = columns.Get();
    if (down) plan.down = rows.Get();
    const std::vector<uint8_t> source = numbers.Bytes(plan.width * plan.height * 3);
    std::vector<uint8_t> target(plan.kept_width * plan.kept_height * 3);
    plan.source = source.data();
    plan.target = target.data();
    CHECK_EQ(IsValid(plan), true);
    Resample(plan);
    CHECK_EQ(target == Expected(plan), true);
  }
}

TEST(PixelsAreThoseOfAPlainLoop) {
  Numbers numbers(2);
  for (size_t pixels = 0; pixels < 140; ++pixels) {
    const std::vector<uint8_t> source = numbers.Bytes(pixels * 3);
    PixelOptions options;
    options.divisor = 1 + static_cast<float>(numbers.Below(300));
    options.has_mean = numbers.Below(2) == 0;
    options.has_std = numbers.Below(2) == 0;
    options.bgr = numbers.Below(2) == 0;
    for (float& mean : options.mean) mean = numbers.Unit();
    for (float& std : options.std) std = 0.1F + numbers.Unit();
    std::vector<float> target(pixels * 3);
    InterleavedToPlanar(source.data(), target.data(), pixels, options);
    for (size_t i = 0; i < target.size(); ++i) {
      const size_t plane = i / pixels;
      float value = static_cast<float>(source[i % pixels * 3 + (options.bgr ? 2 - plane : plane)]);
      value /= options.divisor;
      if (options.has_mean) value -= options.mean[plane];
      if (options.has_std) value /= options.std[plane];
      CHECK_EQ(target[i], value);
    }
  }
}

TEST(BinsAreThoseOfASearch) {
  Numbers numbers(3);
  for (int round = 0; round < 600; ++round) {
    const auto bins = static_cast<int32_t>(1 + numbers.Below(70));
    const float first = numbers.Below(3) == 0 ? 0.0F : numbers.Unit() * 8 - 4;
    const float step = (0.01F + numbers.Unit()) / static_cast<float>(bins);
    std::vector<float> edges;
    for (int32_t i = 0; i <= bins; ++i) edges.push_back(static_cast<float>(i) * step + first);
    // Edges that are no multiples of anything, no further off than a guess may be.
    if (numbers.Below(3) == 0) {
      for (size_t i = 1; i + 1 < edges.size(); ++i) edges[i] += (numbers.Unit() - 0.5F) * step / 2;
    }
    HistogramOptions options;
    options.absolute = numbers.Below(2) == 0;
    options.lower = numbers.Below(2) == 0 ? -std::numeric_limits<float>::infinity()
                                          : first + step * numbers.Unit();
    options.upper = numbers.Below(2) == 0 ? std::numeric_limits<float>::infinity()
                                          : edges.back() - step * numbers.Unit();
    if (options.lower > options.upper) std::swap(options.lower, options.upper);
    const size_t size = numbers.Below(12 * static_cast<size_t>(bins) + 20);
    const std::vector<float> values = RandomValues(numbers, size, edges);
    std::vector<double> expected(static_cast<size_t>(bins), 3.0);
    for (const float value : values) {
      const int32_t bin = BinOf(value, edges, options);
      if (bin >= 0) expected[static_cast<size_t>(bin)] += 1;
    }
    std::vector<double> counts(static_cast<size_t>(bins), 3.0);
    CountBins({{values.data(), values.size()}}, edges.data(), bins, counts.data(), options);
    CHECK_EQ(counts == expected, true);
  }
}

TEST(CountingFromSeveralThreadsIsThatOfOne) {
  // More values than one thread takes; each caller starts further ones.
  Numbers numbers(4);
  constexpr int32_t kBins = 100;
  std::vector<float> edges;
  for (int32_t i = 0; i <= kBins; ++i) edges.push_back(static_cast<float>(i) * 0.25F);
  std::vector<float> values((size_t{1} << 19) + 5);
  for (float& value : values) value = numbers.Unit() * 26;
  HistogramOptions options;
  options.upper = 30.0F;
  std::vector<std::vector<double>> counts(3, std::vector<double>(kBins));
  std::vector<std::thread> callers;
  for (std::vector<double>& own : counts) {
    callers.emplace_back([&] {
      CountBins({{values.data(), values.size()}}, edges.data(), kBins, own.data(), options);
    });
  }
  for (std::thread& caller : callers) caller.join();
  std::vector<double> expected(kBins);
  for (const float value : values) {
    const int32_t bin = BinOf(value, edges, options);
    if (bin >= 0) expected[static_cast<size_t>(bin)] += 1;
  }
  for (const std::vector<double>& own : counts) CHECK_EQ(own == expected, true);
}

TEST(ValuesThatAreNotFiniteAreFoundAnywhere) {
  Numbers numbers(5);
  for (size_t count = 0; count < 80; ++count) {
    std::vector<float> source(count);
    for (float& value : source) value = numbers.Unit() - 0.5F;
    const auto copy = [&] {
      const std::unique_ptr<unsigned char[]> target(new unsigned char[count * sizeof(float)]);
      const auto* bytes = reinterpret_cast<const unsigned char*>(source.data());
      const bool finite =
          CopyFinite(target.get(), bytes, count * sizeof(float), ValueKind::kFloat32);
      CHECK_EQ(std::equal(bytes, bytes + count * sizeof(float), target.get()), true);
      return finite;
    };
    CHECK_EQ(copy(), true);
    if (count == 0) continue;
    source[numbers.Below(count)] =
        numbers.Below(2) == 0 ? std::nanf("") : -std::numeric_limits<float>::infinity();
    CHECK_EQ(copy(), false);
  }
}

}  // namespace trtn

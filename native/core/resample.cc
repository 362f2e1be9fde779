#include "core/resample.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "core/clones.h"
#include "core/resample_kernels.h"

namespace trtn {
namespace {

// Sums are kept unsigned, so that weights of any origin wrap as JavaScript's do and never overflow.
inline uint8_t Round(uint32_t sum) {
  return static_cast<uint8_t>(
      std::clamp(static_cast<int32_t>(sum) >> kPrecisionBits, int32_t{0}, int32_t{255}));
}

bool AxisIsValid(const Axis& axis, size_t inputs, size_t from, size_t count) {
  if (!axis.used()) return from + count <= inputs;
  if (from + count > axis.outputs) return false;
  for (size_t i = from; i < from + count; ++i) {
    if (axis.first[i] < 0 || axis.size[i] <= 0) return false;
    const auto first = static_cast<size_t>(axis.first[i]);
    const auto size = static_cast<size_t>(axis.size[i]);
    if (size > axis.stride || first + size > inputs) return false;
  }
  return true;
}

// Rows of the source, or of what stands for them.
struct RowRange {
  size_t begin;
  size_t end;
};

// Those that the kept outputs are sums of, whatever order they stand in.
RowRange RowsOf(const ResamplePlan& plan) {
  if (!plan.down.used()) return {plan.top, plan.top + plan.kept_height};
  RowRange rows{plan.height, 0};
  for (size_t i = plan.top; i < plan.top + plan.kept_height; ++i) {
    const auto first = static_cast<size_t>(plan.down.first[i]);
    rows.begin = std::min(rows.begin, first);
    rows.end = std::max(rows.end, first + static_cast<size_t>(plan.down.size[i]));
  }
  return rows;
}

void RowAcross(const uint8_t* row, const Axis& axis, size_t left, size_t count, uint8_t* target) {
  for (size_t x = left; x < left + count; ++x) {
    const uint8_t* pixel = row + static_cast<size_t>(axis.first[x]) * kChannels;
    const int32_t* weight = axis.weights + x * axis.stride;
    uint32_t r = kHalf;
    uint32_t g = kHalf;
    uint32_t b = kHalf;
    for (int32_t k = 0; k < axis.size[x]; ++k) {
      const auto w = static_cast<uint32_t>(weight[k]);
      r += pixel[0] * w;
      g += pixel[1] * w;
      b += pixel[2] * w;
      pixel += kChannels;
    }
    *target++ = Round(r);
    *target++ = Round(g);
    *target++ = Round(b);
  }
}

TRTN_CLONES void AddRow(const uint8_t* __restrict row, uint32_t weight, size_t values,
                        uint32_t* __restrict sums) {
  for (size_t i = 0; i < values; ++i) sums[i] += row[i] * weight;
}

TRTN_CLONES void RoundRow(const uint32_t* __restrict sums, size_t values,
                          uint8_t* __restrict target) {
  for (size_t i = 0; i < values; ++i) target[i] = Round(sums[i]);
}

void RowDown(const uint8_t* rows, const int32_t* weights, size_t count,
             std::vector<uint32_t>& sums, uint8_t* target) {
  std::fill(sums.begin(), sums.end(), kHalf);
  for (size_t k = 0; k < count; ++k) {
    AddRow(rows + k * sums.size(), static_cast<uint32_t>(weights[k]), sums.size(), sums.data());
  }
  RoundRow(sums.data(), sums.size(), target);
}

}  // namespace

bool IsValid(const ResamplePlan& plan) {
  return plan.kept_width > 0 && plan.kept_height > 0 &&
         AxisIsValid(plan.across, plan.width, plan.left, plan.kept_width) &&
         AxisIsValid(plan.down, plan.height, plan.top, plan.kept_height);
}

void Resample(const ResamplePlan& plan) {
  const size_t pitch = plan.kept_width * kChannels;
  const auto [first_row, end_row] = RowsOf(plan);
  const bool avx2 = CanUseAvx2(plan);
  std::optional<AcrossAvx2> across;
  if (avx2 && plan.across.used()) across.emplace(plan);
  // The fast way reads up to 16 bytes beyond a row, which must be the next one's.
  const size_t fast_rows = across && plan.width * kChannels >= 16 ? plan.height - 1 : 0;

  // Without a vertical pass the rows are the result.
  std::vector<uint8_t> buffer(plan.down.used() ? (end_row - first_row) * pitch : 0);
  uint8_t* const rows = plan.down.used() ? buffer.data() : plan.target;
  for (size_t y = first_row; y < end_row; ++y) {
    const uint8_t* source = plan.source + y * plan.width * kChannels;
    uint8_t* row = rows + (y - first_row) * pitch;
    if (!plan.across.used()) {
      std::memcpy(row, source + plan.left * kChannels, pitch);
    } else if (y < fast_rows) {
      across->Row(source, row);
    } else {
      RowAcross(source, plan.across, plan.left, plan.kept_width, row);
    }
  }
  if (!plan.down.used()) return;

  std::vector<uint32_t> sums(avx2 ? 0 : pitch);
  for (size_t y = 0; y < plan.kept_height; ++y) {
    const size_t output = plan.top + y;
    const auto first = static_cast<size_t>(plan.down.first[output]) - first_row;
    const auto count = static_cast<size_t>(plan.down.size[output]);
    const int32_t* weights = plan.down.weights + output * plan.down.stride;
    uint8_t* target = plan.target + y * pitch;
    if (avx2) {
      DownAvx2(rows + first * pitch, pitch, weights, count, target);
    } else {
      RowDown(rows + first * pitch, weights, count, sums, target);
    }
  }
}

}  // namespace trtn

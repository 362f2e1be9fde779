#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/resample.h"

namespace trtn {

constexpr int kPrecisionBits = 22;
constexpr uint32_t kHalf = 1U << (kPrecisionBits - 1);
constexpr size_t kChannels = 3;

// Whether the functions below may be called: AVX2, rows of at least 16 bytes, and weights that fit
// their arithmetic.
bool CanUseAvx2(const ResamplePlan& plan);

// The two passes with AVX2, to the same bits as the portable ones. A weight w is taken apart into
// w = high * 2^15 + low, so that 16-bit multiplications, two to an instruction, add up to the same sum.
class AcrossAvx2 {
 public:
  // `axis` is that of `plan`.
  explicit AcrossAvx2(const ResamplePlan& plan);
  // One row of the source. Reads up to 16 bytes beyond it.
  void Row(const uint8_t* row, uint8_t* target) const;

 private:
  struct Output {
    size_t offset;  // of the first pixel, in bytes
    size_t groups;  // of four inputs
  };

  std::vector<Output> outputs_;
  // For each group low parts, then high parts: sixteen 16-bit numbers each.
  std::vector<int16_t> weights_;
};

// target[i] = the rounded sum over k < count of rows[k * pitch + i] * weights[k].
void DownAvx2(const uint8_t* rows, size_t pitch, const int32_t* weights, size_t count,
              uint8_t* target);

}  // namespace trtn

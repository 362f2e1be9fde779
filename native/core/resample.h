#pragma once

#include <cstddef>
#include <cstdint>

namespace trtn {

// The weights of one axis, as lib/preprocess/coefficients.ts computes them: output i is the sum of
// size[i] inputs from first[i] on, with weights in units of 2^-22 at weights[i * stride].
struct Axis {
  const int32_t* first = nullptr;
  const int32_t* size = nullptr;
  const int32_t* weights = nullptr;
  size_t stride = 0;
  size_t outputs = 0;

  bool used() const { return first != nullptr; }
};

// What is resized, and which part of the result is kept.
struct ResamplePlan {
  const uint8_t* source = nullptr;  // interleaved RGB, width * height * 3 bytes
  size_t width = 0;
  size_t height = 0;
  uint8_t* target = nullptr;  // kept_width * kept_height * 3 bytes
  size_t left = 0;
  size_t top = 0;
  size_t kept_width = 0;
  size_t kept_height = 0;
  Axis across;
  Axis down;
};

// Whether every index that Resample would use lies within its arrays.
bool IsValid(const ResamplePlan& plan);

// The very bytes of lib/preprocess/resample.ts, and so of Pillow: across, then down, each sum rounded
// to 8 bits. `plan` must be valid. Throws std::bad_alloc.
void Resample(const ResamplePlan& plan);

}  // namespace trtn

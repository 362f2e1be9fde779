#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace trtn {

// What is done to each value of an image: (value / divisor - mean[c]) / std[c], every step rounded to
// float32, c counted in the order of the planes that are written.
struct PixelOptions {
  float divisor = 1.0F;
  bool has_mean = false;
  bool has_std = false;
  std::array<float, 3> mean{0.0F, 0.0F, 0.0F};
  std::array<float, 3> std{1.0F, 1.0F, 1.0F};
  bool bgr = false;  // planes in the order blue, green, red; the source is always red, green, blue
};

// `pixels` interleaved RGB pixels (3 bytes each) to three planes of `pixels` floats.
void InterleavedToPlanar(const uint8_t* source, float* target, size_t pixels,
                         const PixelOptions& options);

}  // namespace trtn

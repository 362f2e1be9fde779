#include "core/pixels.h"

#include <utility>

#include "core/clones.h"

// The compiler vectorises the loop below (CMakeLists.txt gives this file -O3). SSE2 and AVX2 give the
// same bits: division and subtraction are correctly rounded, and -ffp-contract=off keeps the compiler
// from joining them.

namespace trtn {
namespace {

// One channel's numbers, by the byte's place in the source pixel.
struct Channel {
  float* plane;
  float mean;
  float std;
};

// x - 0 and x / 1 are x in every bit, so a missing mean costs nothing and needs no branch; a missing
// `std` is worth a version without the second division, the slowest instruction here.
template <bool kStd>
[[gnu::always_inline]] inline void Convert(const uint8_t* __restrict source, size_t pixels,
                                           float divisor, Channel red, Channel green,
                                           Channel blue) {
  float* __restrict r = red.plane;
  float* __restrict g = green.plane;
  float* __restrict b = blue.plane;
  for (size_t i = 0; i < pixels; ++i) {
    const float x = static_cast<float>(source[3 * i]) / divisor - red.mean;
    const float y = static_cast<float>(source[3 * i + 1]) / divisor - green.mean;
    const float z = static_cast<float>(source[3 * i + 2]) / divisor - blue.mean;
    r[i] = kStd ? x / red.std : x;
    g[i] = kStd ? y / green.std : y;
    b[i] = kStd ? z / blue.std : z;
  }
}

TRTN_CLONES void ConvertScaled(const uint8_t* source, size_t pixels, float divisor, Channel red,
                               Channel green, Channel blue) {
  Convert<false>(source, pixels, divisor, red, green, blue);
}

TRTN_CLONES void ConvertStandardized(const uint8_t* source, size_t pixels, float divisor,
                                     Channel red, Channel green, Channel blue) {
  Convert<true>(source, pixels, divisor, red, green, blue);
}

}  // namespace

void InterleavedToPlanar(const uint8_t* source, float* target, size_t pixels,
                         const PixelOptions& options) {
  const auto channel = [&](size_t plane) {
    return Channel{target + plane * pixels, options.has_mean ? options.mean[plane] : 0.0F,
                   options.has_std ? options.std[plane] : 1.0F};
  };
  Channel red = channel(0);
  Channel blue = channel(2);
  if (options.bgr) std::swap(red, blue);
  const Channel green = channel(1);
  if (options.has_std) {
    ConvertStandardized(source, pixels, options.divisor, red, green, blue);
  } else {
    ConvertScaled(source, pixels, options.divisor, red, green, blue);
  }
}

}  // namespace trtn

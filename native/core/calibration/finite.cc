#include "core/calibration/finite.h"

#include <cstdint>
#include <cstring>

#include "core/clones.h"

// CMakeLists.txt gives this file -O3, so that the compiler vectorises the loops.

namespace trtn {
namespace {

// What is looked at while it is still in the nearest cache.
constexpr size_t kChunk = 16 << 10;

// An exponent of ones means NaN or infinity: adding one unit of the exponent carries into the sign.
TRTN_CLONES uint32_t Overflow32(const uint32_t* values, size_t count) {
  uint32_t seen = 0;
  for (size_t i = 0; i < count; ++i) seen |= (values[i] & 0x7fffffffU) + 0x00800000U;
  return seen & 0x80000000U;
}

TRTN_CLONES uint32_t Overflow16(const uint16_t* values, size_t count) {
  uint16_t seen = 0;
  for (size_t i = 0; i < count; ++i) {
    seen = static_cast<uint16_t>(seen | ((values[i] & 0x7fffU) + 0x0400U));
  }
  return seen & 0x8000U;
}

}  // namespace

bool CopyFinite(unsigned char* target, const unsigned char* source, size_t bytes, ValueKind kind) {
  uint32_t bad = 0;
  for (size_t at = 0; at < bytes; at += kChunk) {
    const size_t size = bytes - at < kChunk ? bytes - at : kChunk;
    std::memcpy(target + at, source + at, size);
    if (kind == ValueKind::kFloat32) {
      bad |= Overflow32(reinterpret_cast<const uint32_t*>(target + at), size / 4);
    } else if (kind == ValueKind::kFloat16) {
      bad |= Overflow16(reinterpret_cast<const uint16_t*>(target + at), size / 2);
    }
  }
  return bad == 0;
}

}  // namespace trtn

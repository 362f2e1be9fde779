#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace trtn {

// One turn of a spinning wait: leaves the core's other thread more room.
inline void CpuPause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace trtn

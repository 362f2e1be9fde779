#include "core/histogram_kernels.h"

#include <cmath>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace trtn {

#if defined(__x86_64__)

namespace {

constexpr size_t kLanes = 8;
constexpr int kAllLanes = 0xFF;

// Bins of four values, where equal bins would have them; rounded as the portable loop does.
__attribute__((target("avx2"))) inline __m128i Guess(__m128 values, __m256d first,
                                                     __m256d factor) {
  const __m256d offset = _mm256_sub_pd(_mm256_cvtps_pd(values), first);
  return _mm256_cvttpd_epi32(_mm256_mul_pd(offset, factor));
}

// Left edges of bins; the very numbers in `edges`. The right edge of the last bin is never asked for.
__attribute__((target("avx2"))) inline __m256 Edge(__m256i bin, __m256 step, __m256 first) {
  return _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(bin), step), first);
}

}  // namespace

bool CanCountAvx2(const HistogramBins& bins) {
  return !std::isnan(bins.step) && __builtin_cpu_supports("avx2") != 0;
}

__attribute__((target("avx2"))) size_t CountAvx2(const HistogramBins& bins, const float* values,
                                                 size_t size, uint32_t* counts) {
  const __m256 lower = _mm256_set1_ps(bins.options.lower);
  const __m256 upper = _mm256_set1_ps(bins.options.upper);
  const __m256 keep = _mm256_castsi256_ps(
      _mm256_set1_epi32(bins.options.absolute ? INT32_MAX : static_cast<int>(0xFFFFFFFFU)));
  const __m256 first = _mm256_set1_ps(bins.first);
  const __m256 last = _mm256_set1_ps(bins.last);
  const __m256d origin = _mm256_set1_pd(static_cast<double>(bins.first));
  const __m256d factor = _mm256_set1_pd(bins.factor);
  const __m256 step = _mm256_set1_ps(bins.step);
  const __m256i zero = _mm256_setzero_si256();
  const __m256i minus_one = _mm256_set1_epi32(-1);
  const __m256i top = _mm256_set1_epi32(bins.bins - 1);
  uint32_t* const second = counts + bins.bins;
  alignas(32) int32_t found[kLanes];
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    // The value comes second: the result is that one where it is NaN.
    __m256 value = _mm256_min_ps(upper, _mm256_max_ps(lower, _mm256_loadu_ps(values + i)));
    value = _mm256_and_ps(value, keep);
    const __m256 inside = _mm256_and_ps(_mm256_cmp_ps(value, first, _CMP_GE_OQ),
                                        _mm256_cmp_ps(value, last, _CMP_LE_OQ));
    const int mask = _mm256_movemask_ps(inside);
    if (mask == 0) continue;
    __m256i bin = _mm256_set_m128i(Guess(_mm256_extractf128_ps(value, 1), origin, factor),
                                   Guess(_mm256_castps256_ps128(value), origin, factor));
    bin = _mm256_min_epi32(_mm256_max_epi32(bin, zero), top);
    const __m256 left = Edge(bin, step, first);
    const __m256 right = Edge(_mm256_sub_epi32(bin, minus_one), step, first);
    // Comparisons give -1 where they hold. The guess is off by one bin at most. A value below the
    // first edge stays in the first bin, where it adds nothing: no bin stands before it.
    const __m256i below =
        _mm256_castps_si256(_mm256_and_ps(_mm256_cmp_ps(value, left, _CMP_LT_OQ), inside));
    const __m256i above = _mm256_and_si256(
        _mm256_castps_si256(_mm256_cmp_ps(value, right, _CMP_GE_OQ)), _mm256_cmpgt_epi32(top, bin));
    bin = _mm256_sub_epi32(_mm256_add_epi32(bin, below), above);
    _mm256_store_si256(reinterpret_cast<__m256i*>(found), bin);
    if (mask == kAllLanes) {
      for (size_t lane = 0; lane < kLanes; lane += 2) {
        counts[found[lane]] += 1;
        second[found[lane + 1]] += 1;
      }
      continue;
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      counts[found[lane]] += static_cast<uint32_t>((mask >> lane) & 1);
    }
  }
  return i;
}

#else

bool CanCountAvx2(const HistogramBins& /*bins*/) { return false; }

size_t CountAvx2(const HistogramBins& /*bins*/, const float* /*values*/, size_t /*size*/,
                 uint32_t* /*counts*/) {
  return 0;
}

#endif

}  // namespace trtn

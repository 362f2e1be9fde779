#include <cstring>

#include "core/resample_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace trtn {

#if defined(__x86_64__)

namespace {

constexpr int kLowBits = 15;
constexpr int32_t kLowMask = (1 << kLowBits) - 1;
constexpr size_t kGroup = 4;   // inputs
constexpr size_t kLanes = 16;  // numbers of 16 bits
constexpr size_t kBlock = 16;  // columns

// Of the outputs that are kept: the others are used by nobody, and nobody has checked their sizes.
bool WeightsFit(const Axis& axis, size_t from, size_t count) {
  if (!axis.used()) return true;
  for (size_t i = from; i < from + count; ++i) {
    for (int32_t k = 0; k < axis.size[i]; ++k) {
      const int32_t weight = axis.weights[i * axis.stride + static_cast<size_t>(k)];
      if (weight >= (1 << 30) || weight < -(1 << 30)) return false;
    }
  }
  return true;
}

inline int16_t Low(int32_t weight) { return static_cast<int16_t>(weight & kLowMask); }
inline int16_t High(int32_t weight) { return static_cast<int16_t>(weight >> kLowBits); }

// Rounds and clips sums of low and high parts to eight bytes each of two vectors.
__attribute__((target("avx2"))) inline __m256i Rounded(__m256i low, __m256i high) {
  const __m256i sum = _mm256_add_epi32(low, _mm256_slli_epi32(high, kLowBits));
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(static_cast<int>(kHalf))),
                           kPrecisionBits);
}

}  // namespace

bool CanUseAvx2(const ResamplePlan& plan) {
  return __builtin_cpu_supports("avx2") && plan.kept_width * kChannels >= kBlock &&
         WeightsFit(plan.across, plan.left, plan.kept_width) &&
         WeightsFit(plan.down, plan.top, plan.kept_height);
}

AcrossAvx2::AcrossAvx2(const ResamplePlan& plan) {
  const Axis& axis = plan.across;
  outputs_.reserve(plan.kept_width);
  for (size_t x = plan.left; x < plan.left + plan.kept_width; ++x) {
    const auto size = static_cast<size_t>(axis.size[x]);
    const size_t groups = (size + kGroup - 1) / kGroup;
    outputs_.push_back({static_cast<size_t>(axis.first[x]) * kChannels, groups});
    for (size_t group = 0; group < groups; ++group) {
      int32_t w[kGroup] = {};
      for (size_t k = 0; k < kGroup && group * kGroup + k < size; ++k) {
        w[k] = axis.weights[x * axis.stride + group * kGroup + k];
      }
      // Per half: a pair of inputs for red, for green, for blue, and nothing.
      const auto add = [&](int16_t (*part)(int32_t)) {
        for (const size_t pair : {size_t{0}, size_t{2}}) {
          for (size_t channel = 0; channel < kChannels; ++channel) {
            weights_.push_back(part(w[pair]));
            weights_.push_back(part(w[pair + 1]));
          }
          weights_.insert(weights_.end(), 2, 0);
        }
      };
      add(Low);
      add(High);
    }
  }
}

__attribute__((target("avx2"))) void AcrossAvx2::Row(const uint8_t* row, uint8_t* target) const {
  const __m256i spread =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                       6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const int16_t* weights = weights_.data();
  for (const Output& output : outputs_) {
    const uint8_t* pixels = row + output.offset;
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    for (size_t group = 0; group < output.groups; ++group) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels));
      const __m256i values = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), spread);
      const auto* w = reinterpret_cast<const __m256i*>(weights);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(values, _mm256_loadu_si256(w)));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(values, _mm256_loadu_si256(w + 1)));
      pixels += kGroup * kChannels;
      weights += 2 * kLanes;
    }
    const __m256i both = _mm256_add_epi32(low, _mm256_slli_epi32(high, kLowBits));
    __m128i sum =
        _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(static_cast<int>(kHalf))),
                         kPrecisionBits);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    const int rgb = _mm_cvtsi128_si32(sum);
    std::memcpy(target, &rgb, kChannels);
    target += kChannels;
  }
}

namespace {

// Two rows and their weights: (first, second) in each 32 bits, low parts and high parts.
struct RowPair {
  const uint8_t* first;
  const uint8_t* second;
  int32_t low;
  int32_t high;
};

inline int32_t Pair(int16_t first, int16_t second) {
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(second)) << 16 |
                              static_cast<uint16_t>(first));
}

inline __m128i Load(const uint8_t* source) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
}

// Sixteen columns from `at` on.
__attribute__((target("avx2"))) inline __m128i DownBlock(const RowPair* pairs, size_t count,
                                                         size_t at) {
  __m256i low[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  __m256i high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t i = 0; i < count; ++i) {
    const __m128i first = Load(pairs[i].first + at);
    const __m128i second = Load(pairs[i].second + at);
    const __m256i low_weights = _mm256_set1_epi32(pairs[i].low);
    const __m256i high_weights = _mm256_set1_epi32(pairs[i].high);
    const __m256i left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
    const __m256i right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
    low[0] = _mm256_add_epi32(low[0], _mm256_madd_epi16(left, low_weights));
    low[1] = _mm256_add_epi32(low[1], _mm256_madd_epi16(right, low_weights));
    high[0] = _mm256_add_epi32(high[0], _mm256_madd_epi16(left, high_weights));
    high[1] = _mm256_add_epi32(high[1], _mm256_madd_epi16(right, high_weights));
  }
  // Packing works on halves of 128 bits; the permutation puts their parts in order.
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_packs_epi32(Rounded(low[0], high[0]), Rounded(low[1], high[1])), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

}  // namespace

__attribute__((target("avx2"))) void DownAvx2(const uint8_t* rows, size_t pitch,
                                              const int32_t* weights, size_t count,
                                              uint8_t* target) {
  std::vector<RowPair> pairs;
  pairs.reserve(count / 2 + 1);
  for (size_t k = 0; k < count; k += 2) {
    const bool two = k + 1 < count;
    const uint8_t* row = rows + k * pitch;
    const int32_t second = two ? weights[k + 1] : 0;
    pairs.push_back({row, two ? row + pitch : row, Pair(Low(weights[k]), Low(second)),
                     Pair(High(weights[k]), High(second))});
  }
  const auto store = [&](size_t at, __m128i bytes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + at), bytes);
  };
  size_t at = 0;
  for (; at + kBlock <= pitch; at += kBlock) store(at, DownBlock(pairs.data(), pairs.size(), at));
  // The last block lies over the one before it.
  if (at < pitch) store(pitch - kBlock, DownBlock(pairs.data(), pairs.size(), pitch - kBlock));
}

#else

bool CanUseAvx2(const ResamplePlan& /*plan*/) { return false; }
AcrossAvx2::AcrossAvx2(const ResamplePlan& /*plan*/) {}
void AcrossAvx2::Row(const uint8_t* /*row*/, uint8_t* /*target*/) const {}
void DownAvx2(const uint8_t* /*rows*/, size_t /*pitch*/, const int32_t* /*weights*/,
              size_t /*count*/, uint8_t* /*target*/) {}

#endif

}  // namespace trtn

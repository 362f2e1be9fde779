#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/tensorrt.h"

namespace trtn {

// What kernels took when earlier builds tried them, as trtexec's --timingCacheFile holds it. Must
// outlive the builds of its configuration.
class TimingCache {
 public:
  // Uses `bytes` in the builds of `config`; starts an empty one when they are empty, damaged or of
  // another GPU or version. Throws Error BUILD_FAILED when the library gives none at all.
  TimingCache(const std::vector<char>& bytes, nvinfer1::IBuilderConfig& config);

  // Whether the bytes were left out.
  bool ignored() const { return ignored_; }

  // Adds what `bytes` know; does nothing when they do not fit.
  void Combine(const std::vector<char>& bytes, nvinfer1::IBuilderConfig& config);

  // With all that the builds have added.
  std::vector<char> Bytes() const;

 private:
  Owned<nvinfer1::ITimingCache> cache_;
  bool ignored_ = false;
};

}  // namespace trtn

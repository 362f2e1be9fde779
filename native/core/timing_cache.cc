#include "core/timing_cache.h"

#include "core/error.h"

namespace trtn {

using nvinfer1::IBuilderConfig;
using nvinfer1::ITimingCache;

TimingCache::TimingCache(const std::vector<char>& bytes, IBuilderConfig& config) {
  if (!bytes.empty()) {
    cache_.reset(config.createTimingCache(bytes.data(), bytes.size()));
    if (cache_ != nullptr && config.setTimingCache(*cache_, false)) return;
    ignored_ = true;
  }
  cache_.reset(config.createTimingCache(nullptr, 0));
  if (cache_ == nullptr || !config.setTimingCache(*cache_, false)) {
    throw Error("BUILD_FAILED", "TensorRT did not create a timing cache");
  }
}

void TimingCache::Combine(const std::vector<char>& bytes, IBuilderConfig& config) {
  const Owned<ITimingCache> other(config.createTimingCache(bytes.data(), bytes.size()));
  if (other != nullptr) cache_->combine(*other, false);
}

std::vector<char> TimingCache::Bytes() const {
  const Owned<nvinfer1::IHostMemory> memory(cache_->serialize());
  if (memory == nullptr) return {};
  const char* data = static_cast<const char*>(memory->data());
  return {data, data + memory->size()};
}

}  // namespace trtn

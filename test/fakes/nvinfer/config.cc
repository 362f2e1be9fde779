// Profiles, the configuration's less simple setters, and the timing cache.
#include <cstring>
#include <set>

#include "builder.h"

namespace fake {

bool Profile::setDimensions(const char* name, OptProfileSelector select,
                            DimsArgument dims) noexcept {
  Shape shape = FromDims(dims);
  for (const int64_t extent : shape) {
    if (extent < 0) return false;
  }
  auto& slots = shapes[name];
  for (const auto& [other, known] : slots) {
    if (known.size() != shape.size()) return false;
  }
  slots[static_cast<int>(select)] = std::move(shape);
  return true;
}

Dims Profile::getDimensions(const char* name, OptProfileSelector select) const noexcept {
  const auto found = shapes.find(name);
  if (found != shapes.end()) {
    const auto slot = found->second.find(static_cast<int>(select));
    if (slot != found->second.end()) return ToDims(slot->second);
  }
  Dims none{};
  none.nbDims = -1;
  return none;
}

bool Profile::isValid() const noexcept {
  for (const auto& [name, slots] : shapes) {
    if (slots.size() != 3) return false;
    const Shape &min = slots.at(0), &opt = slots.at(1), &max = slots.at(2);
    for (size_t i = 0; i < min.size(); ++i) {
      if (min[i] > opt[i] || opt[i] > max[i]) return false;
    }
  }
  return true;
}

int32_t Config::addOptimizationProfile(const IOptimizationProfile* profile) noexcept {
  const auto* mine = static_cast<const Profile*>(profile);
  if (mine == nullptr || !mine->isValid()) {
    LogError(logger_, "IBuilderConfig::addOptimizationProfile: Error Code 3: API Usage Error "
                      "(Parameter check failed, condition: profile->isValid())");
    return -1;
  }
  profiles.push_back(mine);
  return static_cast<int32_t>(profiles.size()) - 1;
}

size_t Config::getMemoryPoolLimit(MemoryPoolType pool) const noexcept {
  const auto found = pools.find(static_cast<int>(pool));
  return found == pools.end() ? size_t{1} << 30 : found->second;
}

ITimingCache* Config::createTimingCache(const void* blob, size_t size) const noexcept {
  auto cache = std::make_unique<TimingCache>();
  if (size != 0 && !cache->Load(blob, size)) {
    LogError(logger_, "IBuilderConfig::createTimingCache: Error Code 1: Serialization (the timing "
                      "cache has no valid header)");
    return nullptr;
  }
  return cache.release();
}

bool Config::setTimingCache(const ITimingCache& cache, bool ignoreMismatch) noexcept {
  auto& mine = const_cast<TimingCache&>(static_cast<const TimingCache&>(cache));
  const Cuda* cuda = FindCuda(logger_);
  if (cuda == nullptr) return false;
  const std::string device = cuda->deviceName + " " + std::to_string(LibraryVersion());
  if (!mine.device.empty() && mine.device != device && !ignoreMismatch) {
    Log(logger_, ILogger::Severity::kWARNING,
        "The timing cache was made on \"" + mine.device + "\" and is not used on \"" + device + "\"");
    return false;
  }
  mine.device = device;
  timingCache = &mine;
  return true;
}

namespace {
constexpr char kTimingMagic[] = "FAKETIMING\n";
}

IHostMemory* TimingCache::serialize() const noexcept {
  std::string out = kTimingMagic + device + "\n";
  for (const auto& [key, value] : entries) out += key + "\t" + value + "\n";
  return new HostMemory(out + "end\n");
}

bool TimingCache::Load(const void* blob, size_t size) {
  const std::string text(static_cast<const char*>(blob), size);
  if (text.rfind(kTimingMagic, 0) != 0) return false;
  if (text.size() < 4 || text.compare(text.size() - 4, 4, "end\n") != 0) return false;
  size_t at = std::strlen(kTimingMagic);
  bool first = true;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    const size_t tab = line.find('\t');
    if (first) {
      device = line;
    } else if (tab != std::string::npos) {
      entries[line.substr(0, tab)] = line.substr(tab + 1);
    }
    first = false;
    at = end + 1;
  }
  return true;
}

bool TimingCache::combine(const ITimingCache& other, bool ignoreMismatch) noexcept {
  const auto& theirs = static_cast<const TimingCache&>(other);
  if (!ignoreMismatch && !device.empty() && !theirs.device.empty() && device != theirs.device) {
    return false;
  }
  if (device.empty()) device = theirs.device;
  entries.insert(theirs.entries.begin(), theirs.entries.end());
  return true;
}

bool TimingCache::reset() noexcept {
  entries.clear();
  return true;
}

}  // namespace fake

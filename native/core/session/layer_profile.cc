#include "core/session/layer_profile.h"

#include "core/text.h"

namespace trtn {

void LayerProfiler::reportLayerTime(const char* name, float milliseconds) noexcept {
  // Names repeat within a run, so the place decides; a library that reports other layers in another
  // run gets entries of their own.
  const std::string text = ValidUtf8(name == nullptr ? "" : name);
  size_t index = next_;
  while (index < layers_.size() && layers_[index].name != text) ++index;
  if (index == layers_.size()) layers_.push_back({text, {}});
  layers_[index].milliseconds.push_back(static_cast<double>(milliseconds));
  next_ = index + 1;
}

}  // namespace trtn

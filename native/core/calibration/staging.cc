#include "core/calibration/staging.h"

#include <algorithm>
#include <cstdint>

namespace trtn {
namespace {

// Small batches are staged several ahead: the source's thread may be busy for a while.
constexpr size_t kAheadBytes = 64 << 20;
constexpr size_t kMinSlots = 2;
constexpr size_t kMaxSlots = 16;

size_t SlotsFor(const std::vector<FeedInput>& inputs) {
  size_t bytes = 0;
  for (const FeedInput& input : inputs) bytes += input.bytes;
  return std::clamp(kAheadBytes / std::max<size_t>(bytes, 1), kMinSlots, kMaxSlots);
}

}  // namespace

CalibrationStaging::CalibrationStaging(int device, const std::vector<FeedInput>& inputs)
    : context_(cuda::PrimaryContext::Of(device)) {
  const cuda::CurrentContext current(context_);
  stream_.emplace();
  for (const FeedInput& input : inputs) {
    bytes_.push_back(input.bytes);
    device_.emplace_back(input.bytes);
  }
  pinned_.resize(SlotsFor(inputs));
  for (auto& slot : pinned_) {
    for (const size_t bytes : bytes_) slot.emplace_back(bytes);
  }
}

CalibrationStaging::~CalibrationStaging() {
  try {
    const cuda::CurrentContext current(context_);
    if (stream_) stream_->Drain();
    pinned_.clear();
    device_.clear();
    stream_.reset();
  } catch (const Error&) {
    // After a sticky error the driver refuses everything.
  }
}

std::vector<BatchFeed::Slot> CalibrationStaging::slots() const {
  std::vector<BatchFeed::Slot> slots(pinned_.size());
  for (size_t i = 0; i < pinned_.size(); ++i) {
    for (const auto& buffer : pinned_[i]) slots[i].push_back(buffer.get());
  }
  return slots;
}

void CalibrationStaging::Upload(size_t slot) {
  // TensorRT may have changed what is current on its thread.
  const cuda::CurrentContext current(context_);
  for (size_t i = 0; i < bytes_.size(); ++i) {
    cuda::Check(cuda::Driver().MemcpyHtoDAsync(device_[i].get(), pinned_[slot][i].get(), bytes_[i],
                                               stream_->get()),
                "cuMemcpyHtoDAsync");
  }
  stream_->Synchronize();
}

void* CalibrationStaging::device_pointer(size_t input) const {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(device_[input].get()));
}

}  // namespace trtn

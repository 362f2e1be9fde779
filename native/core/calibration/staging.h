#pragma once

#include <optional>
#include <vector>

#include "core/calibration/batch_feed.h"
#include "core/cuda/context.h"
#include "core/cuda/owners.h"

namespace trtn {

// The memory that batches go through: page-locked blocks that are filled ahead, and one block of
// device memory an input, which TensorRT reads.
class CalibrationStaging {
 public:
  CalibrationStaging(int device, const std::vector<FeedInput>& inputs);
  ~CalibrationStaging();
  CalibrationStaging(const CalibrationStaging&) = delete;
  CalibrationStaging& operator=(const CalibrationStaging&) = delete;

  std::vector<BatchFeed::Slot> slots() const;
  // Copies a slot to the device; blocks until it is there.
  void Upload(size_t slot);
  void* device_pointer(size_t input) const;

 private:
  const cuda::PrimaryContext& context_;
  std::vector<size_t> bytes_;
  // By slot, then by input.
  std::vector<std::vector<cuda::PinnedBuffer>> pinned_;
  std::vector<cuda::DeviceBuffer> device_;
  std::optional<cuda::Stream> stream_;
};

}  // namespace trtn

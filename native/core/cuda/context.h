#pragma once

#include "core/cuda/api.h"

namespace trtn::cuda {

// The primary context of one GPU: the one that TensorRT's own CUDA runtime uses. Retained once a
// process and kept: releasing it would pull the ground from under libraries that share it.
class PrimaryContext {
 public:
  // Throws Error DEVICE_NOT_FOUND when there is no GPU of that number.
  static const PrimaryContext& Of(int device);

  // For a thread that does nothing else with CUDA.
  void MakeCurrent() const;
  int device() const { return device_; }

 private:
  friend class CurrentContext;
  explicit PrimaryContext(int device);

  int device_;
  ContextHandle handle_ = nullptr;
};

// Makes the context current for a scope on a thread that may have another one, such as JavaScript's.
class CurrentContext {
 public:
  explicit CurrentContext(const PrimaryContext& context);
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
};

struct DeviceMemory {
  size_t free = 0;
  size_t total = 0;
};

// Of the GPU whose context is current.
DeviceMemory QueryMemory();

}  // namespace trtn::cuda

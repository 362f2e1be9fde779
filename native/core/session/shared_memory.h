#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "core/cuda/context.h"
#include "core/cuda/owners.h"

namespace trtn {

// Device memory that outlives sessions and may pass between them. Freed on whichever thread drops the
// last reference.
class DeviceBlock {
 public:
  DeviceBlock(int device, size_t bytes);
  ~DeviceBlock();
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;

  cuda::DevicePointer pointer() const { return buffer_.get(); }
  size_t bytes() const { return bytes_; }
  int device() const { return context_.device(); }
  // Both block the calling thread.
  void Upload(const void* source, size_t bytes) const;
  void Download(void* target, size_t bytes) const;

 private:
  const cuda::PrimaryContext& context_;
  const size_t bytes_;
  cuda::DeviceBuffer buffer_;
};

// JavaScript's memory that is page-locked, by address: whatever array looks into it is copied by the
// GPU itself. A run holds what it uses, so that unlocking waits for the run.
class PinnedMemory {
 public:
  // Never destroyed: jobs of any thread may look here.
  static PinnedMemory& Get();

  // Locks the memory; it must stay where it is until Remove was called and every reference that Find
  // gave is gone. Throws Error.
  void Add(int device, void* pointer, size_t bytes);
  void Remove(void* pointer);
  // Null when any byte is outside.
  std::shared_ptr<const void> Find(const void* pointer, size_t bytes) const;
  // Bytes locked at this time.
  size_t bytes() const { return bytes_.load(); }

 private:
  struct Entry {
    size_t bytes;
    std::shared_ptr<const cuda::HostRegistration> registration;
  };

  mutable std::mutex mutex_;
  std::map<uintptr_t, Entry> entries_;
  std::atomic<size_t> bytes_{0};
};

}  // namespace trtn

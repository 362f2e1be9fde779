#include "core/session/shared_memory.h"

#include <algorithm>
#include <cstdint>

namespace trtn {
namespace {

// The driver wants a context even to give memory back, and a worker's last reference may go anywhere.
template <typename F>
void WithContext(const cuda::PrimaryContext& context, F free) {
  try {
    const cuda::CurrentContext current(context);
    free();
  } catch (const Error&) {
    // After a sticky error the driver refuses everything.
  }
}

}  // namespace

DeviceBlock::DeviceBlock(int device, size_t bytes)
    : context_(cuda::PrimaryContext::Of(device)), bytes_(bytes) {
  const cuda::CurrentContext current(context_);
  buffer_ = cuda::DeviceBuffer(std::max<size_t>(bytes, 1));
}

DeviceBlock::~DeviceBlock() {
  WithContext(context_, [this] { buffer_ = cuda::DeviceBuffer(); });
}

void DeviceBlock::Upload(const void* source, size_t bytes) const {
  if (bytes == 0) return;
  const cuda::CurrentContext current(context_);
  const cuda::Stream stream;
  cuda::Check(cuda::Driver().MemcpyHtoDAsync(pointer(), source, bytes, stream.get()),
              "cuMemcpyHtoDAsync");
  stream.Synchronize();
}

void DeviceBlock::Download(void* target, size_t bytes) const {
  if (bytes == 0) return;
  const cuda::CurrentContext current(context_);
  const cuda::Stream stream;
  cuda::Check(cuda::Driver().MemcpyDtoHAsync(target, pointer(), bytes, stream.get()),
              "cuMemcpyDtoHAsync");
  stream.Synchronize();
}

PinnedMemory& PinnedMemory::Get() {
  static auto* const memory = new PinnedMemory();
  return *memory;
}

void PinnedMemory::Add(int device, void* pointer, size_t bytes) {
  const cuda::PrimaryContext& context = cuda::PrimaryContext::Of(device);
  const cuda::CurrentContext current(context);
  const std::shared_ptr<const cuda::HostRegistration> registration(
      new cuda::HostRegistration(pointer, bytes),
      [&context](const cuda::HostRegistration* owner) {
        WithContext(context, [owner] { delete owner; });
      });
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_[reinterpret_cast<uintptr_t>(pointer)] = {bytes, registration};
  bytes_ += bytes;
}

void PinnedMemory::Remove(void* pointer) {
  std::shared_ptr<const cuda::HostRegistration> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == entries_.end()) return;
  bytes_ -= found->second.bytes;
  dropped = std::move(found->second.registration);
  entries_.erase(found);
}

std::shared_ptr<const void> PinnedMemory::Find(const void* pointer, size_t bytes) const {
  if (bytes_.load(std::memory_order_acquire) == 0) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex_);
  auto after = entries_.upper_bound(reinterpret_cast<uintptr_t>(pointer));
  if (after == entries_.begin()) return nullptr;
  const auto& registration = std::prev(after)->second.registration;
  return registration->Covers(pointer, bytes) ? registration : nullptr;
}

}  // namespace trtn

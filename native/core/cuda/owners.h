#pragma once

#include <cstddef>
#include <utility>

#include "core/cuda/api.h"

namespace trtn::cuda {

// Move-only owners of the driver's objects. All need a current context, for their destructors too.
// Destructors ignore errors: after a sticky one every call fails, and the memory is gone anyway.

// A move-only handle that `Free` gives back.
template <typename Handle, void (*Free)(Handle)>
class Owner {
 public:
  Owner() = default;
  explicit Owner(Handle handle) : handle_(handle) {}
  ~Owner() { Reset(); }
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  Owner& operator=(Owner&& other) noexcept {
    if (this != &other) {
      Reset();
      handle_ = std::exchange(other.handle_, Handle{});
    }
    return *this;
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  void Reset() {
    if (handle_ != Handle{}) Free(std::exchange(handle_, Handle{}));
  }

 private:
  Handle handle_{};
};

void FreeStream(StreamHandle stream);
void FreeEvent(EventHandle event);
void FreeGraphExec(GraphExecHandle graph);
void FreeDevice(DevicePointer pointer);
void FreePinned(void* pointer);
void Unregister(void* pointer);

// A stream that does not wait for the default stream.
class Stream {
 public:
  Stream();
  StreamHandle get() const { return owner_.get(); }
  void Synchronize() const;
  // Polls instead of leaving the wait to the driver.
  void Spin() const;
  // Whether everything queued is done.
  bool Done() const;
  // Waits for what was queued and swallows the error: before host memory is given back.
  void Drain() const noexcept;

 private:
  Owner<StreamHandle, FreeStream> owner_;
};

class Event {
 public:
  explicit Event(unsigned flags = kEventDefault);
  EventHandle get() const { return owner_.get(); }
  void Record(const Stream& stream) const;
  // Both events must have been reached.
  static float MillisecondsBetween(const Event& from, const Event& to);

 private:
  Owner<EventHandle, FreeEvent> owner_;
};

// Device memory, aligned to at least 256 bytes.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(size_t bytes);
  DevicePointer get() const { return owner_.get(); }
  size_t bytes() const { return owner_ ? bytes_ : 0; }
  // At least `bytes`, keeping the buffer when it is large enough; its content goes otherwise.
  void Grow(size_t bytes);

 private:
  Owner<DevicePointer, FreeDevice> owner_;
  size_t bytes_ = 0;
};

// Page-locked host memory of the driver's.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(size_t bytes);
  unsigned char* get() const { return static_cast<unsigned char*>(owner_.get()); }
  size_t bytes() const { return owner_ ? bytes_ : 0; }
  void Grow(size_t bytes);

 private:
  Owner<void*, FreePinned> owner_;
  size_t bytes_ = 0;
};

// Memory of someone else's, page-locked for as long as this lives. The memory must live longer.
class HostRegistration {
 public:
  HostRegistration(void* pointer, size_t bytes);
  bool Covers(const void* pointer, size_t bytes) const;

 private:
  Owner<void*, Unregister> owner_;
  size_t bytes_;
};

// A captured graph, ready to launch.
class GraphExec {
 public:
  GraphExec() = default;
  // Ends the capture of `stream` and instantiates what it holds.
  static GraphExec EndCapture(const Stream& stream);
  static void BeginCapture(const Stream& stream);
  // Leaves capture mode and drops what was captured, after a failure in between.
  static void AbandonCapture(const Stream& stream) noexcept;

  explicit operator bool() const { return static_cast<bool>(owner_); }
  void Launch(const Stream& stream) const;

 private:
  Owner<GraphExecHandle, FreeGraphExec> owner_;
};

}  // namespace trtn::cuda

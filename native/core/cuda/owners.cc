#include "core/cuda/owners.h"

#include <cstdint>

#include "core/cuda/pause.h"

namespace trtn::cuda {

void FreeStream(StreamHandle stream) { Driver().StreamDestroy(stream); }
void FreeEvent(EventHandle event) { Driver().EventDestroy(event); }
void FreeGraphExec(GraphExecHandle graph) { Driver().GraphExecDestroy(graph); }
void FreeDevice(DevicePointer pointer) { Driver().MemFree(pointer); }
void FreePinned(void* pointer) { Driver().MemFreeHost(pointer); }
void Unregister(void* pointer) { Driver().MemHostUnregister(pointer); }

Stream::Stream() {
  StreamHandle handle = nullptr;
  Check(Driver().StreamCreate(&handle, kStreamNonBlocking), "cuStreamCreate");
  owner_ = Owner<StreamHandle, FreeStream>(handle);
}

void Stream::Synchronize() const { Check(Driver().StreamSynchronize(get()), "cuStreamSynchronize"); }

void Stream::Spin() const {
  const Api& api = Driver();
  Result result = kNotReady;
  while ((result = api.StreamQuery(get())) == kNotReady) CpuPause();
  Check(result, "cuStreamQuery");
}

bool Stream::Done() const {
  const Result result = Driver().StreamQuery(get());
  if (result == kNotReady) return false;
  Check(result, "cuStreamQuery");
  return true;
}

void Stream::Drain() const noexcept { Driver().StreamSynchronize(get()); }

Event::Event(unsigned flags) {
  EventHandle handle = nullptr;
  Check(Driver().EventCreate(&handle, flags), "cuEventCreate");
  owner_ = Owner<EventHandle, FreeEvent>(handle);
}

void Event::Record(const Stream& stream) const {
  Check(Driver().EventRecord(get(), stream.get()), "cuEventRecord");
}

float Event::MillisecondsBetween(const Event& from, const Event& to) {
  float milliseconds = 0;
  Check(Driver().EventElapsedTime(&milliseconds, from.get(), to.get()), "cuEventElapsedTime");
  return milliseconds;
}

DeviceBuffer::DeviceBuffer(size_t bytes) : bytes_(bytes) {
  DevicePointer pointer = 0;
  Check(Driver().MemAlloc(&pointer, bytes), "cuMemAlloc");
  owner_ = Owner<DevicePointer, FreeDevice>(pointer);
}

void DeviceBuffer::Grow(size_t bytes) {
  if (bytes <= this->bytes()) return;
  // The old block goes first: both at once may not fit.
  owner_.Reset();
  *this = DeviceBuffer(bytes);
}

PinnedBuffer::PinnedBuffer(size_t bytes) : bytes_(bytes) {
  void* pointer = nullptr;
  Check(Driver().MemHostAlloc(&pointer, bytes, kHostPortable), "cuMemHostAlloc");
  owner_ = Owner<void*, FreePinned>(pointer);
}

void PinnedBuffer::Grow(size_t bytes) {
  if (bytes <= this->bytes()) return;
  owner_.Reset();
  *this = PinnedBuffer(bytes);
}

HostRegistration::HostRegistration(void* pointer, size_t bytes) : bytes_(bytes) {
  Check(Driver().MemHostRegister(pointer, bytes, kHostPortable), "cuMemHostRegister");
  owner_ = Owner<void*, Unregister>(pointer);
}

bool HostRegistration::Covers(const void* pointer, size_t bytes) const {
  const auto begin = reinterpret_cast<uintptr_t>(owner_.get());
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  return at >= begin && bytes <= bytes_ && at - begin <= bytes_ - bytes;
}

void GraphExec::BeginCapture(const Stream& stream) {
  Check(Driver().StreamBeginCapture(stream.get(), kCaptureThreadLocal), "cuStreamBeginCapture");
}

GraphExec GraphExec::EndCapture(const Stream& stream) {
  const Api& api = Driver();
  GraphHandle graph = nullptr;
  Check(api.StreamEndCapture(stream.get(), &graph), "cuStreamEndCapture");
  GraphExecHandle handle = nullptr;
  const Result result = api.GraphInstantiate(&handle, graph, 0);
  api.GraphDestroy(graph);
  Check(result, "cuGraphInstantiate");
  GraphExec exec;
  exec.owner_ = Owner<GraphExecHandle, FreeGraphExec>(handle);
  Check(api.GraphUpload(handle, stream.get()), "cuGraphUpload");
  return exec;
}

void GraphExec::AbandonCapture(const Stream& stream) noexcept {
  const Api& api = Driver();
  GraphHandle graph = nullptr;
  if (api.StreamEndCapture(stream.get(), &graph) == kSuccess && graph != nullptr) {
    api.GraphDestroy(graph);
  }
}

void GraphExec::Launch(const Stream& stream) const {
  Check(Driver().GraphLaunch(owner_.get(), stream.get()), "cuGraphLaunch");
}

}  // namespace trtn::cuda

// Events: points in a stream that the host or another stream can wait for.
#include <chrono>

#include "fake_cuda.h"

namespace fake {
namespace {

struct Events {
  std::mutex mutex;
  // Shared, because operations still in a queue outlive the destroyed event.
  std::map<CUevent, std::shared_ptr<CUevent_st>> live;
};

Events& events() {
  static Events* instance = new Events;
  return *instance;
}

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::shared_ptr<CUevent_st> FindEvent(CUevent event) {
  Events& r = events();
  std::lock_guard<std::mutex> lock(r.mutex);
  const auto found = r.live.find(event);
  return found == r.live.end() ? nullptr : found->second;
}

}  // namespace

size_t CountEvents() {
  Events& r = events();
  std::lock_guard<std::mutex> lock(r.mutex);
  return r.live.size();
}

void ForgetCapture(CUgraph_st* graph) {
  Events& r = events();
  std::lock_guard<std::mutex> lock(r.mutex);
  for (auto& [event, shared] : r.live) {
    if (shared->capture == graph) shared->capture = nullptr;
  }
}

}  // namespace fake

FAKE_API CUresult cuEventCreate(CUevent* event, unsigned flags) {
  FAKE_ENTER("cuEventCreate");
  if (fake::LiveCurrent() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  auto shared = std::make_shared<CUevent_st>();
  shared->timing = (flags & 2) == 0;
  *event = shared.get();
  auto& r = fake::events();
  std::lock_guard<std::mutex> lock(r.mutex);
  r.live[*event] = shared;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuEventDestroy_v2(CUevent event) {
  FAKE_ENTER("cuEventDestroy_v2");
  auto& r = fake::events();
  std::lock_guard<std::mutex> lock(r.mutex);
  return r.live.erase(event) != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

FAKE_API CUresult cuEventRecord(CUevent handle, CUstream streamHandle) {
  FAKE_ENTER("cuEventRecord");
  const auto event = fake::FindEvent(handle);
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(streamHandle, &error);
  if (!event || stream == nullptr) return event ? error : CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture != nullptr) {
    // Inside a capture a record is an edge of the graph: nothing is recorded when it is launched.
    event->capture = stream->capture;
    return CUDA_SUCCESS;
  }
  event->capture = nullptr;
  uint64_t number = 0;
  {
    std::lock_guard<std::mutex> lock(event->mutex);
    number = ++event->recorded;
  }
  return fake::Enqueue(stream, {[event, number] {
                                  std::lock_guard<std::mutex> lock(event->mutex);
                                  if (number > event->completed) event->completed = number;
                                  event->nanoseconds = fake::Now();
                                  event->changed.notify_all();
                                  return CUDA_SUCCESS;
                                },
                                false});
}

FAKE_API CUresult cuStreamWaitEvent(CUstream streamHandle, CUevent handle, unsigned) {
  FAKE_ENTER("cuStreamWaitEvent");
  const auto event = fake::FindEvent(handle);
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(streamHandle, &error);
  if (!event || stream == nullptr) return event ? error : CUDA_ERROR_INVALID_HANDLE;
  if (event->capture != nullptr) {
    // Waiting for an event of a capture takes the stream into that capture.
    if (stream->capture == nullptr) stream->capture = event->capture;
    return stream->capture == event->capture ? CUDA_SUCCESS : CUDA_ERROR_NOT_PERMITTED;
  }
  if (stream->capture != nullptr) {
    stream->capture->invalidated = true;
    return 905;  // CUDA_ERROR_STREAM_CAPTURE_ISOLATION
  }
  uint64_t number = 0;
  {
    std::lock_guard<std::mutex> lock(event->mutex);
    number = event->recorded;
  }
  return fake::Enqueue(stream, {[event, number] {
                                  std::unique_lock<std::mutex> lock(event->mutex);
                                  event->changed.wait(
                                      lock, [&] { return event->completed >= number; });
                                  return CUDA_SUCCESS;
                                },
                                false});
}

FAKE_API CUresult cuEventSynchronize(CUevent handle) {
  FAKE_ENTER("cuEventSynchronize");
  const auto event = fake::FindEvent(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  std::unique_lock<std::mutex> lock(event->mutex);
  event->changed.wait(lock, [&] { return event->completed >= event->recorded; });
  return fake::Lost();
}

FAKE_API CUresult cuEventQuery(CUevent handle) {
  FAKE_ENTER("cuEventQuery");
  const auto event = fake::FindEvent(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  std::lock_guard<std::mutex> lock(event->mutex);
  return event->completed >= event->recorded ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

FAKE_API CUresult cuEventElapsedTime(float* milliseconds, CUevent startHandle, CUevent endHandle) {
  FAKE_ENTER("cuEventElapsedTime");
  const auto start = fake::FindEvent(startHandle);
  const auto end = fake::FindEvent(endHandle);
  if (!start || !end || !start->timing || !end->timing) return CUDA_ERROR_INVALID_HANDLE;
  if (start->recorded == 0 || end->recorded == 0) return CUDA_ERROR_INVALID_HANDLE;
  if (start->completed < start->recorded || end->completed < end->recorded) {
    return CUDA_ERROR_NOT_READY;
  }
  *milliseconds = static_cast<float>(end->nanoseconds - start->nanoseconds) / 1e6F;
  return CUDA_SUCCESS;
}

// Streams. A stream is a thread that executes its operations one after the other, later
// than the call that queued them: a missing synchronisation shows as wrong data.
#include <chrono>

#include "fake_cuda.h"

namespace fake {
namespace {

struct Registry {
  std::mutex mutex;
  std::set<CUstream> streams;
  CUstream defaultStream = nullptr;
};

Registry& registry() {
  static Registry* instance = new Registry;
  return *instance;
}

thread_local int threadCaptureMode = 0;

void Work(CUstream stream) {
  std::unique_lock<std::mutex> lock(stream->mutex);
  for (;;) {
    stream->changed.wait(lock, [&] { return stream->stop || !stream->queue.empty(); });
    if (stream->queue.empty()) return;
    const auto operation = stream->queue.front();
    stream->queue.pop_front();
    stream->busy = true;
    lock.unlock();
    RunOperation(*operation);
    lock.lock();
    stream->busy = false;
    stream->changed.notify_all();
  }
}

CUstream NewStream(CUctx_st* context, unsigned flags, int priority) {
  auto* stream = new CUstream_st;
  stream->context = context;
  stream->nonBlocking = (flags & 1) != 0;
  stream->priority = priority;
  stream->worker = std::thread(Work, stream);
  return stream;
}

void Drain(CUstream stream) {
  std::unique_lock<std::mutex> lock(stream->mutex);
  stream->changed.wait(lock, [&] { return stream->queue.empty() && !stream->busy; });
}

}  // namespace

void RunOperation(const Operation& operation) {
  if (operation.copyOrKernel && settings().delayUs > 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(settings().delayUs));
  }
  // After a device fault nothing executes any more, but what waits must still be released.
  if (Lost() == CUDA_SUCCESS || !operation.copyOrKernel) {
    const CUresult result = operation.run();
    if (result != CUDA_SUCCESS) Lose(result);
  }
  EndOperation();
}

CUresult ForbiddenInCapture() {
  if (threadCaptureMode == 2) return CUDA_SUCCESS;
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  bool forbidden = false;
  for (CUstream stream : r.streams) {
    if (stream->capture == nullptr || !stream->captureOrigin || stream->captureMode == 2) continue;
    const bool here = stream->captureThread == std::this_thread::get_id();
    // A capture in global mode forbids unsafe calls of every thread that is itself in that mode:
    // one session capturing breaks another session's cuMemAlloc.
    if (here || (stream->captureMode == 0 && threadCaptureMode == 0)) {
      stream->capture->invalidated = true;
      forbidden = true;
    }
  }
  return forbidden ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

CUstream Resolve(CUstream stream, CUresult* error) {
  Registry& r = registry();
  if (reinterpret_cast<uintptr_t>(stream) <= 2) {
    if (LiveCurrent() == nullptr) {
      *error = CUDA_ERROR_INVALID_CONTEXT;
      return nullptr;
    }
    std::lock_guard<std::mutex> lock(r.mutex);
    if (r.defaultStream == nullptr) r.defaultStream = NewStream(nullptr, 0, 0);
    return r.defaultStream;
  }
  std::lock_guard<std::mutex> lock(r.mutex);
  if (r.streams.count(stream) != 0) return stream;
  *error = CUDA_ERROR_INVALID_HANDLE;
  return nullptr;
}

bool Capturing(CUstream stream) {
  CUresult error = CUDA_SUCCESS;
  const CUstream found = Resolve(stream, &error);
  return found != nullptr && found->capture != nullptr;
}

CUresult Enqueue(CUstream handle, Operation operation, bool wait) {
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = Resolve(handle, &error);
  if (stream == nullptr) return error;
  auto shared = std::make_shared<Operation>(std::move(operation));
  if (stream->capture != nullptr) {
    if (stream->capture->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    stream->capture->operations.push_back(std::move(shared));
    return CUDA_SUCCESS;
  }
  {
    std::lock_guard<std::mutex> lock(stream->mutex);
    stream->queue.push_back(std::move(shared));
  }
  stream->changed.notify_all();
  if (wait) {
    Drain(stream);
    return Lost();
  }
  return CUDA_SUCCESS;
}

// Synchronous calls are work of the default stream, which waits for every blocking stream.
CUresult WaitBlockingStreams() {
  std::vector<CUstream> streams;
  {
    Registry& r = registry();
    std::lock_guard<std::mutex> lock(r.mutex);
    if (r.defaultStream != nullptr) streams.push_back(r.defaultStream);
    for (CUstream stream : r.streams) {
      if (!stream->nonBlocking && stream->capture == nullptr) streams.push_back(stream);
    }
  }
  for (CUstream stream : streams) Drain(stream);
  return Lost();
}

size_t CountStreams() {
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  return r.streams.size();
}

void EndCaptureOf(CUgraph_st* graph) {
  ForgetCapture(graph);
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  for (CUstream stream : r.streams) {
    if (stream->capture != graph) continue;
    stream->capture = nullptr;
    stream->captureOrigin = false;
  }
}

}  // namespace fake

FAKE_API CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int priority) {
  FAKE_ENTER("cuStreamCreateWithPriority");
  CUctx_st* context = fake::LiveCurrent();
  if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  if (flags > 1) return CUDA_ERROR_INVALID_VALUE;
  *stream = fake::NewStream(context, flags, priority);
  auto& r = fake::registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  r.streams.insert(*stream);
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  FAKE_ENTER("cuStreamCreate");
  return cuStreamCreateWithPriority(stream, flags, 0);
}

FAKE_API CUresult cuStreamDestroy_v2(CUstream stream) {
  FAKE_ENTER("cuStreamDestroy_v2");
  {
    auto& r = fake::registry();
    std::lock_guard<std::mutex> lock(r.mutex);
    if (r.streams.erase(stream) == 0) return CUDA_ERROR_INVALID_HANDLE;
  }
  {
    std::lock_guard<std::mutex> lock(stream->mutex);
    stream->stop = true;
  }
  stream->changed.notify_all();
  stream->worker.join();  // what is queued still executes, as with the real driver
  delete stream;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuStreamSynchronize(CUstream handle) {
  FAKE_ENTER("cuStreamSynchronize");
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(handle, &error);
  if (stream == nullptr) return error;
  if (stream->capture != nullptr) {
    stream->capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  fake::Drain(stream);
  return fake::Lost();
}

FAKE_API CUresult cuStreamQuery(CUstream handle) {
  FAKE_ENTER("cuStreamQuery");
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(handle, &error);
  if (stream == nullptr) return error;
  if (stream->capture != nullptr) {
    stream->capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  std::lock_guard<std::mutex> lock(stream->mutex);
  return stream->queue.empty() && !stream->busy ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

FAKE_API CUresult cuStreamGetPriority(CUstream handle, int* priority) {
  FAKE_ENTER("cuStreamGetPriority");
  CUresult error = CUDA_SUCCESS;
  const CUstream stream = fake::Resolve(handle, &error);
  if (stream == nullptr) return error;
  *priority = stream->priority;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuCtxSynchronize() {
  FAKE_ENTER_UNSAFE("cuCtxSynchronize");
  if (fake::LiveCurrent() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  std::vector<CUstream> streams;
  {
    auto& r = fake::registry();
    std::lock_guard<std::mutex> lock(r.mutex);
    streams.assign(r.streams.begin(), r.streams.end());
    if (r.defaultStream != nullptr) streams.push_back(r.defaultStream);
  }
  for (CUstream stream : streams) fake::Drain(stream);
  return fake::Lost();
}

FAKE_API CUresult cuLaunchHostFunc(CUstream stream, void (*function)(void*), void* data) {
  FAKE_ENTER("cuLaunchHostFunc");
  if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return fake::Enqueue(stream, {[=] {
                                  fake::InHostFunction(true);
                                  function(data);
                                  fake::InHostFunction(false);
                                  return CUDA_SUCCESS;
                                },
                                true});
}

FAKE_API CUresult cuStreamAddCallback(CUstream stream, void (*callback)(CUstream, CUresult, void*),
                                      void* data, unsigned) {
  FAKE_ENTER("cuStreamAddCallback");
  if (fake::Capturing(stream)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  // Unlike a host function a callback is called after a fault too, with the error.
  return fake::Enqueue(stream, {[=] {
                                  fake::InHostFunction(true);
                                  callback(stream, fake::Lost(), data);
                                  fake::InHostFunction(false);
                                  return CUDA_SUCCESS;
                                },
                                false});
}

FAKE_API CUresult cuThreadExchangeStreamCaptureMode(int* mode) {
  FAKE_ENTER("cuThreadExchangeStreamCaptureMode");
  std::swap(*mode, fake::threadCaptureMode);
  return CUDA_SUCCESS;
}

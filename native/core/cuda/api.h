#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"

// The names that the driver gives its handles; TensorRT's headers use the first two as well.
struct CUstream_st;
struct CUevent_st;
struct CUctx_st;
struct CUgraph_st;
struct CUgraphExec_st;

namespace trtn::cuda {

using Result = int;
using DeviceHandle = int;
using DevicePointer = unsigned long long;
using StreamHandle = CUstream_st*;
using EventHandle = CUevent_st*;
using ContextHandle = CUctx_st*;
using GraphHandle = CUgraph_st*;
using GraphExecHandle = CUgraphExec_st*;

// Numbers of the driver's public API.
constexpr Result kSuccess = 0;
constexpr Result kOutOfMemory = 2;
constexpr Result kNotReady = 600;
constexpr Result kAlreadyRegistered = 712;
constexpr unsigned kStreamNonBlocking = 1;
constexpr unsigned kEventDefault = 0;
constexpr unsigned kEventDisableTiming = 2;
constexpr unsigned kHostPortable = 1;
// Only this thread's unsafe calls are refused while it captures; other sessions go on.
constexpr int kCaptureThreadLocal = 1;

// The driver's functions that sessions use, found once a process.
struct Api {
  Result (*Init)(unsigned);
  Result (*GetErrorName)(Result, const char**);
  Result (*GetErrorString)(Result, const char**);
  Result (*DeviceGetCount)(int*);
  Result (*DeviceGet)(DeviceHandle*, int);
  Result (*PrimaryCtxRetain)(ContextHandle*, DeviceHandle);
  Result (*CtxSetCurrent)(ContextHandle);
  Result (*CtxPushCurrent)(ContextHandle);
  Result (*CtxPopCurrent)(ContextHandle*);
  Result (*StreamCreate)(StreamHandle*, unsigned);
  Result (*StreamDestroy)(StreamHandle);
  Result (*StreamSynchronize)(StreamHandle);
  Result (*StreamQuery)(StreamHandle);
  Result (*StreamBeginCapture)(StreamHandle, int);
  Result (*StreamEndCapture)(StreamHandle, GraphHandle*);
  Result (*EventCreate)(EventHandle*, unsigned);
  Result (*EventDestroy)(EventHandle);
  Result (*EventRecord)(EventHandle, StreamHandle);
  Result (*EventElapsedTime)(float*, EventHandle, EventHandle);
  Result (*GraphInstantiate)(GraphExecHandle*, GraphHandle, unsigned long long);
  Result (*GraphUpload)(GraphExecHandle, StreamHandle);
  Result (*GraphLaunch)(GraphExecHandle, StreamHandle);
  Result (*GraphExecDestroy)(GraphExecHandle);
  Result (*GraphDestroy)(GraphHandle);
  Result (*MemAlloc)(DevicePointer*, size_t);
  Result (*MemFree)(DevicePointer);
  Result (*MemHostAlloc)(void**, size_t, unsigned);
  Result (*MemFreeHost)(void*);
  Result (*MemHostRegister)(void*, size_t, unsigned);
  Result (*MemHostUnregister)(void*);
  Result (*MemcpyHtoDAsync)(DevicePointer, const void*, size_t, StreamHandle);
  Result (*MemcpyDtoHAsync)(void*, DevicePointer, size_t, StreamHandle);
  Result (*MemcpyDtoDAsync)(DevicePointer, DevicePointer, size_t, StreamHandle);
  Result (*MemsetD8Async)(DevicePointer, unsigned char, size_t, StreamHandle);
  Result (*MemGetInfo)(size_t*, size_t*);
};

// Opens and starts the driver on the first call. Throws Error DEVICE_NOT_FOUND when there is none, or
// when it does not start.
const Api& Driver();

// A driver call that failed: OUT_OF_MEMORY when the device's memory is exhausted, otherwise
// INFERENCE_FAILED. The message names the call and the driver's name of the error.
class CudaError : public Error {
 public:
  CudaError(Result result, const char* call);
  Result result() const { return result_; }
  // Whether the driver answers every later call of this process with the same error.
  bool sticky() const { return IsSticky(result_); }
  static bool IsSticky(Result result);

 private:
  Result result_;
};

inline void Check(Result result, const char* call) {
  if (result != kSuccess) throw CudaError(result, call);
}

}  // namespace trtn::cuda

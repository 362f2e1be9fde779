// The fake driver's inside. Everything is declared here by ourselves: no CUDA header is used.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;

enum : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712,
  CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED = 713,
  CUDA_ERROR_NOT_PERMITTED = 800,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903,
  CUDA_ERROR_STREAM_CAPTURE_UNJOINED = 904,
  CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906,
  CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD = 908,
  CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE = 910,
  CUDA_ERROR_UNKNOWN = 999,
};

#define FAKE_API extern "C" __attribute__((visibility("default")))

// Every entry point starts so: counts the call and answers what the environment scripts.
#define FAKE_ENTER(name) \
  if (const CUresult scripted = fake::Enter(name, fake::kNormal)) return scripted
// The same for calls that a stream capture forbids.
#define FAKE_ENTER_UNSAFE(name)                                             \
  if (const CUresult scripted = fake::Enter(name, fake::kNormal)) return scripted; \
  if (const CUresult captured = fake::ForbiddenInCapture()) return captured

struct CUctx_st {
  int device = 0;
  bool primary = false;
};

// One operation of a stream. Shared, because a graph replays it.
struct Operation {
  std::function<CUresult()> run;
  bool copyOrKernel = true;  // only these take the artificial delay
};

struct CUgraph_st {
  std::vector<std::shared_ptr<Operation>> operations;
  bool invalidated = false;
};

struct CUgraphExec_st {
  std::vector<std::shared_ptr<Operation>> operations;
};

struct CUevent_st {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t recorded = 0;   // records asked for
  uint64_t completed = 0;  // records reached by their stream
  int64_t nanoseconds = 0;
  bool timing = true;
  CUgraph_st* capture = nullptr;  // recorded last inside this capture
};

struct CUstream_st {
  CUctx_st* context = nullptr;
  bool nonBlocking = false;
  int priority = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Operation>> queue;
  bool busy = false;
  bool stop = false;
  std::thread worker;
  CUgraph_st* capture = nullptr;
  bool captureOrigin = false;
  int captureMode = 0;
  std::thread::id captureThread;
};

using CUcontext = CUctx_st*;
using CUstream = CUstream_st*;
using CUevent = CUevent_st*;
using CUgraph = CUgraph_st*;
using CUgraphExec = CUgraphExec_st*;

namespace fake {

enum EnterKind { kBeforeInit, kNormal };

struct Settings {
  int devices = 1;
  int major = 9;
  int minor = 0;
  int driverVersion = 13000;
  std::string name = "Fake GPU";
  size_t memory = size_t{1} << 30;
  long long delayUs = 0;
  int noCapture = 0;
  int initError = 0;
  std::string report;
};

// device.cc
const Settings& settings();
CUresult Enter(const char* name, EnterKind kind);
CUctx_st* Current();
CUctx_st* LiveCurrent();  // null when none is current or it was destroyed
CUresult Lost();
void Lose(CUresult code);  // from now on every call answers this, as after a real device fault
void InHostFunction(bool inside);
std::string LiveObjectsJson();

// stream.cc
CUresult ForbiddenInCapture();
CUstream Resolve(CUstream stream, CUresult* error);  // null is the default stream
CUresult Enqueue(CUstream stream, Operation operation, bool wait = false);
CUresult WaitBlockingStreams();
bool Capturing(CUstream stream);
size_t CountStreams();

void RunOperation(const Operation& operation);
void EndCaptureOf(CUgraph_st* graph);  // every stream and event leaves this capture

// event.cc
size_t CountEvents();
void ForgetCapture(CUgraph_st* graph);

// graph.cc
void CountGraphs(size_t* graphs, size_t* execs);

// memory.cc
std::shared_ptr<void> Hold(CUdeviceptr pointer, size_t bytes, void** address);
bool Pinned(const void* pointer, size_t bytes);
void HoldForOperation(std::shared_ptr<void> memory);
void EndOperation();
void FreeContext(CUctx_st* context);
struct MemoryUse {
  size_t deviceBytes = 0, deviceAllocations = 0, peakBytes = 0, pinnedBytes = 0, pinnedBlocks = 0;
  std::vector<int> allocatedOn;  // devices that ever had an allocation
};
MemoryUse Memory(int device);  // -1: all devices

}  // namespace fake

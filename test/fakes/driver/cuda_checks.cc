// The fake driver's rules, one by one: the printed numbers are CUresults.
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "driver.h"

namespace {

void memoryChecks() {
  Pointer device = 0;
  show("alloc", "%d", cuda("cuMemAlloc_v2", &device, size_t{1000}));
  show("tagged", "%d", static_cast<int>(device >> 48) != 0);
  std::vector<char> host(2000, 7);
  show("copyTooLong", "%d", cuda("cuMemcpyHtoD_v2", device, static_cast<const void*>(host.data()), size_t{1001}));
  show("copyPastEnd", "%d", cuda("cuMemcpyHtoD_v2", device + 999, static_cast<const void*>(host.data()), size_t{2}));
  show("copyUnknown", "%d", cuda("cuMemcpyHtoD_v2", device + 4096, static_cast<const void*>(host.data()), size_t{1}));
  size_t available = 0, total = 0;
  cuda("cuMemGetInfo_v2", &available, &total);
  show("used", "%zu", total - available);
  show("free", "%d", cuda("cuMemFree_v2", device));
  show("doubleFree", "%d", cuda("cuMemFree_v2", device));
  cuda("cuMemGetInfo_v2", &available, &total);
  show("usedAfter", "%zu", total - available);
  show("tooMuch", "%d", cuda("cuMemAlloc_v2", &device, total + 1));
  show("pin", "%d", cuda("cuMemHostRegister_v2", static_cast<void*>(host.data()), host.size(), 0U));
  show("pinOverlap", "%d", cuda("cuMemHostRegister_v2", static_cast<void*>(host.data() + 10), size_t{4}, 0U));
  show("unpin", "%d", cuda("cuMemHostUnregister", static_cast<void*>(host.data())));
  show("unpinTwice", "%d", cuda("cuMemHostUnregister", static_cast<void*>(host.data())));
}

// With delayUs set, a pinned copy is seen only after the synchronisation.
void streamChecks() {
  void *stream = nullptr, *pinned = nullptr, *back = nullptr;
  Pointer device = 0;
  cuda("cuStreamCreate", &stream, 1U);
  cuda("cuMemAllocHost_v2", &pinned, size_t{64});
  cuda("cuMemAllocHost_v2", &back, size_t{64});
  cuda("cuMemAlloc_v2", &device, size_t{64});
  std::memset(pinned, 1, 64);
  std::memset(back, 0, 64);
  cuda("cuMemcpyHtoDAsync_v2", device, static_cast<const void*>(pinned), size_t{64}, stream);
  cuda("cuMemcpyDtoHAsync_v2", back, device, size_t{64}, stream);
  show("query", "%d", cuda("cuStreamQuery", stream));
  show("early", "%d", static_cast<char*>(back)[63]);
  show("sync", "%d", cuda("cuStreamSynchronize", stream));
  show("late", "%d", static_cast<char*>(back)[63]);
  // A source changed before the copy executes is what is copied: a missing wait shows.
  cuda("cuMemcpyHtoDAsync_v2", device, static_cast<const void*>(pinned), size_t{64}, stream);
  std::memset(pinned, 2, 64);
  cuda("cuMemcpyDtoHAsync_v2", back, device, size_t{64}, stream);
  cuda("cuStreamSynchronize", stream);
  show("overwritten", "%d", static_cast<char*>(back)[0]);

  void *start = nullptr, *end = nullptr;
  cuda("cuEventCreate", &start, 0U);
  cuda("cuEventCreate", &end, 0U);
  cuda("cuEventRecord", start, stream);
  cuda("cuMemsetD8Async", device, static_cast<unsigned char>(9), size_t{64}, stream);
  cuda("cuEventRecord", end, stream);
  show("eventSync", "%d", cuda("cuEventSynchronize", end));
  float milliseconds = -1;
  show("elapsed", "%d", cuda("cuEventElapsedTime", &milliseconds, start, end));
  show("elapsedPositive", "%d", milliseconds > 0 ? 1 : 0);

  static int inside = -1;
  cuda("cuLaunchHostFunc", stream, +[](void*) {
    Pointer forbidden = 0;
    inside = cuda("cuMemAlloc_v2", &forbidden, size_t{8});
  }, static_cast<void*>(nullptr));
  cuda("cuStreamSynchronize", stream);
  show("callInHostFunction", "%d", inside);

  // An event orders two streams.
  void* other = nullptr;
  cuda("cuStreamCreate", &other, 1U);
  cuda("cuMemsetD8Async", device, static_cast<unsigned char>(5), size_t{64}, stream);
  cuda("cuEventRecord", end, stream);
  cuda("cuStreamWaitEvent", other, end, 0U);
  cuda("cuMemcpyDtoHAsync_v2", back, device, size_t{64}, other);
  cuda("cuStreamSynchronize", other);
  show("ordered", "%d", static_cast<char*>(back)[0]);

  cuda("cuEventDestroy_v2", start);
  cuda("cuEventDestroy_v2", end);
  cuda("cuStreamDestroy_v2", stream);
  cuda("cuStreamDestroy_v2", other);
  show("destroyedStream", "%d", cuda("cuStreamSynchronize", other));
  cuda("cuMemFree_v2", device);
  cuda("cuMemFreeHost", pinned);
  cuda("cuMemFreeHost", back);
}

void captureChecks() {
  void *stream = nullptr, *graph = nullptr, *exec = nullptr, *pinned = nullptr;
  Pointer device = 0;
  cuda("cuStreamCreate", &stream, 1U);
  cuda("cuMemAlloc_v2", &device, size_t{16});
  cuda("cuMemAllocHost_v2", &pinned, size_t{16});
  const void* source = pinned;
  show("begin", "%d", cuda("cuStreamBeginCapture_v2", stream, 1));
  cuda("cuMemcpyHtoDAsync_v2", device, source, size_t{16}, stream);
  show("endCapture", "%d", cuda("cuStreamEndCapture", stream, &graph));
  size_t nodes = 0;
  cuda("cuGraphGetNodes", graph, static_cast<void**>(nullptr), &nodes);
  show("nodes", "%zu", nodes);
  cuda("cuGraphInstantiateWithFlags", &exec, graph, 0ULL);
  for (const char value : {3, 4}) {
    std::memset(pinned, value, 16);
    cuda("cuGraphLaunch", exec, stream);
    cuda("cuStreamSynchronize", stream);
    char back[16] = {};
    cuda("cuMemcpyDtoH_v2", static_cast<void*>(back), device, size_t{16});
    show(value == 3 ? "replay3" : "replay4", "%d", back[15]);
  }

  cuda("cuStreamBeginCapture_v2", stream, 1);
  show("syncInCapture", "%d", cuda("cuStreamSynchronize", stream));
  void* lost = nullptr;
  show("endInvalidated", "%d", cuda("cuStreamEndCapture", stream, &lost));

  // A capture in global mode breaks another thread's allocation, one in thread-local mode does not.
  void* primary = nullptr;
  cuda("cuCtxGetCurrent", &primary);
  for (const int mode : {0, 1}) {
    cuda("cuStreamBeginCapture_v2", stream, mode);
    int elsewhere = -1;
    std::thread([&] {
      cuda("cuCtxSetCurrent", primary);
      Pointer memory = 0;
      elsewhere = cuda("cuMemAlloc_v2", &memory, size_t{8});
      if (elsewhere == 0) cuda("cuMemFree_v2", memory);
    }).join();
    show(mode == 0 ? "allocUnderGlobal" : "allocUnderThreadLocal", "%d", elsewhere);
    cuda("cuStreamEndCapture", stream, &lost);
    if (lost != nullptr) cuda("cuGraphDestroy", lost);
  }
  cuda("cuGraphExecDestroy", exec);
  cuda("cuGraphDestroy", graph);
  cuda("cuMemFree_v2", device);
  cuda("cuMemFreeHost", pinned);
  cuda("cuStreamDestroy_v2", stream);
}

// What a kernel or copy finds freed is a sticky error, as on a device.
void faultChecks() {
  void *stream = nullptr, *pinned = nullptr;
  Pointer device = 0;
  cuda("cuStreamCreate", &stream, 1U);
  cuda("cuMemAlloc_v2", &device, size_t{16});
  cuda("cuMemAllocHost_v2", &pinned, size_t{16});
  // The host function holds the stream until the memory is gone, so that the order is certain.
  static std::atomic<bool> freed{false};
  cuda("cuLaunchHostFunc", stream, +[](void*) {
    while (!freed) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }, static_cast<void*>(nullptr));
  cuda("cuMemcpyDtoHAsync_v2", pinned, device, size_t{16}, stream);
  cuda("cuMemFree_v2", device);
  freed = true;
  show("faultSync", "%d", cuda("cuStreamSynchronize", stream));
  show("sticky", "%d", cuda("cuMemAlloc_v2", &device, size_t{16}));
}

}  // namespace

void cudaChecks() {
  show("beforeInit", "%d", cuda("cuMemFree_v2", Pointer{1}));
  show("init", "%d", cuda("cuInit", 0U));
  Pointer none = 0;
  show("noContext", "%d", cuda("cuMemAlloc_v2", &none, size_t{8}));
  void* context = nullptr;
  cuda("cuDevicePrimaryCtxRetain", &context, 0);
  cuda("cuCtxSetCurrent", context);
  memoryChecks();
  streamChecks();
  captureChecks();
  const char* name = nullptr;
  cuda("cuGetErrorName", 2, &name);
  show("errorName", "%s", name);
  void* function = nullptr;
  cuda("cuGetProcAddress", "cuMemAlloc", &function, 12000, uint64_t{0});
  show("procAddress", "%d", function == dlsym(cudaLibrary, "cuMemAlloc_v2") ? 1 : 0);
  faultChecks();
}

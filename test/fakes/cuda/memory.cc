// Device memory, pinned host memory and copies.
//
// A device pointer is an address outside what an x86-64 or arm64 process can map (bit 48 is set),
// so that using one on the host by mistake is a crash, as it is with a real device. Unknown
// pointers, ranges that leave their allocation, double frees are errors.
#include <cstring>

#include "fake_cuda.h"

namespace fake {
namespace {

struct Allocation {
  std::shared_ptr<void> bytes;
  size_t size = 0;
  CUctx_st* context = nullptr;
};

struct PinnedBlock {
  size_t size = 0;
  bool owned = false;  // cuMemAllocHost, not cuMemHostRegister
};

struct Heap {
  std::mutex mutex;
  std::map<CUdeviceptr, Allocation> device;
  std::map<uintptr_t, PinnedBlock> pinned;
  CUdeviceptr next = CUdeviceptr{1} << 48;
  std::map<int, size_t> used;
  size_t peak = 0, total = 0;
};

Heap& heap() {
  static Heap* instance = new Heap;
  return *instance;
}

// What the operation running on this worker touches: kept until it ends, so that a free meanwhile
// makes the *next* use an error and not this one a crash of the test process.
thread_local std::vector<std::shared_ptr<void>> held;

const PinnedBlock* FindPinned(Heap& h, uintptr_t address, size_t bytes) {
  auto after = h.pinned.upper_bound(address);
  if (after == h.pinned.begin()) return nullptr;
  --after;
  const bool inside = address + bytes <= after->first + after->second.size;
  return inside ? &after->second : nullptr;
}

bool IsDevice(CUdeviceptr pointer) { return (pointer >> 48) != 0; }

CUresult Allocate(CUdeviceptr* pointer, size_t bytes) {
  CUctx_st* context = LiveCurrent();
  if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  if (bytes == 0 || pointer == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Heap& h = heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  size_t& used = h.used[context->device];
  if (bytes > settings().memory || used > settings().memory - bytes) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  void* memory = std::malloc(bytes);
  if (memory == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  // Fresh device memory is garbage, never zeros that hide a missing copy.
  std::memset(memory, 0xcd, bytes);
  *pointer = h.next;
  h.next += (bytes + 511) / 512 * 512 + 512;  // a gap, so that a range cannot run into the next
  h.device[*pointer] = {std::shared_ptr<void>(memory, std::free), bytes, context};
  used += bytes;
  h.total += bytes;
  h.peak = std::max(h.peak, h.total);
  return CUDA_SUCCESS;
}

CUresult Free(CUdeviceptr pointer) {
  Heap& h = heap();
  std::shared_ptr<void> memory;  // freed outside the lock
  std::lock_guard<std::mutex> lock(h.mutex);
  const auto found = h.device.find(pointer);
  if (found == h.device.end()) return CUDA_ERROR_INVALID_VALUE;
  h.used[found->second.context->device] -= found->second.size;
  h.total -= found->second.size;
  memory = std::move(found->second.bytes);
  h.device.erase(found);
  return CUDA_SUCCESS;
}

// Both ends of a copy, resolved when it executes: memory freed or unpinned in between is what a
// real device answers with a sticky illegal address.
CUresult CopyNow(CUdeviceptr to, CUdeviceptr from, size_t bytes, bool pinnedHost) {
  void* target = reinterpret_cast<void*>(to);
  void* source = reinterpret_cast<void*>(from);
  std::shared_ptr<void> keepTarget, keepSource;
  if (IsDevice(to)) keepTarget = Hold(to, bytes, &target);
  if (IsDevice(from)) keepSource = Hold(from, bytes, &source);
  const bool lostHost =
      pinnedHost && ((!IsDevice(to) && !Pinned(target, bytes)) ||
                     (!IsDevice(from) && !Pinned(source, bytes)));
  if ((IsDevice(to) && !keepTarget) || (IsDevice(from) && !keepSource) || lostHost) {
    Lose(CUDA_ERROR_ILLEGAL_ADDRESS);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  std::memmove(target, source, bytes);
  return CUDA_SUCCESS;
}

CUresult CheckDevice(CUdeviceptr pointer, size_t bytes) {
  void* address = nullptr;
  return IsDevice(pointer) && Hold(pointer, bytes, &address) ? CUDA_SUCCESS
                                                             : CUDA_ERROR_INVALID_VALUE;
}

CUresult CopyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  if (bytes == 0) return CUDA_SUCCESS;
  for (const CUdeviceptr end : {to, from}) {
    if (end == 0) return CUDA_ERROR_INVALID_VALUE;
    if (IsDevice(end)) {
      if (const CUresult error = CheckDevice(end, bytes)) return error;
    }
  }
  const CUdeviceptr host = !IsDevice(to) ? to : !IsDevice(from) ? from : 0;
  const bool pinned = host != 0 && Pinned(reinterpret_cast<void*>(host), bytes);
  if (host != 0 && !pinned && !Capturing(stream)) {
    // Pageable memory, as the driver documents it: an upload is staged before the call returns, a
    // download returns when it is complete.
    if (host == from) {
      auto copy = std::make_shared<std::vector<char>>(bytes);
      std::memcpy(copy->data(), reinterpret_cast<void*>(from), bytes);
      return Enqueue(stream, {[=] {
        return CopyNow(to, reinterpret_cast<CUdeviceptr>(copy->data()), bytes, false);
      }});
    }
    return Enqueue(stream, {[=] { return CopyNow(to, from, bytes, false); }}, true);
  }
  return Enqueue(stream, {[=] { return CopyNow(to, from, bytes, pinned); }});
}

CUresult CopySync(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  if (LiveCurrent() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  if (const CUresult error = WaitBlockingStreams()) return error;
  if (bytes == 0) return CUDA_SUCCESS;
  for (const CUdeviceptr end : {to, from}) {
    if (end == 0) return CUDA_ERROR_INVALID_VALUE;
    if (IsDevice(end)) {
      if (const CUresult error = CheckDevice(end, bytes)) return error;
    }
  }
  return CopyNow(to, from, bytes, false);
}

CUresult Fill(CUdeviceptr pointer, unsigned value, size_t width, size_t count) {
  void* address = nullptr;
  const auto memory = Hold(pointer, count * width, &address);
  if (!memory) {
    Lose(CUDA_ERROR_ILLEGAL_ADDRESS);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(static_cast<char*>(address) + i * width, &value, width);  // little endian
  }
  return CUDA_SUCCESS;
}

CUresult Unpin(void* pointer, bool owned) {
  Heap& h = heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  const auto found = h.pinned.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == h.pinned.end() || found->second.owned != owned) {
    return owned ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  h.pinned.erase(found);
  if (owned) std::free(pointer);
  return CUDA_SUCCESS;
}

}  // namespace

std::shared_ptr<void> Hold(CUdeviceptr pointer, size_t bytes, void** address) {
  Heap& h = heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  auto after = h.device.upper_bound(pointer);
  if (after == h.device.begin()) return nullptr;
  --after;
  const size_t offset = pointer - after->first;
  if (offset > after->second.size || bytes > after->second.size - offset) return nullptr;
  *address = static_cast<char*>(after->second.bytes.get()) + offset;
  return after->second.bytes;
}

bool Pinned(const void* pointer, size_t bytes) {
  Heap& h = heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  return FindPinned(h, reinterpret_cast<uintptr_t>(pointer), bytes) != nullptr;
}

void HoldForOperation(std::shared_ptr<void> memory) { held.push_back(std::move(memory)); }
void EndOperation() { held.clear(); }

void FreeContext(CUctx_st* context) {
  Heap& h = heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  for (auto it = h.device.begin(); it != h.device.end();) {
    if (it->second.context == context) {
      h.used[context->device] -= it->second.size;
      h.total -= it->second.size;
      it = h.device.erase(it);
    } else {
      ++it;
    }
  }
}

MemoryUse Memory(int device) {
  Heap& h = heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  MemoryUse use;
  use.peakBytes = h.peak;
  for (const auto& [number, bytes] : h.used) use.allocatedOn.push_back(number);
  for (const auto& [pointer, allocation] : h.device) {
    if (device >= 0 && allocation.context->device != device) continue;
    use.deviceBytes += allocation.size;
    ++use.deviceAllocations;
  }
  for (const auto& [pointer, block] : h.pinned) {
    use.pinnedBytes += block.size;
    ++use.pinnedBlocks;
  }
  return use;
}

}  // namespace fake

FAKE_API void* fake_cuda_bytes(uint64_t pointer, size_t bytes) {
  if (!fake::IsDevice(pointer)) {
    void* host = reinterpret_cast<void*>(pointer);
    return fake::Pinned(host, bytes) ? host : nullptr;  // zero copy: pinned memory is mapped
  }
  void* address = nullptr;
  auto memory = fake::Hold(pointer, bytes, &address);
  if (!memory) return nullptr;
  fake::HoldForOperation(std::move(memory));
  return address;
}

FAKE_API CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
  FAKE_ENTER_UNSAFE("cuMemAlloc_v2");
  return fake::Allocate(pointer, bytes);
}

FAKE_API CUresult cuMemFree_v2(CUdeviceptr pointer) {
  FAKE_ENTER_UNSAFE("cuMemFree_v2");
  return pointer == 0 ? CUDA_SUCCESS : fake::Free(pointer);
}

FAKE_API CUresult cuMemAllocAsync(CUdeviceptr* pointer, size_t bytes, CUstream stream) {
  FAKE_ENTER("cuMemAllocAsync");
  CUresult error = CUDA_SUCCESS;
  if (fake::Resolve(stream, &error) == nullptr) return error;
  if (fake::Capturing(stream)) return CUDA_ERROR_NOT_SUPPORTED;  // real: allocation nodes
  return fake::Allocate(pointer, bytes);
}

FAKE_API CUresult cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) {
  FAKE_ENTER("cuMemFreeAsync");
  if (fake::CheckDevice(pointer, 1)) return CUDA_ERROR_INVALID_VALUE;
  return fake::Enqueue(stream, {[=] { return fake::Free(pointer); }});
}

FAKE_API CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
  FAKE_ENTER_UNSAFE("cuMemHostAlloc");
  if (fake::LiveCurrent() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  void* memory = nullptr;
  if (posix_memalign(&memory, 4096, bytes) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
  std::memset(memory, 0xcd, bytes);
  auto& h = fake::heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  h.pinned[reinterpret_cast<uintptr_t>(memory)] = {bytes, true};
  *pointer = memory;
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuMemAllocHost_v2(void** pointer, size_t bytes) {
  FAKE_ENTER_UNSAFE("cuMemAllocHost_v2");
  return cuMemHostAlloc(pointer, bytes, 0);
}

FAKE_API CUresult cuMemFreeHost(void* pointer) {
  FAKE_ENTER_UNSAFE("cuMemFreeHost");
  return fake::Unpin(pointer, true);
}

FAKE_API CUresult cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned) {
  FAKE_ENTER_UNSAFE("cuMemHostRegister_v2");
  if (fake::LiveCurrent() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  auto& h = fake::heap();
  std::lock_guard<std::mutex> lock(h.mutex);
  const auto start = reinterpret_cast<uintptr_t>(pointer);
  auto next = h.pinned.lower_bound(start);
  const bool overlapsNext = next != h.pinned.end() && next->first < start + bytes;
  const bool overlapsBefore =
      next != h.pinned.begin() &&
      std::prev(next)->first + std::prev(next)->second.size > start;
  if (overlapsNext || overlapsBefore) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  h.pinned[start] = {bytes, false};
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuMemHostUnregister(void* pointer) {
  FAKE_ENTER_UNSAFE("cuMemHostUnregister");
  return fake::Unpin(pointer, false);
}

FAKE_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* device, void* pointer, unsigned) {
  FAKE_ENTER("cuMemHostGetDevicePointer_v2");
  if (!fake::Pinned(pointer, 1)) return CUDA_ERROR_INVALID_VALUE;
  *device = reinterpret_cast<CUdeviceptr>(pointer);  // unified addressing: the same address
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuPointerGetAttribute(void* data, int attribute, CUdeviceptr pointer) {
  FAKE_ENTER("cuPointerGetAttribute");
  const bool device = fake::CheckDevice(pointer, 1) == CUDA_SUCCESS;
  if (!device && !fake::Pinned(reinterpret_cast<void*>(pointer), 1)) return CUDA_ERROR_INVALID_VALUE;
  if (attribute != 2) return CUDA_ERROR_NOT_SUPPORTED;
  *static_cast<unsigned*>(data) = device ? 2 : 1;  // CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST
  return CUDA_SUCCESS;
}

FAKE_API CUresult cuMemGetInfo_v2(size_t* available, size_t* total) {
  FAKE_ENTER("cuMemGetInfo_v2");
  CUctx_st* context = fake::LiveCurrent();
  if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  *total = fake::settings().memory;
  const size_t used = fake::Memory(context->device).deviceBytes;
  *available = used > *total ? 0 : *total - used;
  return CUDA_SUCCESS;
}

static CUdeviceptr Address(const void* host) { return reinterpret_cast<CUdeviceptr>(host); }

FAKE_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  FAKE_ENTER_UNSAFE("cuMemcpyHtoD_v2");
  return fake::CopySync(to, Address(from), bytes);
}
FAKE_API CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  FAKE_ENTER_UNSAFE("cuMemcpyDtoH_v2");
  return fake::CopySync(Address(to), from, bytes);
}
FAKE_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  FAKE_ENTER_UNSAFE("cuMemcpyDtoD_v2");
  return fake::CopySync(to, from, bytes);
}
FAKE_API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  FAKE_ENTER_UNSAFE("cuMemcpy");
  return fake::CopySync(to, from, bytes);
}
FAKE_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream s) {
  FAKE_ENTER("cuMemcpyHtoDAsync_v2");
  return fake::CopyAsync(to, Address(from), bytes, s);
}
FAKE_API CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream s) {
  FAKE_ENTER("cuMemcpyDtoHAsync_v2");
  return fake::CopyAsync(Address(to), from, bytes, s);
}
FAKE_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
  FAKE_ENTER("cuMemcpyDtoDAsync_v2");
  return fake::CopyAsync(to, from, bytes, s);
}
FAKE_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
  FAKE_ENTER("cuMemcpyAsync");
  return fake::CopyAsync(to, from, bytes, s);
}

FAKE_API CUresult cuMemsetD8_v2(CUdeviceptr pointer, unsigned char value, size_t count) {
  FAKE_ENTER_UNSAFE("cuMemsetD8_v2");
  if (const CUresult error = fake::CheckDevice(pointer, count)) return error;
  if (const CUresult error = fake::WaitBlockingStreams()) return error;
  return fake::Fill(pointer, value, 1, count);
}
FAKE_API CUresult cuMemsetD8Async(CUdeviceptr pointer, unsigned char value, size_t count,
                                  CUstream stream) {
  FAKE_ENTER("cuMemsetD8Async");
  if (const CUresult error = fake::CheckDevice(pointer, count)) return error;
  return fake::Enqueue(stream, {[=] { return fake::Fill(pointer, value, 1, count); }});
}
FAKE_API CUresult cuMemsetD32Async(CUdeviceptr pointer, unsigned value, size_t count,
                                   CUstream stream) {
  FAKE_ENTER("cuMemsetD32Async");
  if (const CUresult error = fake::CheckDevice(pointer, count * 4)) return error;
  return fake::Enqueue(stream, {[=] { return fake::Fill(pointer, value, 4, count); }});
}

// What the fake TensorRT needs of the fake driver beyond the driver API: to put "kernels" on its
// streams and to see device memory from them.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Puts one operation on the stream, in order, or into the graph that the stream captures. `run`
// may be called many times (graph launches) and returns a CUresult; `release` frees `data`.
int fake_cuda_enqueue(void* stream, int (*run)(void*), void* data, void (*release)(void*));

// The bytes behind a device pointer (or pinned host pointer), null unless all `bytes` are inside
// one allocation. Inside an operation the memory stays valid until the operation ends.
void* fake_cuda_bytes(uint64_t pointer, size_t bytes);

// Reads the environment variable again; the libraries call it where a session begins.
void fake_cuda_reload(void);

}  // extern "C"

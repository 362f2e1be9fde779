// The TensorRT headers name these two types in signatures and never look inside them, so the CUDA
// toolkit is not needed: CUDA itself is reached through the driver's API (core/cuda_driver.h).
#pragma once
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;

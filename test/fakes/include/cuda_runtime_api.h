// All that the TensorRT headers need of CUDA: two handles, which are the driver API's own.
#pragma once

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;

#pragma once

#include <cstddef>

#include "core/tensorrt.h"

namespace trtn {

// Bytes of one element, 0 for the types that JavaScript's tensors cannot hold.
inline size_t ElementBytes(nvinfer1::DataType type) {
  using nvinfer1::DataType;
  switch (type) {
    case DataType::kFLOAT:
    case DataType::kINT32:
      return 4;
    case DataType::kHALF:
      return 2;
    case DataType::kINT8:
    case DataType::kUINT8:
    case DataType::kBOOL:
      return 1;
#if NV_TENSORRT_MAJOR != 8
    case DataType::kINT64:
      return 8;
#endif
    default:
      return 0;
  }
}

}  // namespace trtn

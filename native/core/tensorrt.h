#pragma once

// The one place that knows which family of TensorRT headers this is compiled against. Everything else
// asks the names below, so that a difference between versions has one line to be found in.

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace trtn {

constexpr const char* kFamily = TRTN_FAMILY;

// TensorRT-RTX counts its own major versions, from 1.
#if NV_TENSORRT_MAJOR == 1
#define TRTN_HAS_COMPUTE_CAPABILITIES 1
#else
#define TRTN_HAS_COMPUTE_CAPABILITIES 0
#endif

#if NV_TENSORRT_MAJOR == 8
#define TRTN_HAS_PROGRESS_MONITOR 0
#define TRTN_HAS_NODE_NAMES_IN_ERRORS 0
#else
#define TRTN_HAS_PROGRESS_MONITOR 1
#define TRTN_HAS_NODE_NAMES_IN_ERRORS 1
#endif

// 8 and 10 choose precisions while building; 11 and RTX take them from the network's types.
#if NV_TENSORRT_MAJOR == 8 || NV_TENSORRT_MAJOR == 10
#define TRTN_HAS_LAYER_PRECISION 1
#else
#define TRTN_HAS_LAYER_PRECISION 0
#endif

// The same two choose INT8 from ranges that they measure themselves.
#define TRTN_HAS_CALIBRATOR TRTN_HAS_LAYER_PRECISION

// 8 refuses networks without the explicit batch flag; 10 ignores it, 11 and RTX know no flags.
constexpr uint32_t kNetworkFlags = NV_TENSORRT_MAJOR == 8 ? 1U : 0U;

// TensorRT objects are deleted like any other since 8.0; the header's destructors are virtual.
template <typename T>
using Owned = std::unique_ptr<T>;

using Shape = std::vector<int64_t>;

inline Shape ShapeOf(const nvinfer1::Dims& dims) {
  Shape shape;
  for (int32_t i = 0; i < dims.nbDims; ++i) shape.push_back(static_cast<int64_t>(dims.d[i]));
  return shape;
}

// `shape` must have at most Dims::MAX_DIMS entries, each of which fits the family's type of extent.
inline nvinfer1::Dims DimsOf(const Shape& shape) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<int32_t>(shape.size());
  using Extent = std::remove_reference_t<decltype(dims.d[0])>;
  for (size_t i = 0; i < shape.size(); ++i) dims.d[i] = static_cast<Extent>(shape[i]);
  return dims;
}

inline bool SetShapeValues(nvinfer1::IOptimizationProfile& profile, const char* name,
                           nvinfer1::OptProfileSelector selector, const Shape& values) {
  const auto count = static_cast<int32_t>(values.size());
#if NV_TENSORRT_MAJOR == 8 || NV_TENSORRT_MAJOR == 10
  const std::vector<int32_t> narrow(values.begin(), values.end());
  return profile.setShapeValues(name, selector, narrow.data(), count);
#else
  return profile.setShapeValuesV2(name, selector, values.data(), count);
#endif
}

}  // namespace trtn

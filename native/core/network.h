#pragma once

#include <string>
#include <vector>

#include "core/tensorrt.h"

namespace trtn {

struct TensorInfo {
  std::string name;
  std::string type;  // TensorRT's name in onnxruntime's spelling: float32, float16, int8, …
  Shape shape;       // -1 where the extent is dynamic
  bool is_shape_tensor = false;
};

struct LayerInfo {
  std::string name;  // the ONNX node's name, when the parser has one
  std::string type;  // CONVOLUTION, ELEMENTWISE, …
  std::string precision;
  std::string metadata;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

struct NetworkInfo {
  std::string name;
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  std::vector<LayerInfo> layers;
};

std::string DataTypeName(nvinfer1::DataType type);
std::string LayerTypeName(nvinfer1::LayerType type);
TensorInfo DescribeTensor(const nvinfer1::ITensor& tensor);
NetworkInfo DescribeNetwork(const nvinfer1::INetworkDefinition& network, bool with_layers);

// "[1, -1, 3]"
std::string ShapeText(const Shape& shape);

}  // namespace trtn

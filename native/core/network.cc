#include "core/network.h"

#include "core/text.h"

namespace trtn {
namespace {

// One line a layer type; the numbers differ between families, the names do not.
#define TRTN_LAYER_TYPES(X)                                                                       \
  X(CONVOLUTION) X(CAST) X(ACTIVATION) X(POOLING) X(LRN) X(SCALE) X(SOFTMAX) X(DECONVOLUTION)     \
  X(CONCATENATION) X(ELEMENTWISE) X(PLUGIN) X(UNARY) X(PADDING) X(SHUFFLE) X(REDUCE) X(TOPK)      \
  X(GATHER) X(MATRIX_MULTIPLY) X(RAGGED_SOFTMAX) X(CONSTANT) X(IDENTITY) X(PLUGIN_V2) X(SLICE)    \
  X(SHAPE) X(PARAMETRIC_RELU) X(RESIZE) X(TRIP_LIMIT) X(RECURRENCE) X(ITERATOR) X(LOOP_OUTPUT)    \
  X(SELECT) X(FILL) X(QUANTIZE) X(DEQUANTIZE) X(CONDITION) X(CONDITIONAL_INPUT)                   \
  X(CONDITIONAL_OUTPUT) X(SCATTER) X(EINSUM) X(ASSERTION) X(ONE_HOT) X(NON_ZERO) X(GRID_SAMPLE)   \
  X(NMS) X(REVERSE_SEQUENCE) X(NORMALIZATION)
#if NV_TENSORRT_MAJOR == 8
#define TRTN_MORE_LAYER_TYPES(X) X(FULLY_CONNECTED) X(RNN_V2)
#else
#define TRTN_MORE_LAYER_TYPES(X)                                                                  \
  X(PLUGIN_V3) X(SQUEEZE) X(UNSQUEEZE) X(CUMULATIVE) X(DYNAMIC_QUANTIZE) X(ATTENTION_INPUT)       \
  X(ATTENTION_OUTPUT) X(ROTARY_EMBEDDING) X(KVCACHE_UPDATE) X(MOE) X(DIST_COLLECTIVE)
#endif

std::string LayerPrecision(const nvinfer1::ILayer& layer) {
#if TRTN_HAS_LAYER_PRECISION
  return DataTypeName(layer.getPrecision());
#else
  return layer.getNbOutputs() > 0 ? DataTypeName(layer.getOutputType(0)) : std::string();
#endif
}

LayerInfo DescribeLayer(const nvinfer1::ILayer& layer) {
  LayerInfo info;
  info.name = ValidUtf8(layer.getName());
  info.type = LayerTypeName(layer.getType());
  info.precision = LayerPrecision(layer);
  info.metadata = ValidUtf8(layer.getMetadata());
  for (int32_t i = 0; i < layer.getNbInputs(); ++i) {
    // Optional inputs that are not used are null.
    if (const nvinfer1::ITensor* input = layer.getInput(i)) {
      info.inputs.push_back(DescribeTensor(*input));
    }
  }
  for (int32_t i = 0; i < layer.getNbOutputs(); ++i) {
    if (const nvinfer1::ITensor* output = layer.getOutput(i)) {
      info.outputs.push_back(DescribeTensor(*output));
    }
  }
  return info;
}

}  // namespace

std::string DataTypeName(nvinfer1::DataType type) {
  using nvinfer1::DataType;
  switch (type) {
    case DataType::kFLOAT:
      return "float32";
    case DataType::kHALF:
      return "float16";
    case DataType::kINT8:
      return "int8";
    case DataType::kINT32:
      return "int32";
    case DataType::kBOOL:
      return "bool";
    case DataType::kUINT8:
      return "uint8";
    case DataType::kFP8:
      return "float8";
#if NV_TENSORRT_MAJOR != 8
    case DataType::kBF16:
      return "bfloat16";
    case DataType::kINT64:
      return "int64";
    case DataType::kINT4:
      return "int4";
    case DataType::kFP4:
      return "float4";
    case DataType::kE8M0:
      return "float8e8m0";
#endif
  }
  // A library newer than the headers may know more.
  return "type" + std::to_string(static_cast<int32_t>(type));
}

std::string LayerTypeName(nvinfer1::LayerType type) {
#define TRTN_CASE(name)                \
  case nvinfer1::LayerType::k##name: \
    return #name;
  switch (type) {
    TRTN_LAYER_TYPES(TRTN_CASE)
    TRTN_MORE_LAYER_TYPES(TRTN_CASE)
  }
#undef TRTN_CASE
  return "LAYER" + std::to_string(static_cast<int32_t>(type));
}

TensorInfo DescribeTensor(const nvinfer1::ITensor& tensor) {
  return {ValidUtf8(tensor.getName()), DataTypeName(tensor.getType()),
          ShapeOf(tensor.getDimensions()), false};
}

NetworkInfo DescribeNetwork(const nvinfer1::INetworkDefinition& network, bool with_layers) {
  NetworkInfo info;
  info.name = ValidUtf8(network.getName());
  for (int32_t i = 0; i < network.getNbInputs(); ++i) {
    info.inputs.push_back(DescribeTensor(*network.getInput(i)));
    info.inputs.back().is_shape_tensor = network.getInput(i)->isShapeTensor();
  }
  for (int32_t i = 0; i < network.getNbOutputs(); ++i) {
    info.outputs.push_back(DescribeTensor(*network.getOutput(i)));
  }
  if (with_layers) {
    for (int32_t i = 0; i < network.getNbLayers(); ++i) {
      info.layers.push_back(DescribeLayer(*network.getLayer(i)));
    }
  }
  return info;
}

std::string ShapeText(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace trtn

// Tensors and networks, and how a parsed model becomes one.
#include "network.h"

#include <algorithm>
#include <set>

namespace fake {
namespace {

DataType FromOnnx(int elementType) {
  switch (elementType) {
    case 2: return DataType::kUINT8;
    case 3: return DataType::kINT8;
    case 6: return DataType::kINT32;
    case 9: return DataType::kBOOL;
    case 10: return DataType::kHALF;
#if NV_TENSORRT_MAJOR >= 10
    case 7: return DataType::kINT64;
    case 16: return DataType::kBF16;
#else
    case 7: return DataType::kINT32;  // 8.6 casts INT64 down
#endif
    default: return DataType::kFLOAT;
  }
}

LayerType TypeOfOperator(const std::string& op) {
  static const std::map<std::string, LayerType> kTypes = {
      {"Conv", LayerType::kCONVOLUTION}, {"ConvTranspose", LayerType::kDECONVOLUTION},
      {"Relu", LayerType::kACTIVATION}, {"Sigmoid", LayerType::kACTIVATION},
      {"Clip", LayerType::kACTIVATION}, {"MaxPool", LayerType::kPOOLING},
      {"AveragePool", LayerType::kPOOLING}, {"GlobalAveragePool", LayerType::kREDUCE},
      {"ReduceMin", LayerType::kREDUCE}, {"ReduceMax", LayerType::kREDUCE},
      {"ReduceMean", LayerType::kREDUCE}, {"Add", LayerType::kELEMENTWISE},
      {"Mul", LayerType::kELEMENTWISE}, {"Sub", LayerType::kELEMENTWISE},
      {"Div", LayerType::kELEMENTWISE}, {"Gemm", LayerType::kMATRIX_MULTIPLY},
      {"MatMul", LayerType::kMATRIX_MULTIPLY}, {"Softmax", LayerType::kSOFTMAX},
      {"Flatten", LayerType::kSHUFFLE}, {"Reshape", LayerType::kSHUFFLE},
      {"Transpose", LayerType::kSHUFFLE}, {"Concat", LayerType::kCONCATENATION},
      {"Constant", LayerType::kCONSTANT}, {"Identity", LayerType::kIDENTITY},
      {"QuantizeLinear", LayerType::kQUANTIZE}, {"DequantizeLinear", LayerType::kDEQUANTIZE},
      {"BatchNormalization", LayerType::kSCALE}};
  const auto found = kTypes.find(op);
  return found == kTypes.end() ? LayerType::kUNARY : found->second;
}

bool IsElementWise(const std::string& op) {
  return op == "Add" || op == "Mul" || op == "Sub" || op == "Div";
}

ElementWiseOperation OperationOf(const std::string& op) {
  if (op == "Mul") return ElementWiseOperation::kPROD;
  if (op == "Sub") return ElementWiseOperation::kSUB;
  return op == "Div" ? ElementWiseOperation::kDIV : ElementWiseOperation::kSUM;
}

void Describe(Tensor* tensor, const Value& value) {
  tensor->type = FromOnnx(value.elementType);
  tensor->shapeKnown = value.hasShape;
  tensor->shape = value.dims;
  tensor->dimNames = value.dimNames;
}

}  // namespace

Dims Tensor::getDimensions() const noexcept {
  if (shapeKnown) return ToDims(shape);
  Dims dims{};
  dims.nbDims = -1;  // TensorRT's "invalid"
  return dims;
}

bool Tensor::setDynamicRange(float min, float max) noexcept {
  if (!(min <= max)) return false;
  rangeSet = true;
  rangeMin = min;
  rangeMax = max;
  return true;
}

bool Tensor::isNetworkInput() const noexcept {
  const auto& all = network_->inputs;
  return std::find(all.begin(), all.end(), this) != all.end();
}

bool Tensor::isNetworkOutput() const noexcept {
  const auto& all = network_->outputs;
  return std::find(all.begin(), all.end(), this) != all.end();
}

void Tensor::setDimensionName(int32_t index, const char* value) noexcept {
  dimNames.resize(std::max(dimNames.size(), static_cast<size_t>(index) + 1));
  dimNames[static_cast<size_t>(index)] = value;
}

const char* Tensor::getDimensionName(int32_t index) const noexcept {
  const auto at = static_cast<size_t>(index);
  return at < dimNames.size() && !dimNames[at].empty() ? dimNames[at].c_str() : nullptr;
}

ITensor* LayerData::getInput(int32_t index) const noexcept {
  return static_cast<size_t>(index) < inputs.size() ? inputs[static_cast<size_t>(index)] : nullptr;
}

ITensor* LayerData::getOutput(int32_t index) const noexcept {
  return static_cast<size_t>(index) < outputs.size() ? outputs[static_cast<size_t>(index)]
                                                     : nullptr;
}

void LayerData::setInput(int32_t index, ITensor& tensor) noexcept {
  if (static_cast<size_t>(index) < inputs.size()) {
    inputs[static_cast<size_t>(index)] = &static_cast<Tensor&>(tensor);
  }
}

void LayerData::setPrecision(DataType value) noexcept {
  precision = value;
  precisionSet = true;
}

void LayerData::setOutputType(int32_t index, DataType value) noexcept {
  if (static_cast<size_t>(index) >= outputs.size()) return;
  outputs[static_cast<size_t>(index)]->type = value;
  outputTypeSet = true;
}

DataType LayerData::getOutputType(int32_t index) const noexcept {
  const auto at = static_cast<size_t>(index);
  return at < outputs.size() ? outputs[at]->type : DataType::kFLOAT;
}

Tensor* Network::NewTensor(const std::string& name) {
  tensors_.emplace_back(this);
  tensors_.back().name = name;
  return &tensors_.back();
}

Tensor* Network::Find(const std::string& name) {
  for (Tensor& tensor : tensors_) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

ITensor* Network::addInput(const char* name, DataType type, DimsArgument dims) noexcept {
  Tensor* tensor = NewTensor(name);
  tensor->type = type;
  tensor->shape = FromDims(dims);
  inputs.push_back(tensor);
  return tensor;
}

void Network::markOutput(ITensor& tensor) noexcept {
  auto* mine = &static_cast<Tensor&>(tensor);
  if (!mine->isNetworkOutput()) outputs.push_back(mine);
}

void Network::unmarkOutput(ITensor& tensor) noexcept {
  outputs.erase(std::remove(outputs.begin(), outputs.end(), &static_cast<Tensor&>(tensor)),
                outputs.end());
}

void Network::removeTensor(ITensor& tensor) noexcept {
  auto* mine = &static_cast<Tensor&>(tensor);
  inputs.erase(std::remove(inputs.begin(), inputs.end(), mine), inputs.end());
  unmarkOutput(tensor);
}

ILayer* Network::getLayer(int32_t index) const noexcept {
  return static_cast<size_t>(index) < layers.size() ? layers[static_cast<size_t>(index)]->shell
                                                    : nullptr;
}

ITensor* Network::getInput(int32_t index) const noexcept {
  return static_cast<size_t>(index) < inputs.size() ? inputs[static_cast<size_t>(index)] : nullptr;
}

ITensor* Network::getOutput(int32_t index) const noexcept {
  return static_cast<size_t>(index) < outputs.size() ? outputs[static_cast<size_t>(index)]
                                                     : nullptr;
}

void Network::Fill(const Model& model) {
  if (!model.graphName.empty()) name = model.graphName;
  std::map<std::string, const Initializer*> constants;
  for (const Initializer& initializer : model.initializers) {
    constants[initializer.name] = &initializer;
    weights.push_back(initializer);
  }
  std::map<std::string, Tensor*> byName;
  for (const Value& value : model.inputs) {
    if (constants.count(value.name) != 0) continue;  // IR 3 lists initialisers as inputs
    Tensor* tensor = NewTensor(value.name);
    Describe(tensor, value);
    inputs.push_back(tensor);
    byName[value.name] = tensor;
  }
  std::map<std::string, const Value*> described;
  for (const Value& value : model.values) described[value.name] = &value;
  for (const Value& value : model.outputs) described[value.name] = &value;

  for (const Node& node : model.nodes) {
    LayerData* layer = nullptr;
    std::vector<Tensor*> nodeInputs;
    std::vector<std::string> constantInputs;
    for (const std::string& input : node.inputs) {
      if (byName.count(input) != 0) {
        nodeInputs.push_back(byName[input]);
      } else if (constants.count(input) != 0 && IsElementWise(node.op)) {
        // The real parser makes these operands constant layers of their own.
        LayerData* constant = NewLayer(LayerType::kCONSTANT, input, "Constant");
        Tensor* output = NewTensor("(Unnamed Layer* " + std::to_string(layers.size() - 1) +
                                   ") [Constant]_output");
        output->shape = constants[input]->dims;
        output->type = FromOnnx(constants[input]->elementType);
        output->producer = constant;
        constant->outputs.push_back(output);
        constant->constantInputs.push_back(input);
        // The reader keeps the first value of an initialiser: all are taken to be that one.
        constant->values.assign(static_cast<size_t>(constants[input]->Count()),
                                constants[input]->first);
        static_cast<IConstantLayer*>(constant->shell)
            ->setWeights({output->type, constant->values.data(), constants[input]->Count()});
        nodeInputs.push_back(output);
      } else if (constants.count(input) != 0) {
        constantInputs.push_back(input);
      }
    }
    layer = NewLayer(TypeOfOperator(node.op), node.name.empty() ? node.op : node.name, node.op);
    if (IsElementWise(node.op)) {
      static_cast<IElementWiseLayer*>(layer->shell)->setOperation(OperationOf(node.op));
    }
    layer->inputs = nodeInputs;
    layer->constantInputs = constantInputs;
    layer->metadata = "[ONNX Layer: " + node.name + "]";
    for (const std::string& outputName : node.outputs) {
      if (outputName.empty()) continue;
      Tensor* output = NewTensor(outputName);
      output->producer = layer;
      const auto value = described.find(outputName);
      if (value != described.end()) {
        Describe(output, *value->second);
      } else if (!layer->inputs.empty()) {
        output->type = layer->inputs[0]->type;
        output->shapeKnown = false;
      }
      layer->outputs.push_back(output);
      byName[outputName] = output;
    }
  }
  for (const Value& value : model.outputs) {
    if (byName.count(value.name) != 0) outputs.push_back(byName[value.name]);
  }
}

}  // namespace fake

FAKE_EXPORT void fake_nvinfer_fill(void* network, const fake::Model& model) {
  static_cast<fake::Network*>(static_cast<nvinfer1::INetworkDefinition*>(network))->Fill(model);
}

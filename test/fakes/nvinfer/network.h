// The network under construction: tensors, layers, inputs and outputs by name.
#pragma once

#include <deque>
#include <memory>

#include "../include/fake_model.h"
#include "fake_nvinfer.h"

namespace fake {

class Network;
struct LayerData;

class Tensor : public ITensor, public VTensorStub {
 public:
  explicit Tensor(Network* network) : network_(network) { mImpl = this; }
  void setName(const char* name) noexcept override { this->name = name; }
  const char* getName() const noexcept override { return name.c_str(); }
  void setDimensions(DimsArgument dims) noexcept override { shape = FromDims(dims); }
  Dims getDimensions() const noexcept override;
  void setType(DataType type) noexcept { this->type = type; }
  DataType getType() const noexcept override { return type; }
  bool setDynamicRange(float min, float max) noexcept;
  bool dynamicRangeIsSet() const noexcept { return rangeSet; }
  void resetDynamicRange() noexcept { rangeSet = false; }
  float getDynamicRangeMin() const noexcept { return rangeMin; }
  float getDynamicRangeMax() const noexcept { return rangeMax; }
  bool isNetworkInput() const noexcept override;
  bool isNetworkOutput() const noexcept override;
  TensorLocation getLocation() const noexcept override { return TensorLocation::kDEVICE; }
  void setAllowedFormats(TensorFormats formats) noexcept override { this->formats = formats; }
  TensorFormats getAllowedFormats() const noexcept override { return formats; }
  bool isShapeTensor() const noexcept override { return false; }
  bool isExecutionTensor() const noexcept override { return true; }
  void setDimensionName(int32_t index, const char* name) noexcept override;
  const char* getDimensionName(int32_t index) const noexcept override;

  std::string name;
  DataType type = DataType::kFLOAT;
  Shape shape;
  bool shapeKnown = true;
  std::vector<std::string> dimNames;
  bool rangeSet = false;
  float rangeMin = 0, rangeMax = 0;
  TensorFormats formats = 1;
  LayerData* producer = nullptr;

 private:
  Network* network_;
};

// What a layer is, whatever class of the API shows it.
struct LayerData : public VLayerStub {
  LayerType getType() const noexcept override { return type; }
  void setName(const char* value) noexcept override { name = value; }
  const char* getName() const noexcept override { return name.c_str(); }
  int32_t getNbInputs() const noexcept override { return static_cast<int32_t>(inputs.size()); }
  ITensor* getInput(int32_t index) const noexcept override;
  int32_t getNbOutputs() const noexcept override { return static_cast<int32_t>(outputs.size()); }
  ITensor* getOutput(int32_t index) const noexcept override;
  void setInput(int32_t index, ITensor& tensor) noexcept override;
  void setPrecision(DataType value) noexcept;
  DataType getPrecision() const noexcept { return precision; }
  bool precisionIsSet() const noexcept { return precisionSet; }
  void resetPrecision() noexcept { precisionSet = false; }
  void setOutputType(int32_t index, DataType value) noexcept;
  DataType getOutputType(int32_t index) const noexcept;
  bool outputTypeIsSet(int32_t) const noexcept { return outputTypeSet; }
  void resetOutputType(int32_t) noexcept { outputTypeSet = false; }
  void setMetadata(const char* text) noexcept override { metadata = text; }
  const char* getMetadata() const noexcept override { return metadata.c_str(); }

  LayerType type = LayerType::kIDENTITY;
  std::string name, op, metadata;
  std::vector<Tensor*> inputs, outputs;
  DataType precision = DataType::kFLOAT;
  bool precisionSet = false, outputTypeSet = false;
  std::vector<std::string> constantInputs;  // initialisers that are part of the layer
  std::vector<float> values;                // of a constant
  int operation = 0;                        // of an element-wise layer
  ILayer* shell = nullptr;                  // what the API hands out
};

class Network : public INetworkDefinition, public VNetworkDefinitionStub {
 public:
  explicit Network(IBuilder* builder) : builder_(builder) { mImpl = this; }
  ITensor* addInput(const char* name, DataType type, DimsArgument dims) noexcept override;
  void markOutput(ITensor& tensor) noexcept override;
  void unmarkOutput(ITensor& tensor) noexcept override;
  void removeTensor(ITensor& tensor) noexcept override;
  int32_t getNbLayers() const noexcept override { return static_cast<int32_t>(layers.size()); }
  ILayer* getLayer(int32_t index) const noexcept override;
  int32_t getNbInputs() const noexcept override { return static_cast<int32_t>(inputs.size()); }
  ITensor* getInput(int32_t index) const noexcept override;
  int32_t getNbOutputs() const noexcept override { return static_cast<int32_t>(outputs.size()); }
  ITensor* getOutput(int32_t index) const noexcept override;
  void setName(const char* value) noexcept override { name = value; }
  const char* getName() const noexcept override { return name.c_str(); }
  bool hasImplicitBatchDimension() const noexcept { return false; }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept override { recorder_ = recorder; }
  IErrorRecorder* getErrorRecorder() const noexcept override { return recorder_; }
  IBuilder& getBuilder() const noexcept override { return *builder_; }
  bool setWeightsName(Weights, const char*) noexcept override { return true; }
  bool markWeightsRefittable(const char*) noexcept { return true; }
  // layers.cc
  IIdentityLayer* addIdentity(ITensor& input) noexcept override;
  ICastLayer* addCast(ITensor& input, DataType type) noexcept override;
  IConstantLayer* addConstant(DimsArgument dims, Weights weights) noexcept override;
  IShuffleLayer* addShuffle(ITensor& input) noexcept override;
  IElementWiseLayer* addElementWise(ITensor& a, ITensor& b,
                                    ElementWiseOperation op) noexcept override;
  IScaleLayer* addScale(ITensor& input, ScaleMode mode, Weights shift, Weights scale,
                        Weights power) noexcept override;
  IScaleLayer* addScaleNd(ITensor& input, ScaleMode mode, Weights shift, Weights scale,
                          Weights power, int32_t axis) noexcept override;

  Tensor* NewTensor(const std::string& name);
  Tensor* Find(const std::string& name);
  LayerData* NewLayer(LayerType type, const std::string& name, const std::string& op);
  LayerData* NewUnary(LayerType type, const char* op, ITensor& input);
  void Fill(const Model& model);

  std::string name = "Unnamed Network 0";
  std::vector<Tensor*> inputs, outputs;
  std::vector<LayerData*> layers;
  std::vector<Initializer> weights;

 private:
  template <typename Shell>
  Shell* Wrap(LayerData* layer);

  IBuilder* builder_;
  IErrorRecorder* recorder_ = nullptr;
  // In the order of destruction that shells need: they point to the data.
  std::deque<Tensor> tensors_;
  std::deque<LayerData> data_;
  std::vector<std::shared_ptr<void>> shells_;
};

}  // namespace fake

// The layers that a program can add by itself: what the image input and tests need.
#include "network.h"

namespace fake {
namespace {

std::string Unnamed(size_t index, const char* type) {
  return "(Unnamed Layer* " + std::to_string(index) + ") [" + type + "]";
}

// API classes have protected constructors and pointers to their implementation; these fill them.
class PlainShell : public ILayer {
 public:
  explicit PlainShell(LayerData* layer) { mLayer = layer; }
};

class IdentityShell : public IIdentityLayer, public VIdentityLayerStub {
 public:
  explicit IdentityShell(LayerData* layer) {
    mLayer = layer;
    mImpl = this;
  }
};

class CastShell : public ICastLayer, public VCastLayerStub {
 public:
  explicit CastShell(LayerData* layer) : layer_(layer) {
    mLayer = layer;
    mImpl = this;
  }
  void setToType(DataType type) noexcept override { layer_->outputs[0]->type = type; }
  DataType getToType() const noexcept override { return layer_->outputs[0]->type; }

 private:
  LayerData* layer_;
};

class ConstantShell : public IConstantLayer, public VConstantLayerStub {
 public:
  explicit ConstantShell(LayerData* layer) : layer_(layer) {
    mLayer = layer;
    mImpl = this;
  }
  void setWeights(Weights value) noexcept override { weights = value; }
  Weights getWeights() const noexcept override { return weights; }
  void setDimensions(DimsArgument dims) noexcept override {
    layer_->outputs[0]->shape = FromDims(dims);
  }
  Dims getDimensions() const noexcept override { return ToDims(layer_->outputs[0]->shape); }
  Weights weights{};

 private:
  LayerData* layer_;
};

class ShuffleShell : public IShuffleLayer, public VShuffleLayerStub {
 public:
  explicit ShuffleShell(LayerData* layer) : layer_(layer) {
    mLayer = layer;
    mImpl = this;
    for (int32_t i = 0; i < Dims::MAX_DIMS; ++i) first_.order[i] = second_.order[i] = i;
  }
  void setFirstTranspose(const Permutation& permutation) noexcept override {
    first_ = permutation;
    const Shape from = layer_->inputs[0]->shape;
    Shape& to = layer_->outputs[0]->shape;
    to = from;
    for (size_t i = 0; i < from.size(); ++i) to[i] = from[static_cast<size_t>(first_.order[i])];
  }
  const Permutation& getFirstTranspose() const noexcept override { return first_; }
  void setReshapeDimensions(DimsArgument dims) noexcept override {
    layer_->outputs[0]->shape = FromDims(dims);
  }
  Dims getReshapeDimensions() const noexcept override {
    return ToDims(layer_->outputs[0]->shape);
  }
  void setSecondTranspose(const Permutation& permutation) noexcept override {
    second_ = permutation;
  }
  const Permutation& getSecondTranspose() const noexcept override { return second_; }

 private:
  LayerData* layer_;
  Permutation first_{}, second_{};
};

class ElementWiseShell : public IElementWiseLayer, public VElementWiseLayerStub {
 public:
  explicit ElementWiseShell(LayerData* layer) {
    mLayer = layer;
    mImpl = this;
  }
  void setOperation(ElementWiseOperation value) noexcept override { operation = value; }
  ElementWiseOperation getOperation() const noexcept override { return operation; }
  ElementWiseOperation operation = ElementWiseOperation::kSUM;
};

class ScaleShell : public IScaleLayer, public VScaleLayerStub {
 public:
  explicit ScaleShell(LayerData* layer) {
    mLayer = layer;
    mImpl = this;
  }
  ScaleMode getMode() const noexcept override { return mode; }
  Weights getShift() const noexcept override { return shift; }
  Weights getScale() const noexcept override { return scale; }
  Weights getPower() const noexcept override { return power; }
  int32_t getChannelAxis() const noexcept override { return axis; }
  ScaleMode mode = ScaleMode::kUNIFORM;
  Weights shift{}, scale{}, power{};
  int32_t axis = 1;
};

}  // namespace

template <typename Shell>
Shell* Network::Wrap(LayerData* layer) {
  auto shell = std::make_shared<Shell>(layer);
  layer->shell = shell.get();
  shells_.push_back(shell);
  return shell.get();
}

LayerData* Network::NewLayer(LayerType type, const std::string& name, const std::string& op) {
  data_.emplace_back();
  LayerData* layer = &data_.back();
  layer->type = type;
  layer->name = name;
  layer->op = op;
  layers.push_back(layer);
  if (type == LayerType::kCONSTANT) {
    Wrap<ConstantShell>(layer);
  } else if (type == LayerType::kELEMENTWISE) {
    Wrap<ElementWiseShell>(layer);
  } else {
    Wrap<PlainShell>(layer);
  }
  return layer;
}

LayerData* Network::NewUnary(LayerType type, const char* op, ITensor& input) {
  LayerData* layer = NewLayer(type, Unnamed(layers.size(), op), op);
  auto& from = static_cast<Tensor&>(input);
  layer->inputs.push_back(&from);
  Tensor* output = NewTensor(layer->name + "_output");
  output->shape = from.shape;
  output->shapeKnown = from.shapeKnown;
  output->dimNames = from.dimNames;
  output->type = from.type;
  output->producer = layer;
  layer->outputs.push_back(output);
  return layer;
}

IIdentityLayer* Network::addIdentity(ITensor& input) noexcept {
  return Wrap<IdentityShell>(NewUnary(LayerType::kIDENTITY, "Identity", input));
}

ICastLayer* Network::addCast(ITensor& input, DataType type) noexcept {
  LayerData* layer = NewUnary(LayerType::kCAST, "Cast", input);
  layer->outputs[0]->type = type;
  return Wrap<CastShell>(layer);
}

IConstantLayer* Network::addConstant(DimsArgument dims, Weights weights) noexcept {
  LayerData* layer =
      NewLayer(LayerType::kCONSTANT, Unnamed(layers.size(), "Constant"), "Constant");
  Tensor* output = NewTensor(layer->name + "_output");
  output->shape = FromDims(dims);
  output->type = weights.type;
  output->producer = layer;
  layer->outputs.push_back(output);
  auto* shell = Wrap<ConstantShell>(layer);
  shell->weights = weights;
  if (weights.type == DataType::kFLOAT && weights.values != nullptr) {
    const auto* values = static_cast<const float*>(weights.values);
    layer->values.assign(values, values + weights.count);
  }
  return shell;
}

IShuffleLayer* Network::addShuffle(ITensor& input) noexcept {
  return Wrap<ShuffleShell>(NewUnary(LayerType::kSHUFFLE, "Shuffle", input));
}

IElementWiseLayer* Network::addElementWise(ITensor& a, ITensor& b,
                                           ElementWiseOperation operation) noexcept {
  LayerData* layer = NewUnary(LayerType::kELEMENTWISE, "ElementWise", a);
  layer->inputs.push_back(&static_cast<Tensor&>(b));
  auto* shell = Wrap<ElementWiseShell>(layer);
  shell->operation = operation;
  layer->operation = static_cast<int>(operation);
  return shell;
}

IScaleLayer* Network::addScaleNd(ITensor& input, ScaleMode mode, Weights shift, Weights scale,
                                 Weights power, int32_t axis) noexcept {
  auto* shell = Wrap<ScaleShell>(NewUnary(LayerType::kSCALE, "Scale", input));
  shell->mode = mode;
  shell->shift = shift;
  shell->scale = scale;
  shell->power = power;
  shell->axis = axis;
  return shell;
}

IScaleLayer* Network::addScale(ITensor& input, ScaleMode mode, Weights shift, Weights scale,
                               Weights power) noexcept {
  return addScaleNd(input, mode, shift, scale, power, 1);
}

}  // namespace fake

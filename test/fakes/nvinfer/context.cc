// Execution: shapes, addresses, and one operation on the fake stream for each enqueue.
#include "engine.h"

namespace fake {
namespace {

// What one enqueue reads and writes, resolved when it executes and not when it is queued.
struct Launch {
  std::shared_ptr<const std::atomic<float>> bias;
  const Cuda* cuda = nullptr;
  std::vector<Operand> inputs, outputs;
  // An engine or a context destroyed before its work is done takes these away.
  unsigned long long weights = 0, workspace = 0;
};

constexpr int kIllegalAddress = 700;

int Execute(void* data) {
  const auto* launch = static_cast<const Launch*>(data);
  for (const unsigned long long own : {launch->weights, launch->workspace}) {
    if (own != 0 && launch->cuda->bytes(own, 1) == nullptr) return kIllegalAddress;
  }
  std::vector<Operand> inputs = launch->inputs, outputs = launch->outputs;
  for (auto* list : {&inputs, &outputs}) {
    for (Operand& operand : *list) {
      const size_t bytes = Volume(operand.shape) * ElementBytes(operand.type);
      if (bytes == 0) continue;
      operand.data = launch->cuda->bytes(reinterpret_cast<uint64_t>(operand.data), bytes);
      if (operand.data == nullptr) return kIllegalAddress;
    }
  }
  Compute(inputs, outputs, *launch->bias);
  return 0;
}

}  // namespace

Context::Context(Engine* engine) : engine_(engine) {
  mImpl = this;
  if (engine_->Claim(0)) profile_ = 0;
  for (const PlanTensor& tensor : engine_->plan.tensors) {
    bool fixed = tensor.input;
    for (const int64_t extent : tensor.shape) fixed = fixed && extent >= 0;
    if (fixed) shapes_[tensor.name] = tensor.shape;
  }
}

Context::~Context() {
  if (profile_ >= 0) engine_->Unclaim(profile_);
}

bool Context::Allocate() {
  ownsMemory_ = memory_.Allocate(*engine_->cuda, engine_->plan.workspace, engine_->logger);
  return ownsMemory_;
}

bool Context::Error(const std::string& message) const {
  LogError(engine_->logger, "IExecutionContext::" + message);
  return false;
}

bool Context::setOptimizationProfileAsync(int32_t profile, cudaStream_t) noexcept {
  if (profile < 0 || profile >= engine_->getNbOptimizationProfiles()) {
    return Error("setOptimizationProfileAsync: Error Code 3: API Usage Error (Profile index " +
                 std::to_string(profile) + " is out of range)");
  }
  if (profile == profile_) return true;
  if (!engine_->Claim(profile)) {
    return Error("setOptimizationProfileAsync: Error Code 3: API Usage Error (Profile " +
                 std::to_string(profile) + " has been chosen for another IExecutionContext)");
  }
  if (profile_ >= 0) engine_->Unclaim(profile_);
  profile_ = profile;
  // A new profile forgets the shapes of dynamic inputs, as the real one does.
  for (const PlanTensor& tensor : engine_->plan.tensors) {
    for (const int64_t extent : tensor.shape) {
      if (tensor.input && extent < 0) shapes_.erase(tensor.name);
    }
  }
  return true;
}

bool Context::setInputShape(const char* name, const Dims& dims) noexcept {
  const PlanTensor* tensor = engine_->plan.Find(name);
  if (tensor == nullptr || !tensor->input) {
    return Error(std::string("setInputShape: Error Code 3: API Usage Error (Given invalid tensor "
                             "name: ") + name + ")");
  }
  if (profile_ < 0) {
    return Error("setInputShape: Error Code 3: API Usage Error (no optimization profile is chosen)");
  }
  const Shape shape = FromDims(dims);
  bool fits = shape.size() == tensor->shape.size();
  Shape lowest = tensor->shape, highest = tensor->shape;
  if (static_cast<size_t>(profile_) < engine_->plan.profiles.size()) {
    const auto& ranges = engine_->plan.profiles[static_cast<size_t>(profile_)];
    const auto range = ranges.find(name);
    if (range != ranges.end()) {
      lowest = range->second.min;
      highest = range->second.max;
    }
  }
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i] >= lowest[i] && shape[i] <= highest[i];
  }
  if (!fits) {
    return Error("setInputShape: Error Code 3: API Usage Error (Parameter check failed, condition: "
                 "engineDims.d[i] == dims.d[i]. Static dimension mismatch or profile range for " +
                 std::string(name) + ": set dimensions are " + ShapeText(shape) +
                 ". Profile minimum " + ShapeText(lowest) + ", maximum " + ShapeText(highest) +
                 ")");
  }
  shapes_[name] = shape;
  return true;
}

bool Context::allInputDimensionsSpecified() const noexcept {
  for (const PlanTensor& tensor : engine_->plan.tensors) {
    if (tensor.input && shapes_.count(tensor.name) == 0) return false;
  }
  return true;
}

// A dynamic extent of an output is that of the input dimension with the same name, else, for the
// first one, the batch.
bool Context::Resolve(const PlanTensor& tensor, Shape* shape) const {
  *shape = tensor.shape;
  if (tensor.input) {
    const auto found = shapes_.find(tensor.name);
    if (found == shapes_.end()) return false;
    *shape = found->second;
    return true;
  }
  for (size_t i = 0; i < shape->size(); ++i) {
    if ((*shape)[i] >= 0) continue;
    const std::string wanted = i < tensor.dimNames.size() ? tensor.dimNames[i] : "";
    for (const PlanTensor& input : engine_->plan.tensors) {
      const auto found = shapes_.find(input.name);
      if (!input.input || (*shape)[i] >= 0) continue;
      if (found == shapes_.end()) return false;
      for (size_t k = 0; k < found->second.size(); ++k) {
        const std::string name = k < input.dimNames.size() ? input.dimNames[k] : "";
        const bool same = wanted.empty() ? i == 0 && k == 0 : name == wanted;
        if (same && (*shape)[i] < 0) (*shape)[i] = found->second[k];
      }
    }
    if ((*shape)[i] < 0) (*shape)[i] = 1;
  }
  return true;
}

Dims Context::getTensorShape(const char* name) const noexcept {
  const PlanTensor* tensor = engine_->plan.Find(name);
  Shape shape;
  if (tensor == nullptr) {
    Dims none{};
    none.nbDims = -1;
    return none;
  }
  return ToDims(Resolve(*tensor, &shape) ? shape : tensor->shape);
}

Dims Context::getTensorStrides(const char* name) const noexcept {
  const Shape shape = FromDims(getTensorShape(name));
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return ToDims(strides);
}

bool Context::setTensorAddress(const char* name, void* data) noexcept {
  if (engine_->plan.Find(name) == nullptr) {
    return Error(std::string("setTensorAddress: Error Code 3: API Usage Error (Given invalid "
                             "tensor name: ") + name + ")");
  }
  addresses_[name] = data;
  return true;
}

const void* Context::getTensorAddress(const char* name) const noexcept {
  const auto found = addresses_.find(name);
  return found == addresses_.end() ? nullptr : found->second;
}

int64_t Context::getMaxOutputSize(const char* name) const noexcept {
  const PlanTensor* tensor = engine_->plan.Find(name);
  Shape shape;
  if (tensor == nullptr || tensor->input || !Resolve(*tensor, &shape)) return -1;
  return static_cast<int64_t>(Volume(shape) * ElementBytes(tensor->type));
}

int32_t Context::inferShapes(int32_t count, const char** names) noexcept {
  int32_t missing = 0;
  for (const PlanTensor& tensor : engine_->plan.tensors) {
    if (!tensor.input || shapes_.count(tensor.name) != 0) continue;
    if (names != nullptr && missing < count) names[missing] = tensor.name.c_str();
    ++missing;
  }
  return missing;
}

bool Context::enqueueV3(cudaStream_t stream) noexcept {
  // The real context is not thread-safe either, but breaks silently.
  if (busy_.exchange(true)) {
    return Error("enqueueV3: Error Code 3: API Usage Error (the context is used by two threads)");
  }
  struct Idle {
    std::atomic<bool>* busy;
    ~Idle() { *busy = false; }
  } idle{&busy_};
  if (FailsNow("failEnqueue")) {
    return Error("enqueueV3: Error Code 1: Cuda Runtime (an illegal memory access was encountered)");
  }
  if (!ownsMemory_ && !userMemory_) {
    return Error("enqueueV3: Error Code 4: API Usage Error (no device memory was set)");
  }
  engine_->cuda->Ensure();
  auto launch = std::make_unique<Launch>();
  launch->bias = engine_->bias;
  launch->cuda = engine_->cuda;
  launch->weights = engine_->weights();
  launch->workspace = memory_.pointer();
  for (const PlanTensor& tensor : engine_->plan.tensors) {
    Operand operand;
    operand.type = tensor.type;
    operand.reduction = tensor.reduction;
    if (!Resolve(tensor, &operand.shape)) {
      return Error("enqueueV3: Error Code 3: API Usage Error (Parameter check failed, condition: "
                   "all input dimensions specified: " + tensor.name + ")");
    }
    const auto address = addresses_.find(tensor.name);
    if (address == addresses_.end() || address->second == nullptr) {
      return Error("enqueueV3: Error Code 3: API Usage Error (Parameter check failed, condition: "
                   "mContext.profileObliviousBindings.at(profileObliviousIndex) != nullptr. "
                   "Address is not set for tensor " + tensor.name + ")");
    }
    operand.data = address->second;
    (tensor.input ? launch->inputs : launch->outputs).push_back(std::move(operand));
  }
  const int error = engine_->cuda->enqueue(stream, &Execute, launch.release(), [](void* data) {
    delete static_cast<Launch*>(data);
  });
  if (error != 0) {
    return Error("enqueueV3: Error Code 1: Cuda Runtime (error " + std::to_string(error) + ")");
  }
  if (consumed_ != nullptr) engine_->cuda->recordEvent(consumed_, stream);
  if (profiler_ != nullptr && emitsProfile_) {
    engine_->cuda->synchronize(stream);
    return reportToProfiler();
  }
  return true;
}

bool Context::reportToProfiler() const noexcept {
  if (profiler_ == nullptr) return false;
  float milliseconds = 0;
  for (const PlanLayer& layer : engine_->plan.layers) {
    milliseconds += 0.001F;  // invented, different for each layer
    profiler_->reportLayerTime(layer.name.c_str(), milliseconds);
  }
  return true;
}

}  // namespace fake

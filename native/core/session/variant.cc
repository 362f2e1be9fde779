#include "core/session/variant.h"

#include <algorithm>
#include <utility>

#include "core/network.h"
#include "core/text.h"

namespace trtn {
namespace {

constexpr size_t kMaxGraphs = 4;

void* Address(cuda::DevicePointer pointer) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(pointer));
}

}  // namespace

Variant::Variant(Engine& engine, int profile, std::vector<Shape> inputs,
                 const cuda::Stream& stream, const cuda::DeviceBuffer& scratch)
    : engine_(engine),
      profile_(profile),
      inputs_(std::move(inputs)),
      context_(engine.CreateContext()) {
  engine_.SetScratch(*context_, scratch);
  SetProfile(stream);
  SetShapes();
}

void Variant::SetProfile(const cuda::Stream& stream) {
  if (!engine_.dynamic() || context_->getOptimizationProfile() == profile_) return;
  if (context_->setOptimizationProfileAsync(profile_, stream.get())) {
    stream.Synchronize();
    return;
  }
  throw Error("INFERENCE_FAILED",
              "TensorRT did not give optimization profile " + std::to_string(profile_) +
                  " to another execution context",
              "TensorRT 8.6 lets one context use a profile unless the engine was built with profile "
              "sharing: use contexts: 1, or build the engine with tensorrt-node.");
}

void Variant::SetShapes() {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Binding& input = engine_.inputs()[i];
    if (!input.dynamic()) continue;
    if (!context_->setInputShape(input.name.c_str(), DimsOf(inputs_[i]))) {
      throw Error("INFERENCE_FAILED", "TensorRT refused the shape " + ShapeText(inputs_[i]) +
                                          " of input " + ValidUtf8(input.name));
    }
  }
  for (const Binding& output : engine_.outputs()) {
    Shape shape = ShapeOf(context_->getTensorShape(output.name.c_str()));
    if (std::find(shape.begin(), shape.end(), -1) != shape.end()) {
      throw Error("MODEL_UNSUPPORTED",
                  "Output " + ValidUtf8(output.name) + " has the shape " + ShapeText(shape) +
                      ", which depends on the data",
                  "Export the model so that output shapes follow from input shapes.");
    }
    outputs_.push_back(std::move(shape));
  }
}

void Variant::Bind(const std::vector<cuda::DevicePointer>& addresses) {
  if (addresses == addresses_) return;
  const size_t inputs = engine_.inputs().size();
  for (size_t i = 0; i < addresses.size(); ++i) {
    const Binding& binding = i < inputs ? engine_.inputs()[i] : engine_.outputs()[i - inputs];
    if (!context_->setTensorAddress(binding.name.c_str(), Address(addresses[i]))) {
      addresses_.clear();
      throw Error("INFERENCE_FAILED",
                  "TensorRT refused the memory given for " + ValidUtf8(binding.name),
                  "GPU buffers must be aligned to 256 bytes.");
    }
  }
  addresses_ = addresses;
}

Variant::Captured& Variant::CapturedOfCurrent() {
  const auto found =
      std::find_if(captured_.begin(), captured_.end(),
                   [this](const Captured& entry) { return entry.addresses == addresses_; });
  if (found == captured_.begin() && found != captured_.end()) return *found;
  if (found != captured_.end()) {
    std::rotate(captured_.begin(), found, found + 1);
  } else {
    if (captured_.size() >= kMaxGraphs) captured_.pop_back();
    captured_.insert(captured_.begin(), Captured{addresses_, 0, {}});
  }
  return captured_.front();
}

bool Variant::Enqueue(const cuda::Stream& stream, bool allow_graph) {
  if (allow_graph && graph_problem_.empty()) {
    Captured& entry = CapturedOfCurrent();
    if (!entry.graph && entry.uses++ > 0) Capture(stream);
    if (entry.graph) {
      entry.graph.Launch(stream);
      return true;
    }
  }
  EnqueuePlain(stream);
  return false;
}

std::vector<LayerTimes> Variant::Profile(const cuda::Stream& stream, int64_t iterations) {
  // A profiler changes what a run queues, so graphs are captured anew afterwards.
  captured_.clear();
  LayerProfiler profiler;
  context_->setProfiler(&profiler);
  try {
    for (int64_t i = 0; i < iterations; ++i) {
      profiler.NextRun();
      EnqueuePlain(stream);
      stream.Synchronize();
    }
  } catch (...) {
    context_->setProfiler(nullptr);
    throw;
  }
  context_->setProfiler(nullptr);
  return profiler.Take();
}

void Variant::EnqueuePlain(const cuda::Stream& stream) {
  if (context_->enqueueV3(stream.get())) return;
  throw Error("INFERENCE_FAILED", "TensorRT could not queue the run");
}

bool Variant::Capture(const cuda::Stream& stream) {
  Captured& entry = CapturedOfCurrent();
  if (entry.graph) return true;
  bool capturing = false;
  try {
    cuda::GraphExec::BeginCapture(stream);
    capturing = true;
    EnqueuePlain(stream);
    capturing = false;
    entry.graph = cuda::GraphExec::EndCapture(stream);
    return true;
  } catch (const Error& error) {
    if (capturing) cuda::GraphExec::AbandonCapture(stream);
    graph_problem_ = error.what();
    for (const LogLine& line : engine_.TakeLog()) graph_problem_ += "; " + line.text;
    const auto* cuda_error = dynamic_cast<const cuda::CudaError*>(&error);
    if (cuda_error != nullptr && cuda_error->sticky()) throw;
    return false;
  }
}

}  // namespace trtn

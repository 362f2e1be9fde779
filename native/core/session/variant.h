#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/cuda/owners.h"
#include "core/session/early_wake.h"
#include "core/session/engine.h"
#include "core/session/layer_profile.h"
#include "core/session/shape_set.h"

namespace trtn {

// An execution context that serves one set of shapes for ever, with the CUDA graphs captured from it.
// TensorRT's rule decides this: a graph is only good while the context that it was captured from keeps
// its shapes. Contexts are cheap, because all variants of a slot share its scratch memory.
class Variant {
 public:
  // Makes a context with the profile and shapes set, and reads the outputs' shapes. Throws Error.
  Variant(Engine& engine, int profile, std::vector<Shape> inputs, const cuda::Stream& stream,
          const cuda::DeviceBuffer& scratch);

  const std::vector<Shape>& inputs() const { return inputs_; }
  const std::vector<Shape>& outputs() const { return outputs_; }
  int profile() const { return profile_; }

  // Where the tensors are: inputs, then outputs.
  void Bind(const std::vector<cuda::DevicePointer>& addresses);

  // Queues one run on the stream: the graph of these addresses when there is one or when it is worth
  // capturing (second use on), otherwise the plain call. Returns whether a graph was launched.
  bool Enqueue(const cuda::Stream& stream, bool allow_graph);
  // Captures the graph of the current addresses at once. The stream must be idle and the shapes must
  // have run before. Returns false, with the reason in `graph_problem`, when that fails.
  bool Capture(const cuda::Stream& stream);

  // Runs without a graph and waits for each run, with the time of every layer.
  std::vector<LayerTimes> Profile(const cuda::Stream& stream, int64_t iterations);

  // Why no graph is used, empty when one can be.
  const std::string& graph_problem() const { return graph_problem_; }

  WaitEstimate& wait_estimate() { return wait_estimate_; }

 private:
  struct Captured {
    std::vector<cuda::DevicePointer> addresses;
    int uses = 0;
    cuda::GraphExec graph;
  };

  void SetProfile(const cuda::Stream& stream);
  void SetShapes();
  void EnqueuePlain(const cuda::Stream& stream);
  Captured& CapturedOfCurrent();

  Engine& engine_;
  int profile_;
  std::vector<Shape> inputs_;
  std::vector<Shape> outputs_;
  Owned<nvinfer1::IExecutionContext> context_;
  std::vector<cuda::DevicePointer> addresses_;
  // Most recently used first; few, because few runs bring memory of their own.
  std::vector<Captured> captured_;
  std::string graph_problem_;
  WaitEstimate wait_estimate_;
};

}  // namespace trtn

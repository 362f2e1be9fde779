#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/cuda/owners.h"
#include "core/session/early_wake.h"
#include "core/session/engine.h"
#include "core/session/job.h"
#include "core/session/variant.h"

namespace trtn {

struct SlotOptions {
  bool graph = true;  // capture CUDA graphs
  bool spin = false;  // poll the stream instead of leaving the wait to the driver
};

// What a slot holds, for memory reports; read from other threads.
struct SlotMemory {
  std::atomic<size_t> device{0};
  std::atomic<size_t> pinned{0};
  std::atomic<size_t> contexts{0};
};

// One lane of a session: a stream with the buffers and execution contexts that its runs use one after
// the other. Not thread-safe: whoever holds `mutex()` uses it, with the engine's context current.
class Slot {
 public:
  Slot(std::shared_ptr<Engine> engine, const SlotOptions& options);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  std::mutex& mutex() { return mutex_; }
  const SlotMemory& memory() const { return memory_; }
  // Why runs are not launched as graphs; empty when they are, or when none was asked for.
  std::string GraphProblem() const;

  // The shapes that a run with these inputs has. Throws Error PROFILE_INVALID, MODEL_UNSUPPORTED.
  std::shared_ptr<ShapeSet> Prepare(const std::vector<Shape>& inputs, int wanted_profile);
  // Runs the shapes once over zeroed buffers and captures the graph, so that the first real run is as
  // fast as the others.
  void WarmUp(const ShapeSet& shapes);
  // Uploads, computes, downloads and waits. Throws Error after the GPU has let go of all memory.
  void Run(const Job& job, const EarlyWake& early = {});

  // The time of every layer in each of some runs. Throws Error.
  std::vector<LayerTimes> Profile(const Job& job, int64_t iterations);

  // The stages of a run, for the benchmark's loop. Upload with `staged` takes what staging holds.
  void Begin(const Job& job);
  void Upload(const Job& job, bool staged);
  bool Compute(bool graph);
  void Download(const Job& job);
  void Wait(bool spin);
  // Copies staged outputs to where the job wants them.
  void Deliver(const Job& job);
  const cuda::Stream& stream() const { return stream_; }
  const SlotOptions& options() const { return options_; }

 private:
  Variant& VariantFor(int profile, const std::vector<Shape>& inputs);
  void WaitEarly(const EarlyWake& early);
  void UploadOne(size_t index, size_t bytes, const unsigned char* source);
  void CountMemory();

  std::shared_ptr<Engine> engine_;
  const SlotOptions options_;
  std::mutex mutex_;
  cuda::Stream stream_;
  cuda::DeviceBuffer scratch_;
  std::vector<cuda::DeviceBuffer> device_;    // inputs, then outputs
  std::vector<cuda::PinnedBuffer> staging_;   // likewise
  std::list<Variant> variants_;               // most recently used first
  Variant* current_ = nullptr;
  std::vector<cuda::DevicePointer> addresses_;
  SlotMemory memory_;
  mutable std::mutex problem_mutex_;
  std::string graph_problem_;
};

}  // namespace trtn

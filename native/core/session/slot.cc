#include "core/session/slot.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace trtn {
namespace {

// Mixed image sizes make many shapes; each context costs host memory and some of the device's.
constexpr size_t kMaxVariants = 8;

// The GPU fetches one piece while the next is copied: measured against the whole copy first.
constexpr size_t kPieceBytes = 256 * 1024;

}  // namespace

Slot::Slot(std::shared_ptr<Engine> engine, const SlotOptions& options)
    : engine_(std::move(engine)), options_(options) {
  const size_t count = engine_->inputs().size() + engine_->outputs().size();
  device_.resize(count);
  staging_.resize(count);
  addresses_.resize(count);
  scratch_ = cuda::DeviceBuffer(std::max<size_t>(engine_->ScratchBytes(), 256));
  CountMemory();
}

Slot::~Slot() {
  stream_.Drain();
  // Graphs and contexts go before the memory that they use.
  variants_.clear();
}

std::string Slot::GraphProblem() const {
  const std::lock_guard<std::mutex> lock(problem_mutex_);
  return graph_problem_;
}

Variant& Slot::VariantFor(int profile, const std::vector<Shape>& inputs) {
  for (auto at = variants_.begin(); at != variants_.end(); ++at) {
    if (at->profile() != profile || at->inputs() != inputs) continue;
    if (at != variants_.begin()) variants_.splice(variants_.begin(), variants_, at);
    return variants_.front();
  }
  current_ = nullptr;
  while (variants_.size() >= kMaxVariants) variants_.pop_back();
  try {
    variants_.emplace_front(*engine_, profile, inputs, stream_, scratch_);
  } catch (const cuda::CudaError&) {
    throw;
  } catch (const Error& error) {
    // TensorRT 8.6 may refuse a second context of a profile; the slot then lives with one.
    if (variants_.empty() || error.code() != "INFERENCE_FAILED") throw;
    variants_.clear();
    variants_.emplace_front(*engine_, profile, inputs, stream_, scratch_);
  }
  CountMemory();
  return variants_.front();
}

std::shared_ptr<ShapeSet> Slot::Prepare(const std::vector<Shape>& inputs, int wanted_profile) {
  auto shapes = std::make_shared<ShapeSet>();
  shapes->profile = ChooseProfile(*engine_, inputs, wanted_profile);
  shapes->inputs = inputs;
  shapes->outputs = VariantFor(shapes->profile, inputs).outputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    shapes->input_bytes.push_back(BytesOf(engine_->inputs()[i], inputs[i]));
  }
  for (size_t i = 0; i < shapes->outputs.size(); ++i) {
    shapes->output_bytes.push_back(BytesOf(engine_->outputs()[i], shapes->outputs[i]));
  }
  return shapes;
}

void Slot::WarmUp(const ShapeSet& shapes) {
  Job job;
  job.shapes = std::make_shared<ShapeSet>(shapes);
  job.inputs.resize(shapes.inputs.size());
  job.outputs.resize(shapes.outputs.size());
  Begin(job);
  for (size_t i = 0; i < shapes.input_bytes.size(); ++i) {
    cuda::Check(cuda::Driver().MemsetD8Async(addresses_[i], 0, shapes.input_bytes[i],
                                             stream_.get()),
                "cuMemsetD8Async");
  }
  // The second call captures.
  for (int i = 0; i < 2; ++i) {
    Compute(options_.graph);
    Wait(false);
  }
}

void Slot::Begin(const Job& job) {
  const ShapeSet& shapes = *job.shapes;
  const size_t inputs = job.inputs.size();
  bool grown = false;
  const auto place = [&](size_t index, const TensorPlace& tensor, size_t bytes) {
    if (tensor.kind == TensorPlace::Kind::kDevice) {
      addresses_[index] = tensor.device;
      return;
    }
    // A tensor of no elements still needs an address.
    const size_t needed = std::max<size_t>(bytes, 1);
    grown = grown || needed > device_[index].bytes();
    device_[index].Grow(needed);
    addresses_[index] = device_[index].get();
    if (tensor.kind == TensorPlace::Kind::kHost) {
      grown = grown || needed > staging_[index].bytes();
      staging_[index].Grow(needed);
    }
  };
  for (size_t i = 0; i < inputs; ++i) place(i, job.inputs[i], shapes.input_bytes[i]);
  for (size_t i = 0; i < job.outputs.size(); ++i) {
    place(inputs + i, job.outputs[i], shapes.output_bytes[i]);
  }
  if (grown) CountMemory();
  current_ = &VariantFor(shapes.profile, shapes.inputs);
  current_->Bind(addresses_);
}

void Slot::UploadOne(size_t index, size_t bytes, const unsigned char* source) {
  const cuda::Api& api = cuda::Driver();
  unsigned char* staging = staging_[index].get();
  for (size_t at = 0; at < bytes; at += kPieceBytes) {
    const size_t piece = std::min(kPieceBytes, bytes - at);
    std::memcpy(staging + at, source + at, piece);
    cuda::Check(api.MemcpyHtoDAsync(addresses_[index] + at, staging + at, piece, stream_.get()),
                "cuMemcpyHtoDAsync");
  }
}

void Slot::Upload(const Job& job, bool staged) {
  for (size_t i = 0; i < job.inputs.size(); ++i) {
    const TensorPlace& input = job.inputs[i];
    const size_t bytes = job.shapes->input_bytes[i];
    if (bytes == 0 || input.kind == TensorPlace::Kind::kDevice ||
        input.kind == TensorPlace::Kind::kNone) {
      continue;
    }
    if (input.kind == TensorPlace::Kind::kHost && !staged) {
      UploadOne(i, bytes, input.host);
      continue;
    }
    const void* source = input.kind == TensorPlace::Kind::kPinned ? input.host : staging_[i].get();
    cuda::Check(cuda::Driver().MemcpyHtoDAsync(addresses_[i], source, bytes, stream_.get()),
                "cuMemcpyHtoDAsync");
  }
}

bool Slot::Compute(bool graph) {
  const bool launched = current_->Enqueue(stream_, graph);
  if (graph && !launched && !current_->graph_problem().empty()) {
    const std::lock_guard<std::mutex> lock(problem_mutex_);
    if (graph_problem_.empty()) graph_problem_ = current_->graph_problem();
  }
  return launched;
}

void Slot::Download(const Job& job) {
  const size_t inputs = job.inputs.size();
  for (size_t i = 0; i < job.outputs.size(); ++i) {
    const TensorPlace& output = job.outputs[i];
    const size_t bytes = job.shapes->output_bytes[i];
    const bool host = output.kind == TensorPlace::Kind::kHost;
    if (bytes == 0 || (!host && output.kind != TensorPlace::Kind::kPinned)) continue;
    void* target = host ? staging_[inputs + i].get() : output.host;
    cuda::Check(
        cuda::Driver().MemcpyDtoHAsync(target, addresses_[inputs + i], bytes, stream_.get()),
        "cuMemcpyDtoHAsync");
  }
}

void Slot::Wait(bool spin) {
  if (spin) {
    stream_.Spin();
  } else {
    stream_.Synchronize();
  }
}

void Slot::Deliver(const Job& job) {
  const size_t inputs = job.inputs.size();
  for (size_t i = 0; i < job.outputs.size(); ++i) {
    const size_t bytes = job.shapes->output_bytes[i];
    // An array of no elements may lie nowhere.
    if (bytes == 0 || job.outputs[i].kind != TensorPlace::Kind::kHost) continue;
    std::memcpy(job.outputs[i].host, staging_[inputs + i].get(), bytes);
  }
}

void Slot::WaitEarly(const EarlyWake& early) {
  WaitEstimate& estimate = current_->wait_estimate();
  const WaitEstimate::Clock::time_point start = WaitEstimate::Clock::now();
  estimate.WakeBeforeEnd(start, stream_, early);
  Wait(options_.spin);
  estimate.Learn(WaitEstimate::Clock::now() - start);
}

void Slot::Run(const Job& job, const EarlyWake& early) {
  try {
    Begin(job);
    Upload(job, false);
    Compute(options_.graph);
    Download(job);
    WaitEarly(early);
  } catch (...) {
    // The GPU may still read the caller's memory.
    stream_.Drain();
    throw;
  }
  Deliver(job);
}

std::vector<LayerTimes> Slot::Profile(const Job& job, int64_t iterations) {
  try {
    Begin(job);
    Upload(job, false);
    std::vector<LayerTimes> layers = current_->Profile(stream_, iterations);
    Download(job);
    Wait(false);
    Deliver(job);
    return layers;
  } catch (...) {
    stream_.Drain();
    throw;
  }
}

void Slot::CountMemory() {
  size_t device = scratch_.bytes();
  for (const cuda::DeviceBuffer& buffer : device_) device += buffer.bytes();
  size_t pinned = 0;
  for (const cuda::PinnedBuffer& buffer : staging_) pinned += buffer.bytes();
  memory_.device = device;
  memory_.pinned = pinned;
  memory_.contexts = variants_.size();
}

}  // namespace trtn

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cuda/context.h"
#include "core/cuda/owners.h"
#include "core/logger.h"
#include "core/session/free_memory.h"
#include "core/tensorrt.h"
#include "core/tensorrt_library.h"

namespace trtn {

struct EngineSource {
  LibraryPaths library;
  int device = 0;
  std::string path;  // of the plan, for messages also where `bytes` are given; may then be empty
  std::optional<PageBuffer> bytes;  // the plan; without them the file is read
};

struct ShapeRange {
  Shape min;
  Shape opt;
  Shape max;
};

// One input or output of an engine.
struct Binding {
  std::string name;
  std::string type;  // as onnxruntime spells it
  size_t element_bytes = 0;
  Shape shape;                      // -1 where the extent is dynamic
  std::vector<ShapeRange> profiles; // of an input, one a profile; empty when nothing is dynamic
  bool dynamic() const;
};

// A deserialised plan with all that outlives its execution contexts. Shared by the slots of a session.
class Engine {
 public:
  // Reads and deserialises on the calling thread. Throws Error ENGINE_INVALID, FILE_NOT_FOUND,
  // DEVICE_NOT_FOUND, MODEL_UNSUPPORTED and the library's own.
  static std::shared_ptr<Engine> Load(EngineSource source, CallLog& log);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Frees what the engine has on the GPU. Contexts must be gone; nothing may be asked of it afterwards
  // but its metadata.
  void Unload();

  const std::string& name() const { return name_; }
  const std::vector<Binding>& inputs() const { return inputs_; }
  const std::vector<Binding>& outputs() const { return outputs_; }
  bool dynamic() const { return dynamic_; }
  int profiles() const { return profiles_; }
  int library_version() const { return library_->version(); }
  size_t plan_bytes() const { return plan_bytes_; }
  // What the engine itself took of the device's memory when it was loaded, as far as the driver can
  // tell: other processes' allocations of that moment are in it.
  size_t device_bytes() const { return device_bytes_; }
  const cuda::PrimaryContext& context() const { return context_; }

  // Bytes of scratch memory that a context of any profile needs.
  size_t ScratchBytes() const;
  // A context without scratch memory of its own. Throws Error INFERENCE_FAILED.
  Owned<nvinfer1::IExecutionContext> CreateContext();
  void SetScratch(nvinfer1::IExecutionContext& context, const cuda::DeviceBuffer& scratch) const;

  // What the library's inspector says of all layers, as JSON. Throws Error INFERENCE_FAILED.
  std::string LayerInformation();

  // What the library said since the last call, oldest first.
  std::vector<LogLine> TakeLog() { return log_.TakeLines(); }

  // After a sticky error every run fails with these words.
  void Poison(const std::string& why);
  std::optional<std::string> poisoned() const;

 private:
  Engine(std::shared_ptr<const TensorRtLibrary> library, const cuda::PrimaryContext& context);
  void Deserialise(const void* plan, size_t bytes);
  void Describe();
  Binding DescribeTensor(const char* name, bool is_input);

  std::shared_ptr<const TensorRtLibrary> library_;
  const cuda::PrimaryContext& context_;
  // TensorRT keeps the logger's address: it is declared before what uses it.
  CallLog log_;
  LoggerLease logger_;
  Owned<nvinfer1::IRuntime> runtime_;
  Owned<nvinfer1::ICudaEngine> engine_;
  std::string name_;
  std::vector<Binding> inputs_;
  std::vector<Binding> outputs_;
  bool dynamic_ = false;
  int profiles_ = 0;
  size_t plan_bytes_ = 0;
  size_t device_bytes_ = 0;
  std::mutex context_mutex_;
  mutable std::mutex poison_mutex_;
  std::optional<std::string> poison_;
};

}  // namespace trtn

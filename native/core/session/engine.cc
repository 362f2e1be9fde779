#include "core/session/engine.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "core/network.h"
#include "core/session/element_types.h"
#include "core/text.h"

namespace trtn {
namespace {

PageBuffer ReadPlan(const std::string& path) {
  std::error_code problem;
  const bool folder = std::filesystem::is_directory(path, problem);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  PageBuffer bytes;
  if (folder) {
    // It can be opened, and has the size of everything.
    file.setstate(std::ios::failbit);
    errno = EISDIR;
  } else if (file) {
    const std::streamoff size = file.tellg();
    if (size > 0) {
      bytes = PageBuffer(static_cast<size_t>(size));
      file.seekg(0);
      file.read(reinterpret_cast<char*>(bytes.data()), size);
    }
  }
  if (!file) {
    throw Error("FILE_NOT_FOUND", "Cannot read the engine " + path + ": " + std::strerror(errno),
                "Give the path of a plan that `tensorrt-node build` or trtexec wrote.");
  }
  return bytes;
}

[[noreturn]] void RefusePlan(const std::string& label, const std::string& why) {
  throw Error("ENGINE_INVALID", "TensorRT cannot load " + label + (why.empty() ? "" : ": " + why),
              "Build it again on this machine: a plan runs only on the TensorRT version and the kind "
              "of GPU that it was built for.");
}

}  // namespace

bool Binding::dynamic() const { return std::find(shape.begin(), shape.end(), -1) != shape.end(); }

Engine::Engine(std::shared_ptr<const TensorRtLibrary> library, const cuda::PrimaryContext& context)
    : library_(std::move(library)), context_(context), logger_(log_) {}

Engine::~Engine() { Unload(); }

void Engine::Unload() {
  // TensorRT frees on the current device, which is the first one on a fresh thread.
  try {
    const cuda::CurrentContext current(context_);
    engine_.reset();
    runtime_.reset();
  } catch (const Error&) {
    // After a sticky error the driver refuses everything; the members go without it.
  }
  engine_.reset();
  runtime_.reset();
}

std::shared_ptr<Engine> Engine::Load(EngineSource source, CallLog& log) {
  const std::string label = source.path.empty() ? std::string("the plan") : source.path;
  const PageBuffer plan = source.bytes ? *std::move(source.bytes) : ReadPlan(source.path);
  if (plan.empty()) RefusePlan(label, "it is empty");
  auto library = TensorRtLibrary::Open(source.library);
  const cuda::PrimaryContext& context = cuda::PrimaryContext::Of(source.device);
  const cuda::CurrentContext current(context);
  const std::shared_ptr<Engine> engine(new Engine(std::move(library), context));
  try {
    engine->Deserialise(plan.data(), plan.size());
    if (engine->engine_ == nullptr) RefusePlan(label, engine->log_.FirstError());
    engine->plan_bytes_ = plan.size();
    engine->Describe();
  } catch (const Error&) {
    for (const LogLine& line : engine->TakeLog()) log.Add(line.severity, line.text);
    throw;
  }
  return engine;
}

void Engine::Deserialise(const void* plan, size_t bytes) {
  runtime_ = library_->CreateRuntime(logger_.logger());
  if (runtime_ == nullptr) {
    throw Error("DEVICE_NOT_FOUND", "TensorRT created no runtime: " + log_.FirstError(),
                "Check the driver with nvidia-smi.");
  }
  const size_t before = cuda::QueryMemory().free;
  engine_.reset(runtime_->deserializeCudaEngine(plan, bytes));
  const size_t after = cuda::QueryMemory().free;
  device_bytes_ = before > after ? before - after : 0;
}

void Engine::Describe() {
  name_ = ValidUtf8(engine_->getName());
  profiles_ = engine_->getNbOptimizationProfiles();
  for (int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
    const char* name = engine_->getIOTensorName(i);
    const bool is_input = engine_->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
    (is_input ? inputs_ : outputs_).push_back(DescribeTensor(name, is_input));
  }
  for (const Binding& input : inputs_) dynamic_ = dynamic_ || input.dynamic();
}

Binding Engine::DescribeTensor(const char* name, bool is_input) {
  Binding binding;
  binding.name = name;
  const nvinfer1::DataType type = engine_->getTensorDataType(name);
  binding.type = DataTypeName(type);
  binding.element_bytes = ElementBytes(type);
  binding.shape = ShapeOf(engine_->getTensorShape(name));
  const auto refuse = [&](const std::string& what) {
    throw Error("MODEL_UNSUPPORTED",
                std::string(is_input ? "Input " : "Output ") + ValidUtf8(name) + " of the engine " +
                    what,
                "Build the engine with linear inputs and outputs of float32, float16, int8, uint8, "
                "int32, int64 or bool in the GPU's memory.");
  };
  if (binding.element_bytes == 0) refuse("is of type " + binding.type);
  if (engine_->getTensorFormat(name) != nvinfer1::TensorFormat::kLINEAR) refuse("is not linear");
  if (engine_->getTensorLocation(name) != nvinfer1::TensorLocation::kDEVICE ||
      engine_->isShapeInferenceIO(name)) {
    refuse("is a shape tensor");
  }
  if (is_input && binding.dynamic()) {
    using Selector = nvinfer1::OptProfileSelector;
    for (int32_t profile = 0; profile < profiles_; ++profile) {
      const auto dims = [&](Selector selector) {
        return ShapeOf(engine_->getProfileShape(name, profile, selector));
      };
      binding.profiles.push_back(
          {dims(Selector::kMIN), dims(Selector::kOPT), dims(Selector::kMAX)});
    }
  }
  return binding;
}

size_t Engine::ScratchBytes() const {
#if NV_TENSORRT_MAJOR == 8
  return engine_->getDeviceMemorySize();
#elif NV_TENSORRT_MAJOR == 10
  // The second form is in the library since 10.1.
  if (library_->version() < 100100) return engine_->getDeviceMemorySize();
  return static_cast<size_t>(engine_->getDeviceMemorySizeV2());
#else
  return static_cast<size_t>(engine_->getDeviceMemorySizeV2());
#endif
}

Owned<nvinfer1::IExecutionContext> Engine::CreateContext() {
  // Contexts are made on the threads of several slots.
  const std::lock_guard<std::mutex> lock(context_mutex_);
#if NV_TENSORRT_MAJOR == 8
  Owned<nvinfer1::IExecutionContext> context(engine_->createExecutionContextWithoutDeviceMemory());
#else
  Owned<nvinfer1::IExecutionContext> context(engine_->createExecutionContext(
      nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
#endif
  if (context == nullptr) {
    const std::string why = log_.FirstError();
    const bool memory = Contains(why, "emory");
    throw Error(memory ? "OUT_OF_MEMORY" : "INFERENCE_FAILED",
                "TensorRT created no execution context" + (why.empty() ? "" : ": " + why),
                "Free GPU memory or use fewer contexts.");
  }
  return context;
}

void Engine::SetScratch(nvinfer1::IExecutionContext& context,
                        const cuda::DeviceBuffer& scratch) const {
  auto* memory = reinterpret_cast<void*>(static_cast<uintptr_t>(scratch.get()));
#if NV_TENSORRT_MAJOR == 8
  context.setDeviceMemory(memory);
#elif NV_TENSORRT_MAJOR == 10
  if (library_->version() < 100100) {
    context.setDeviceMemory(memory);
  } else {
    context.setDeviceMemoryV2(memory, static_cast<int64_t>(scratch.bytes()));
  }
#else
  context.setDeviceMemoryV2(memory, static_cast<int64_t>(scratch.bytes()));
#endif
}

std::string Engine::LayerInformation() {
  const std::lock_guard<std::mutex> lock(context_mutex_);
  const Owned<nvinfer1::IEngineInspector> inspector(engine_->createEngineInspector());
  const char* text = inspector == nullptr ? nullptr
                                          : inspector->getEngineInformation(
                                                nvinfer1::LayerInformationFormat::kJSON);
  if (text == nullptr) {
    throw Error("INFERENCE_FAILED", "TensorRT tells nothing of the engine's layers: " +
                                        log_.FirstError());
  }
  return ValidUtf8(text);
}

void Engine::Poison(const std::string& why) {
  const std::lock_guard<std::mutex> lock(poison_mutex_);
  if (!poison_) poison_ = why;
}

std::optional<std::string> Engine::poisoned() const {
  const std::lock_guard<std::mutex> lock(poison_mutex_);
  return poison_;
}

}  // namespace trtn

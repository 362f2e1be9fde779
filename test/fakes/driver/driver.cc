#include "driver.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

namespace {

using namespace nvinfer1;

Logger logger;
std::string folder;
void* nvinfer = nullptr;
std::map<std::string, std::string> options;  // key=value arguments

std::string option(const char* key, const char* fallback) {
  const auto found = options.find(key);
  return found == options.end() ? fallback : found->second;
}
int number(const char* key, int fallback) {
  return options.count(key) != 0 ? std::atoi(options[key].c_str()) : fallback;
}

std::string readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
void writeFile(const std::string& path, const void* data, size_t size) {
  std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
}

Dims dimsOf(const Dims& shape, int batch) {
  Dims dims = shape;
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    if (dims.d[i] < 0) dims.d[i] = batch;
  }
  return dims;
}
size_t volume(const Dims& dims) {
  size_t size = 1;
  for (int32_t i = 0; i < dims.nbDims; ++i) size *= static_cast<size_t>(dims.d[i]);
  return size;
}

// The test computes the same inputs.
void pattern(float* data, size_t count, int seed) {
  for (size_t i = 0; i < count; ++i) {
    data[i] = static_cast<float>(static_cast<int>((i * 37 + static_cast<size_t>(seed) * 11) % 101) - 50) / 16.0F;
  }
}

#if NV_TENSORRT_MAJOR <= 10
class Calibrator : public IInt8MinMaxCalibrator {
 public:
  Calibrator(std::vector<size_t> sizes, int batches) : sizes_(std::move(sizes)), left_(batches) {
    for (const size_t size : sizes_) {
      buffers_.push_back(0);
      cuda("cuMemAlloc_v2", &buffers_.back(), size * 4);
    }
    // A cache on disk is read once, as the addon does.
    if (options.count("cache") != 0) cache_ = readFile(options["cache"]);
  }
  ~Calibrator() override {
    for (const Pointer buffer : buffers_) cuda("cuMemFree_v2", buffer);
  }
  int32_t getBatchSize() const noexcept override { return 1; }
  bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept override {
    if (left_-- <= 0) return false;
    for (int32_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(i);
      std::vector<float> host(sizes_[at]);
      pattern(host.data(), host.size(), served_ * 3 + i + 1);
      cuda("cuMemcpyHtoD_v2", buffers_[at], static_cast<const void*>(host.data()), host.size() * 4);
      bindings[i] = reinterpret_cast<void*>(buffers_[at] + (options.count("badBinding") != 0 ? 1U << 30 : 0));
      if (served_ == 0) show("calibrationInput", "%s", names[i]);
    }
    ++served_;
    return true;
  }
  const void* readCalibrationCache(size_t& length) noexcept override {
    length = cache_.size();
    return cache_.empty() ? nullptr : cache_.data();
  }
  void writeCalibrationCache(const void* data, size_t size) noexcept override {
    show("cacheWritten", "%zu", size);
    if (options.count("cache") != 0) writeFile(options["cache"], data, size);
  }
  int served() const { return served_; }

 private:
  std::vector<size_t> sizes_;
  std::vector<Pointer> buffers_;
  std::string cache_;
  int left_, served_ = 0;
};
#endif

#if NV_TENSORRT_MAJOR >= 10
class Monitor : public IProgressMonitor {
 public:
  explicit Monitor(int cancelAfter) : left_(cancelAfter) {}
  void phaseStart(const char* name, const char* parent, int32_t) noexcept override {
    show("phase", "%s/%s", parent == nullptr ? "" : parent, name);
  }
  bool stepComplete(const char*, int32_t) noexcept override { return left_-- != 0; }
  void phaseFinish(const char*) noexcept override {}

 private:
  int left_;
};
#endif

int build(const std::string& model, const std::string& planPath) {
  auto* create = symbol<void*(void*, int32_t)>(nvinfer, "createInferBuilder_INTERNAL");
  const std::unique_ptr<IBuilder> builder(static_cast<IBuilder*>(create(&logger, NV_TENSORRT_VERSION)));
  if (builder == nullptr) return show("builder", "null"), 1;
  const std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(NV_TENSORRT_MAJOR == 8 ? 1U : 0U));
  void* parserLibrary = library(folder + "/libnvonnxparser.so." + std::to_string(NV_TENSORRT_MAJOR));
  auto* createParser = symbol<void*(void*, void*, int)>(parserLibrary, "createNvOnnxParser_INTERNAL");
  const std::unique_ptr<nvonnxparser::IParser> parser(
      static_cast<nvonnxparser::IParser*>(createParser(network.get(), &logger, NV_ONNX_PARSER_VERSION)));
  const std::string bytes = readFile(model);
  show("parsed", "%d", parser->parse(bytes.data(), bytes.size(), model.c_str()) ? 1 : 0);
  for (int i = 0; i < parser->getNbErrors(); ++i) {
    const auto* error = parser->getError(i);
    show("parserError", "%d %d %s", static_cast<int>(error->code()), error->node(), error->desc());
  }
  show("inputs", "%d", network->getNbInputs());
  show("layers", "%d", network->getNbLayers());
  if (network->getNbInputs() == 0 || parser->getNbErrors() != 0) return 1;

  const std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::vector<size_t> sizes;
  auto* profile = builder->createOptimizationProfile();
  for (int32_t i = 0; i < network->getNbInputs(); ++i) {
    ITensor* input = network->getInput(i);
    const Dims shape = input->getDimensions();
    show("inputShape", "%s %d %d", input->getName(), shape.nbDims, static_cast<int>(shape.d[0]));
    if (options.count("noProfile") == 0) {
      profile->setDimensions(input->getName(), OptProfileSelector::kMIN, dimsOf(shape, 1));
      profile->setDimensions(input->getName(), OptProfileSelector::kOPT, dimsOf(shape, 2));
      profile->setDimensions(input->getName(), OptProfileSelector::kMAX, dimsOf(shape, 8));
    }
    sizes.push_back(volume(dimsOf(shape, 2)));
  }
  if (options.count("noProfile") == 0) config->addOptimizationProfile(profile);
  if (options.count("refit") != 0) config->setFlag(BuilderFlag::kREFIT);
#if NV_TENSORRT_MAJOR >= 10
  Monitor monitor(number("cancelAfter", -1));
  config->setProgressMonitor(&monitor);
#endif
#if NV_TENSORRT_MAJOR <= 10
  std::unique_ptr<Calibrator> calibrator;
  if (options.count("batches") != 0) {
    calibrator = std::make_unique<Calibrator>(sizes, number("batches", 0));
    config->setFlag(BuilderFlag::kINT8);
    config->setInt8Calibrator(calibrator.get());
  }
#endif
  const std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
#if NV_TENSORRT_MAJOR <= 10
  if (calibrator != nullptr) show("batches", "%d", calibrator->served());
#endif
  if (plan == nullptr) return show("plan", "null"), 1;
  show("plan", "%zu", plan->size());
  writeFile(planPath, plan->data(), plan->size());
  return 0;
}

// Runs the plan on `rows` rows and prints all outputs, with or without a captured graph.
int run(const std::string& planPath) {
  auto* create = symbol<void*(void*, int32_t)>(nvinfer, "createInferRuntime_INTERNAL");
  const std::unique_ptr<IRuntime> runtime(static_cast<IRuntime*>(create(&logger, NV_TENSORRT_VERSION)));
  if (runtime == nullptr) return show("runtime", "null"), 1;
  const std::string plan = readFile(planPath);
  const std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
  if (engine == nullptr) return show("engine", "null"), 1;
  const std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  if (context == nullptr) return show("context", "null"), 1;
  if (options.count("refit") != 0) {
    auto* refit = symbol<void*(void*, void*, int32_t)>(nvinfer, "createInferRefitter_INTERNAL");
    const std::unique_ptr<IRefitter> refitter(static_cast<IRefitter*>(refit(engine.get(), &logger, NV_TENSORRT_VERSION)));
    const int32_t count = refitter->getAllWeights(0, nullptr);
    std::vector<const char*> names(static_cast<size_t>(count));
    refitter->getAllWeights(count, names.data());
    const std::vector<float> values(1 << 12, 0.5F);
    for (const char* name : names) {
      const int64_t size = number(name, 0);
      show("refitted", "%d", refitter->setNamedWeights(name, Weights{DataType::kFLOAT, values.data(), size}) ? 1 : 0);
    }
    show("refit", "%d", refitter->refitCudaEngine() ? 1 : 0);
  }
  const int rows = number("rows", 2);
  void* stream = nullptr;
  cuda("cuStreamCreate", &stream, 1U);
  struct Buffer {
    std::string name;
    bool input;
    void* host;
    Pointer device;
    size_t bytes;
  };
  std::vector<Buffer> buffers;
  int seed = 0;
  for (int32_t i = 0; i < engine->getNbIOTensors(); ++i) {
    const char* name = engine->getIOTensorName(i);
    const bool input = engine->getTensorIOMode(name) == TensorIOMode::kINPUT;
    if (input) {
      const bool set = context->setInputShape(name, dimsOf(engine->getTensorShape(name), rows));
      if (!set) {
        show("setInputShape", "refused");
        show("enqueue", "%d", context->enqueueV3(static_cast<cudaStream_t>(stream)) ? 1 : 0);
        return 1;
      }
    }
    const Dims shape = context->getTensorShape(name);
    Buffer buffer{name, input, nullptr, 0, volume(shape) * 4};
    cuda("cuMemAllocHost_v2", &buffer.host, buffer.bytes);
    cuda("cuMemAlloc_v2", &buffer.device, buffer.bytes);
    if (input) pattern(static_cast<float*>(buffer.host), volume(shape), seed++);
    if (!input) std::memset(buffer.host, 0, buffer.bytes);
    context->setTensorAddress(name, reinterpret_cast<void*>(buffer.device));
    buffers.push_back(buffer);
  }
  const auto issue = [&] {
    bool good = true;
    for (const Buffer& b : buffers) {
      if (b.input) cuda("cuMemcpyHtoDAsync_v2", b.device, static_cast<const void*>(b.host), b.bytes, stream);
    }
    good = context->enqueueV3(static_cast<cudaStream_t>(stream));
    for (const Buffer& b : buffers) {
      if (!b.input) cuda("cuMemcpyDtoHAsync_v2", b.host, b.device, b.bytes, stream);
    }
    return good;
  };
  void *graph = nullptr, *exec = nullptr;
  if (option("mode", "plain") == "graph") {
    // Warm-up outside, as the real library wants it, then what is captured is replayed.
    issue();
    cuda("cuStreamSynchronize", stream);
    cuda("cuStreamBeginCapture_v2", stream, 1);
    show("enqueue", "%d", issue() ? 1 : 0);
    show("capture", "%d", cuda("cuStreamEndCapture", stream, &graph));
    if (graph == nullptr) return 1;
    cuda("cuGraphInstantiateWithFlags", &exec, graph, 0ULL);
    for (const Buffer& b : buffers) {
      if (!b.input) std::memset(b.host, 0, b.bytes);
    }
    cuda("cuGraphLaunch", exec, stream);
  } else {
    show("enqueue", "%d", issue() ? 1 : 0);
  }
  if (option("mode", "") != "late") show("sync", "%d", cuda("cuStreamSynchronize", stream));
  for (const Buffer& b : buffers) {
    if (b.input) continue;
    for (size_t i = 0; i < b.bytes / 4; ++i) show(b.name.c_str(), "%.9g", static_cast<double>(static_cast<float*>(b.host)[i]));
  }
  const std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
  show("inspector", "%s", inspector->getEngineInformation(LayerInformationFormat::kJSON));
  if (exec != nullptr) cuda("cuGraphExecDestroy", exec);
  if (graph != nullptr) cuda("cuGraphDestroy", graph);
  cuda("cuStreamDestroy_v2", stream);
  for (const Buffer& b : buffers) {
    cuda("cuMemFree_v2", b.device);
    cuda("cuMemFreeHost", b.host);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  folder = arguments[1];
  const std::string command = arguments[2];
  std::vector<std::string> plain;
  for (int i = 3; i < count; ++i) {
    const std::string argument = arguments[i];
    const size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      plain.push_back(argument);
    } else {
      options[argument.substr(0, equals)] = argument.substr(equals + 1);
    }
  }
  cudaLibrary = library(folder + "/libcuda.so.1");
  if (command == "cuda") {
    cudaChecks();
    return 0;
  }
  nvinfer = library(folder + "/libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR));
  show("version", "%d", symbol<int32_t()>(nvinfer, "getInferLibVersion")());
  cuda("cuInit", 0U);
  void* context = nullptr;
  if (cuda("cuDevicePrimaryCtxRetain", &context, 0) == 0) cuda("cuCtxSetCurrent", context);
  const int status = command == "build" ? build(plain[0], plain[1]) : run(plain[0]);
  cuda("cuDevicePrimaryCtxRelease_v2", 0);
  return status;
}

// The fake libnvonnxparser: errors and silences as those of the real one (tensorrt-facts).
#include <NvOnnxParser.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>

#include "onnx_reader.h"

namespace fake {
namespace {

using nvonnxparser::ErrorCode;
using nvonnxparser::IParserError;
using Bytes = std::vector<char>;

const std::set<std::string>& Operators() {
  static const std::set<std::string> kOperators = {
      "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil",
      "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "DequantizeLinear",
      "Div", "Dropout", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor",
      "Gather", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "HardSigmoid",
      "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Less",
      "Log", "LogSoftmax", "LRN", "MatMul", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg", "Not",
      "Or", "Pad", "Pow", "PRelu", "QuantizeLinear", "Range", "Reciprocal", "ReduceL2", "ReduceMax",
      "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "Round",
      "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Split",
      "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose", "Unsqueeze", "Where"};
  return kOperators;
}

struct Problem : public IParserError {
  Problem(ErrorCode code, std::string description, int index, const Node* node)
      : code_(code), description_(std::move(description)), index_(index) {
    if (node != nullptr) {
      name_ = node->name;
      operator_ = node->op;
    }
  }
  ErrorCode code() const override { return code_; }
  const char* desc() const override { return description_.c_str(); }
  const char* file() const override { return "fake_parser.cc"; }
  int line() const override { return 1; }
  const char* func() const override { return "parse"; }
  int node() const override { return index_; }
  // The later methods are not virtual in 8.6: no `override`.
  const char* nodeName() const { return name_.c_str(); }
  const char* nodeOperator() const { return operator_.c_str(); }
  const char* const* localFunctionStack() const { return nullptr; }
  int32_t localFunctionStackSize() const { return 0; }

  ErrorCode code_;
  std::string description_;
  int index_;
  std::string name_, operator_;
};

bool ReadFile(const char* path, Bytes* bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  bytes->assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return true;
}

// 8.6 has the same methods, fewer of them and in part without `noexcept`.
class Parser : public nvonnxparser::IParser {
 public:
  Parser(void* network, nvinfer1::ILogger* logger) : network_(network), logger_(logger) {}

  bool parse(const void* bytes, size_t size, const char* path) noexcept override {
    Model model;
    const ReadResult result = ReadModel(bytes, size, &model);
    if (result == ReadResult::kNoModel) return true;
    if (result == ReadResult::kTruncated) {
      return Fail(ErrorCode::kMODEL_DESERIALIZE_FAILED, "Failed to parse the ONNX model.");
    }
    return Check(model, path == nullptr ? "" : path) && Fill(model);
  }
  bool parseFromFile(const char* path, int) noexcept override {
    Bytes bytes;
    if (!ReadFile(path, &bytes)) {
      Log(std::string("Failed to open file: ") + path);
      return Fail(ErrorCode::kMODEL_DESERIALIZE_FAILED,
                  std::string("Could not open file ") + path);
    }
    return parse(bytes.data(), bytes.size(), path);
  }
#if NV_TENSORRT_MAJOR <= 10
  bool supportsModel(const void* bytes, size_t size, SubGraphCollection_t&,
                     const char* path) noexcept override {
    return supportsModelV2(bytes, size, path);
  }
  bool parseWithWeightDescriptors(const void* bytes, size_t size) noexcept override {
    return parse(bytes, size, nullptr);
  }
#else
  void setRefitObserver(nvonnxparser::IRefitterObserver*) noexcept override {}
  nvonnxparser::IRefitterObserver* getRefitObserver() const noexcept { return nullptr; }
#endif
  bool supportsOperator(const char* name) const noexcept override {
    return Operators().count(name) != 0;
  }
  int getNbErrors() const noexcept override { return static_cast<int>(problems_.size()); }
  const IParserError* getError(int index) const noexcept override {
    return static_cast<size_t>(index) < problems_.size()
               ? problems_[static_cast<size_t>(index)].get()
               : nullptr;
  }
  void clearErrors() noexcept override { problems_.clear(); }

#if NV_TENSORRT_MAJOR >= 10
  const char* const* getUsedVCPluginLibraries(int64_t& count) const noexcept override {
    count = 0;
    return nullptr;
  }
  void setFlags(nvonnxparser::OnnxParserFlags flags) noexcept override { flags_ = flags; }
  nvonnxparser::OnnxParserFlags getFlags() const noexcept override { return flags_; }
  void clearFlag(nvonnxparser::OnnxParserFlag flag) noexcept override {
    flags_ &= ~(1U << static_cast<int>(flag));
  }
  void setFlag(nvonnxparser::OnnxParserFlag flag) noexcept override {
    flags_ |= 1U << static_cast<int>(flag);
  }
  bool getFlag(nvonnxparser::OnnxParserFlag flag) const noexcept override {
    return (flags_ & (1U << static_cast<int>(flag))) != 0;
  }
  const nvinfer1::ITensor* getLayerOutputTensor(const char*, int64_t) noexcept override {
    return nullptr;
  }
  bool supportsModelV2(const void* bytes, size_t size, const char* path) noexcept override {
    Model model;
    return ReadModel(bytes, size, &model) == ReadResult::kGood &&
           Check(model, path == nullptr ? "" : path);
  }
  int64_t getNbSubgraphs() noexcept override { return 1; }
  bool isSubgraphSupported(const int64_t) noexcept override { return problems_.empty(); }
  int64_t* getSubgraphNodes(const int64_t, int64_t& length) noexcept override {
    length = 0;
    return nullptr;
  }
  bool loadModelProto(const void*, size_t, const char*) noexcept override { return false; }
  bool loadInitializer(const char*, const void*, size_t) noexcept override { return false; }
  bool parseModelProto() noexcept override { return false; }
  bool setBuilderConfig(const nvinfer1::IBuilderConfig* const) noexcept override { return true; }
#else
  void destroy() noexcept { delete this; }
  bool supportsModelV2(const void* bytes, size_t size, const char* path) noexcept {
    Model model;
    return ReadModel(bytes, size, &model) == ReadResult::kGood &&
           Check(model, path == nullptr ? "" : path);
  }
  const char* const* getUsedVCPluginLibraries(int64_t& count) const noexcept override {
    count = 0;
    return nullptr;
  }
  void setFlags(nvonnxparser::OnnxParserFlags flags) noexcept override { flags_ = flags; }
  nvonnxparser::OnnxParserFlags getFlags() const noexcept override { return flags_; }
  void clearFlag(nvonnxparser::OnnxParserFlag) noexcept override {}
  void setFlag(nvonnxparser::OnnxParserFlag) noexcept override {}
  bool getFlag(nvonnxparser::OnnxParserFlag) const noexcept override { return false; }
#endif

 private:
  bool Fail(ErrorCode code, const std::string& text, int index = -1, const Node* node = nullptr) {
    problems_.push_back(std::make_unique<Problem>(code, text, index, node));
    Log("ModelImporter.cpp: " + text);
    return false;
  }
  void Log(const std::string& text) {
    if (logger_ != nullptr) logger_->log(nvinfer1::ILogger::Severity::kERROR, text.c_str());
  }
  bool Check(const Model& model, const std::string& path) {
    for (const Initializer& initializer : model.initializers) {
      if (initializer.external.empty()) continue;
      if (initializer.external.find("..") != std::string::npos) {
        return Fail(ErrorCode::kINVALID_GRAPH, "External data path leaves the model's folder");
      }
      const size_t slash = path.rfind('/');
      const std::string file =
          (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + initializer.external;
      Bytes bytes;
      if (ReadFile(file.c_str(), &bytes)) continue;
      Log("Failed to open file: " + file);  // the path stands in the log only
      return Fail(ErrorCode::kMODEL_DESERIALIZE_FAILED, "Failed to import initializer");
    }
    for (size_t i = 0; i < model.nodes.size(); ++i) {
      const Node& node = model.nodes[i];
      const bool standard = node.domain.empty() || node.domain == "ai.onnx";
      if (standard && Operators().count(node.op) != 0) continue;
      Fail(ErrorCode::kINVALID_NODE,
           "No importer registered for op: " + node.op + ". Attempting to import as plugin.",
           static_cast<int>(i), &node);
    }
    return problems_.empty();
  }
  bool Fill(const Model& model) {
    fake_nvinfer_fill(network_, model);
    return true;
  }

  void* network_;
  nvinfer1::ILogger* logger_;
  std::vector<std::unique_ptr<Problem>> problems_;
  nvonnxparser::OnnxParserFlags flags_ = 0;
};

}  // namespace
}  // namespace fake

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))
#if NV_TENSORRT_MAJOR >= 10
#define FAKE_NOEXCEPT noexcept
#else
#define FAKE_NOEXCEPT
#endif

FAKE_EXPORT void* createNvOnnxParser_INTERNAL(void* network, void* logger, int) FAKE_NOEXCEPT {
  return static_cast<nvonnxparser::IParser*>(
      new fake::Parser(network, static_cast<nvinfer1::ILogger*>(logger)));
}

FAKE_EXPORT int getNvOnnxParserVersion() FAKE_NOEXCEPT { return NV_ONNX_PARSER_VERSION; }

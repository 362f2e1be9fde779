#include "core/parser.h"

#include "core/text.h"

namespace trtn {
namespace {

std::string CodeName(int code) {
  static constexpr const char* kNames[] = {
      "SUCCESS",          "INTERNAL_ERROR",          "MEM_ALLOC_FAILED",
      "MODEL_DESERIALIZE_FAILED", "INVALID_VALUE",   "INVALID_GRAPH",
      "INVALID_NODE",     "UNSUPPORTED_GRAPH",       "UNSUPPORTED_NODE",
      "UNSUPPORTED_NODE_ATTR", "UNSUPPORTED_NODE_INPUT", "UNSUPPORTED_NODE_DATATYPE",
      "UNSUPPORTED_NODE_DYNAMIC", "UNSUPPORTED_NODE_SHAPE", "REFIT_FAILED"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "CODE_" + std::to_string(code);
}

ParserError Describe(const nvonnxparser::IParserError& error) {
  ParserError result;
  result.code = static_cast<int>(error.code());
  result.code_name = CodeName(result.code);
  result.node = error.node();
  result.description = ValidUtf8(WithoutCudaFollowUp(error.desc() == nullptr ? "" : error.desc()));
#if TRTN_HAS_NODE_NAMES_IN_ERRORS
  result.node_name = ValidUtf8(error.nodeName());
  result.node_operator = ValidUtf8(error.nodeOperator());
#endif
  return result;
}

}  // namespace

ParseResult ParseModel(const TensorRtLibrary& library, const ModelSource& model,
                       nvinfer1::INetworkDefinition& network, nvinfer1::ILogger& logger) {
  ParseResult result;
  result.parser = library.CreateParser(network, logger);
  if (result.parser == nullptr) {
    throw Error("BUILD_FAILED", "TensorRT did not create an ONNX parser");
  }
  bool parsed = false;
  if (model.from_bytes) {
    // Some versions read the pointer before the size.
    static constexpr uint8_t kNothing = 0;
    const uint8_t* bytes = model.bytes.empty() ? &kNothing : model.bytes.data();
    parsed = result.parser->parse(bytes, model.bytes.size(),
                                  model.path.empty() ? nullptr : model.path.c_str());
  } else {
    parsed = result.parser->parseFromFile(
        model.path.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kWARNING));
  }
  for (int i = 0; i < result.parser->getNbErrors(); ++i) {
    result.errors.push_back(Describe(*result.parser->getError(i)));
  }
  if (parsed && result.errors.empty() &&
      (network.getNbInputs() == 0 || network.getNbOutputs() == 0)) {
    ParserError error;
    error.code_name = "EMPTY_GRAPH";
    error.description = "The model holds no graph with inputs and outputs";
    result.errors.push_back(error);
  }
  if (!parsed && result.errors.empty()) {
    ParserError error;
    error.code_name = "INTERNAL_ERROR";
    error.description = "The ONNX parser refused the model without a reason";
    result.errors.push_back(error);
  }
  return result;
}

}  // namespace trtn

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/logger.h"
#include "core/tensorrt.h"
#include "core/tensorrt_library.h"

namespace trtn {

// An ONNX model as the caller gave it: bytes when there are any, otherwise a file. With bytes, `path`
// only says beside which file external data lies.
struct ModelSource {
  std::string path;
  std::vector<uint8_t> bytes;
  bool from_bytes = false;
};

// One IParserError.
struct ParserError {
  int code = 0;
  std::string code_name;  // MODEL_DESERIALIZE_FAILED, UNSUPPORTED_NODE, …
  int node = -1;
  std::string node_name;
  std::string node_operator;
  std::string description;
};

struct ParseResult {
  std::vector<ParserError> errors;  // empty when the model was taken
  // Owns memory that the network refers to: must live until the network has been built.
  Owned<nvonnxparser::IParser> parser;
};

// Fills `network`. A model that the parser takes for an empty one (an empty file, a text: parse() says
// true to them) comes back with one error of code 0.
ParseResult ParseModel(const TensorRtLibrary& library, const ModelSource& model,
                       nvinfer1::INetworkDefinition& network, nvinfer1::ILogger& logger);

}  // namespace trtn

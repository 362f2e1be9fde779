// A parsed ONNX model as the fake parser hands it to the fake network. Both are compiled by the same
// compiler, so plain C++ types may cross.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fake {

struct Value {
  std::string name;
  int elementType = 1;  // ONNX's numbers
  bool hasShape = false;
  std::vector<int64_t> dims;           // -1: known at run time
  std::vector<std::string> dimNames;   // of the -1 ones, where the model gives one
};

struct Node {
  std::string name;
  std::string op;
  std::string domain;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

struct Initializer {
  std::string name;
  int elementType = 1;
  std::vector<int64_t> dims;
  float first = 0;       // element 0, the only one that the fake's arithmetic uses
  std::string external;  // path, when the data lies outside the model
  int64_t Count() const {
    int64_t count = 1;
    for (const int64_t dim : dims) count *= dim;
    return count;
  }
};

struct Model {
  bool hasGraph = false;
  std::string graphName;
  std::vector<Value> inputs, outputs, values;
  std::vector<Node> nodes;
  std::vector<Initializer> initializers;
};

}  // namespace fake

// In the fake libnvinfer: fills a network from a model. `network` is an INetworkDefinition*.
extern "C" void fake_nvinfer_fill(void* network, const fake::Model& model);
